use taskx::prelude::*;

#[cron_task(hour = 5, schedule = "")]
fn sweep() {}

fn main() {}
