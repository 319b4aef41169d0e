use taskx::prelude::*;

pub struct Report;

#[task]
fn report() {}

fn main() {}
