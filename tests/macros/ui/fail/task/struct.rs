use taskx::prelude::*;

#[task]
pub struct Report;

fn main() {}
