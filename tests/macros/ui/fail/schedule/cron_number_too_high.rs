use taskx::prelude::*;

#[cron_task(minute = 60)]
fn sweep() {}

fn main() {}
