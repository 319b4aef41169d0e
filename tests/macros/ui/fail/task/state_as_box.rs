use taskx::prelude::*;

pub trait Greet: Send + Sync {}

#[task]
fn report(greeter: Box<dyn Greet>) {
    let _ = greeter;
}

fn main() {}
