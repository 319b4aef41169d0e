use taskx::prelude::*;

#[cron_task("30 9 * * *", hour = 5)]
fn sweep() {}

fn main() {}
