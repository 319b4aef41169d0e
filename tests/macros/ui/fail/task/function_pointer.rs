use taskx::prelude::*;

#[task]
fn report(then: fn(u8) -> u8) {
    let _ = then;
}

fn main() {}
