use taskx::prelude::*;

#[cron_task(month = 2, day = 30)]
fn sweep() {}

fn main() {}
