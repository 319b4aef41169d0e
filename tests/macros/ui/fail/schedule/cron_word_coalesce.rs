use taskx::prelude::*;

#[cron_task(hour = 5, coalesce = true)]
fn sweep() {}

fn main() {}
