use taskx::prelude::*;

#[interval_task("10m")]
fn sweep() {}

fn main() {}
