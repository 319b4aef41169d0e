use taskx::prelude::*;

#[task(queue "mail")]
fn report() {}

fn main() {}
