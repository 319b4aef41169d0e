use taskx::prelude::*;

#[task]
fn report(#[arg(default = "seven")] pages: u32) {
    let _ = pages;
}

fn main() {}
