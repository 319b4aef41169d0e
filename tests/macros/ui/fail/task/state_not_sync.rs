use taskx::prelude::*;

pub struct Mailer(std::cell::Cell<u8>);

#[task]
fn report(mailer: &Mailer) {
    mailer.0.set(1);
}

fn main() {}
