use taskx::prelude::*;

#[task(backoff = "1h..2s")]
fn report() {}

fn main() {}
