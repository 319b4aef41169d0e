use taskx::prelude::*;

#[task]
fn report() -> u32 {
    7
}

fn main() {}
