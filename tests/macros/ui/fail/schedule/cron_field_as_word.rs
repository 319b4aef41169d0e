use taskx::prelude::*;

#[cron_task(day_of_week = mon)]
fn sweep() {}

fn main() {}
