use taskx::prelude::*;

#[cron_task(hour = 5, start_date = "2030-02-30")]
fn sweep() {}

fn main() {}
