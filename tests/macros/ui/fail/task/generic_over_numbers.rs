use taskx::prelude::*;

#[task]
fn report<const N: usize>(pages: [u8; N]) {
    let _ = pages;
}

fn main() {}
