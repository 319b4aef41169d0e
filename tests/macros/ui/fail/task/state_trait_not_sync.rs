use taskx::prelude::*;

pub trait Greet {
    fn greet(&self);
}

#[task]
fn report(greeter: &dyn Greet) {
    greeter.greet();
}

fn main() {}
