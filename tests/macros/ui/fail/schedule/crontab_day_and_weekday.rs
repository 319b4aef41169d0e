use taskx::prelude::*;

#[cron_task("30 9 13 * Fri")]
fn sweep() {}

fn main() {}
