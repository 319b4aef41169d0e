use taskx::prelude::*;

#[task(queue)]
fn report() {}

fn main() {}
