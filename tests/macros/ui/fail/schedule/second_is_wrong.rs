use taskx::prelude::*;

#[cron_task(hour = 5, schedule = "a")]
#[cron_task(hour = 25, schedule = "b")]
fn sweep() {}

fn main() {}
