use taskx::prelude::*;

#[task]
const fn report() {}

fn main() {}
