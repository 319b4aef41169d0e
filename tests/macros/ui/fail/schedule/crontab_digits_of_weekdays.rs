use taskx::prelude::*;

#[cron_task("0 30 9 * * 1-5")]
fn sweep() {}

fn main() {}
