use taskx::prelude::*;

#[date_task(run_date = "2009-11-06", hour = 5)]
fn sweep() {}

fn main() {}
