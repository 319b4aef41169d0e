use taskx::prelude::*;

#[cron_task(minute = */5)]
fn sweep() {}

fn main() {}
