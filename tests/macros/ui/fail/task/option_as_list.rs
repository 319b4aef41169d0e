use taskx::prelude::*;

#[task(queue("mail", "post"))]
fn report() {}

fn main() {}
