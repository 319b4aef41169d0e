use taskx::prelude::*;

#[task(timeout = 30)]
fn report() {}

fn main() {}
