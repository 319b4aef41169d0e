use taskx::prelude::*;

#[interval_task(hours = 1.5)]
fn sweep() {}

fn main() {}
