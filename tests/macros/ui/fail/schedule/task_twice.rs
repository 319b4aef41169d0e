use taskx::prelude::*;

#[task(queue = "mail")]
#[task(priority = 1)]
fn sweep() {}

fn main() {}
