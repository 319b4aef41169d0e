use taskx::prelude::*;

#[task(queue = 7)]
fn report() {}

fn main() {}
