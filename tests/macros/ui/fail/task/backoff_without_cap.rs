use taskx::prelude::*;

#[task(backoff = "2s..")]
fn report() {}

fn main() {}
