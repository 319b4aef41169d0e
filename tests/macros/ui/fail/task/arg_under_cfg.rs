use taskx::prelude::*;

#[task]
fn report(#[cfg(test)] pages: u32) {}

fn main() {}
