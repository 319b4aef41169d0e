use taskx::prelude::*;

#[task(queue = "a\0b")]
fn report() {}

fn main() {}
