use taskx::prelude::*;

#[task(queue = "mail", priority = 1, queue = "post")]
fn report() {}

fn main() {}
