use taskx::prelude::*;

#[date_task("2009-11-06")]
fn sweep() {}

fn main() {}
