use taskx::prelude::*;

#[cron_task(hour = 5, timezone = "UTC", timezone = "Europe/Paris")]
fn sweep() {}

fn main() {}
