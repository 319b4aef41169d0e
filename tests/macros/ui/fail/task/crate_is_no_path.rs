use taskx::prelude::*;

#[task(crate = "my crate")]
fn report() {}

fn main() {}
