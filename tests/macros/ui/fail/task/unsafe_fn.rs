use taskx::prelude::*;

#[task]
unsafe fn report() {}

fn main() {}
