use taskx::prelude::*;

#[cron_task(timezone = "Europe/Paris")]
fn sweep() {}

fn main() {}
