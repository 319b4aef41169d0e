use taskx::prelude::*;

pub trait Greet {}

#[task]
fn report(greeter: &dyn Greet) {
    let _ = greeter;
}

fn main() {}
