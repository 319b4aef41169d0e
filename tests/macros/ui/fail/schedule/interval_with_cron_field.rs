use taskx::prelude::*;

#[interval_task(minute = 5)]
fn sweep() {}

fn main() {}
