use taskx::prelude::*;

#[cron_task(hour = 5, dst = "skip")]
fn sweep() {}

fn main() {}
