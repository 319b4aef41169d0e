use taskx::prelude::*;

#[task(name = "")]
fn report() {}

fn main() {}
