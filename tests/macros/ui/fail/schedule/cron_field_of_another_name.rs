use taskx::prelude::*;

#[cron_task(weekday = "mon")]
fn sweep() {}

fn main() {}
