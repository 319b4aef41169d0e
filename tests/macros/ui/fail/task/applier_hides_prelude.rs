use taskx::prelude::*;

#[task]
fn option() {}

fn main() {}
