use taskx::prelude::*;

#[task(timeout = "30 parsecs")]
fn report() {}

fn main() {}
