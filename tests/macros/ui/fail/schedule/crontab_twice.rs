use taskx::prelude::*;

#[cron_task("30 9 * * *", "30 10 * * *")]
fn sweep() {}

fn main() {}
