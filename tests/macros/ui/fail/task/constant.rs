use taskx::prelude::*;

#[task]
const REPORT: u8 = 7;

fn main() {}
