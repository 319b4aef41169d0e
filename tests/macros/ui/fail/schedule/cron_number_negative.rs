use taskx::prelude::*;

#[cron_task(hour = -1)]
fn sweep() {}

fn main() {}
