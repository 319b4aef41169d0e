use taskx::prelude::*;

#[task(queue = "mail" priority = 1)]
fn report() {}

fn main() {}
