use taskx::prelude::*;

#[task]
fn _42() {}

fn main() {}
