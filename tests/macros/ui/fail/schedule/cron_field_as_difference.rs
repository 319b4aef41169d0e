use taskx::prelude::*;

#[cron_task(hour = 9-17)]
fn sweep() {}

fn main() {}
