use taskx::prelude::*;

#[cron_task(hour = 5, timezone = "Europe/Pari")]
fn sweep() {}

fn main() {}
