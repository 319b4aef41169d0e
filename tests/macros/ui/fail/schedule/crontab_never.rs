use taskx::prelude::*;

#[cron_task("0 0 30 2 *")]
fn sweep() {}

fn main() {}
