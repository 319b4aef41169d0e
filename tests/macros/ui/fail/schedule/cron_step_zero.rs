use taskx::prelude::*;

#[cron_task(minute = "*/0")]
fn sweep() {}

fn main() {}
