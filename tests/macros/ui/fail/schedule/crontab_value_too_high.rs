use taskx::prelude::*;

#[cron_task("61 * * * *")]
fn sweep() {}

fn main() {}
