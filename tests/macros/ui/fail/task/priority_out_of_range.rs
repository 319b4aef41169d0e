use taskx::prelude::*;

#[task(priority = 40_000)]
fn report() {}

fn main() {}
