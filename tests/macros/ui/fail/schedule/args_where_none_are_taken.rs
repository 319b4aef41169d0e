use taskx::prelude::*;

#[cron_task(hour = 5, args("a"))]
fn sweep() {}

fn main() {}
