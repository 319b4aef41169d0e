use taskx::prelude::*;

#[interval_task(minutes = -5)]
fn sweep() {}

fn main() {}
