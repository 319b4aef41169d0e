use taskx::prelude::*;

#[cron_task("@dayly")]
fn sweep() {}

fn main() {}
