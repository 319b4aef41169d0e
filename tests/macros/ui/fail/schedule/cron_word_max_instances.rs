use taskx::prelude::*;

#[cron_task(hour = 5, max_instances = 3)]
fn sweep() {}

fn main() {}
