use taskx::prelude::*;

#[task]
fn report(pages: *const u8) {
    let _ = pages;
}

fn main() {}
