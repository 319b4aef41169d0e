use taskx::prelude::*;

#[interval_task(days = 1, start_date = "2030-01-02", end_date = "2030-01-01")]
fn sweep() {}

fn main() {}
