use taskx::prelude::*;

#[date_task(run_date = "06.11.2009")]
fn sweep() {}

fn main() {}
