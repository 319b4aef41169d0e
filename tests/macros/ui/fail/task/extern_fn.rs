use taskx::prelude::*;

#[task]
extern "C" fn report() {}

fn main() {}
