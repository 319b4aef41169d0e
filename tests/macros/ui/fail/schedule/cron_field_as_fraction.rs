use taskx::prelude::*;

#[cron_task(hour = 5.5)]
fn sweep() {}

fn main() {}
