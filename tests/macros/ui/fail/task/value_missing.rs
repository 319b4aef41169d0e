use taskx::prelude::*;

#[task(queue = , priority = 1)]
fn report() {}

fn main() {}
