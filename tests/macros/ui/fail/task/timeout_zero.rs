use taskx::prelude::*;

#[task(timeout = "0s")]
fn report() {}

fn main() {}
