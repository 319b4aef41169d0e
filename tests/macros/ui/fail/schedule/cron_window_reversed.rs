use taskx::prelude::*;

#[cron_task(hour = 5, start_date = "2030-02-01", end_date = "2030-01-01")]
fn sweep() {}

fn main() {}
