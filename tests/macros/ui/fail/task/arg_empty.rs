use taskx::prelude::*;

#[task]
fn report(#[arg] pages: u32) {
    let _ = pages;
}

fn main() {}
