use taskx::prelude::*;

#[task(retention = "forever")]
fn report() {}

fn main() {}
