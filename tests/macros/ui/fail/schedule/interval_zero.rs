use taskx::prelude::*;

#[interval_task(minutes = 0)]
fn sweep() {}

fn main() {}
