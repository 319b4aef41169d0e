use taskx::prelude::*;

#[task(hour = 5)]
fn sweep() {}

fn main() {}
