use taskx::prelude::*;

#[cron_task(day_of_week = "fri-mon")]
fn sweep() {}

fn main() {}
