use taskx::prelude::*;

pub trait Greet: Send + Sync {}

#[task]
fn report(greeter: &mut dyn Greet) {
    let _ = greeter;
}

fn main() {}
