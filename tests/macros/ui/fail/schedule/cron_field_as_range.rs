use taskx::prelude::*;

#[cron_task(hour = 9..18)]
fn sweep() {}

fn main() {}
