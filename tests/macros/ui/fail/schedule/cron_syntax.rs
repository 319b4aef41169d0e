use taskx::prelude::*;

#[cron_task(day = "3rd friday")]
fn sweep() {}

fn main() {}
