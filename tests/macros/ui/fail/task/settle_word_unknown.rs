use taskx::prelude::*;

#[task(settle = "always")]
fn report() {}

fn main() {}
