use taskx::prelude::*;

#[date_task(run_date = 20091106)]
fn sweep() {}

fn main() {}
