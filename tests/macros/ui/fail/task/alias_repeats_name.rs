use taskx::prelude::*;

#[task(alias = "report")]
fn report() {}

fn main() {}
