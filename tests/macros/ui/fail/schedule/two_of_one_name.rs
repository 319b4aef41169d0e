use taskx::prelude::*;

#[cron_task(hour = 5, schedule = "a")]
#[cron_task(hour = 6, schedule = "a")]
fn sweep() {}

fn main() {}
