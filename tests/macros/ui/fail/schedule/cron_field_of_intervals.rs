use taskx::prelude::*;

#[cron_task(minutes = 5)]
fn sweep() {}

fn main() {}
