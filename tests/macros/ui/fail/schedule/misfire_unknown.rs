use taskx::prelude::*;

#[cron_task(hour = 5, misfire = "coalesce")]
fn sweep() {}

fn main() {}
