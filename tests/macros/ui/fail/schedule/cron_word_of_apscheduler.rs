use taskx::prelude::*;

#[cron_task(hour = 5, misfire_grace_time = 60)]
fn sweep() {}

fn main() {}
