use taskx::prelude::*;

#[cron_task(month = "january")]
fn sweep() {}

fn main() {}
