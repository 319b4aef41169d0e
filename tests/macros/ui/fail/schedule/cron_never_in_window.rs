use taskx::prelude::*;

#[cron_task(year = 2020, start_date = "2021-01-01")]
fn sweep() {}

fn main() {}
