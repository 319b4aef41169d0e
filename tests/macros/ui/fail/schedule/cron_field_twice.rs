use taskx::prelude::*;

#[cron_task(hour = 5, minute = 1, hour = 6)]
fn sweep() {}

fn main() {}
