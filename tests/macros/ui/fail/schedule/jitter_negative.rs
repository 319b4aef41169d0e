use taskx::prelude::*;

#[cron_task(hour = 5, jitter = -5)]
fn sweep() {}

fn main() {}
