use taskx::prelude::*;

#[task(priority = "high")]
fn report() {}

fn main() {}
