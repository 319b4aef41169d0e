use taskx::prelude::*;

#[cron_task(hour = 5, overlap = "queue")]
fn sweep() {}

fn main() {}
