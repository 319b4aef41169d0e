use taskx::prelude::*;

#[cron_task(minutee = 5)]
fn sweep() {}

fn main() {}
