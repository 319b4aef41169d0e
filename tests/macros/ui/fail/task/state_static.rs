use taskx::prelude::*;

pub struct Mailer;

#[task]
fn report(mailer: &'static Mailer) {
    let _ = mailer;
}

fn main() {}
