use taskx::prelude::*;

fn delay(attempt: u64) -> u64 {
    attempt
}

#[task(backoff = delay)]
fn report() {}

fn main() {}
