use taskx::prelude::*;

#[task(applier = "report task")]
fn report() {}

fn main() {}
