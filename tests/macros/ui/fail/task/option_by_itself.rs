use taskx::prelude::*;

#[task("report")]
fn report() {}

fn main() {}
