use taskx::prelude::*;

#[cron_task(hour = 5, schedule = "a", queue = "x")]
#[cron_task(hour = 6, schedule = "b", queue = "y")]
fn sweep() {}

fn main() {}
