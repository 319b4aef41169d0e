use taskx::prelude::*;

#[task(max_attempts = 0)]
fn report() {}

fn main() {}
