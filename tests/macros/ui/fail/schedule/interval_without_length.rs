use taskx::prelude::*;

#[interval_task]
fn sweep() {}

fn main() {}
