use taskx::prelude::*;

#[task]
fn report() -> impl std::fmt::Display {
    7
}

fn main() {}
