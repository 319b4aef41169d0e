use taskx::prelude::*;

#[task(backoff = "quadratic 2s..1h")]
fn report() {}

fn main() {}
