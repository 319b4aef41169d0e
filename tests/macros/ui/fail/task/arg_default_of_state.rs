use taskx::prelude::*;

pub struct Mailer;

#[task]
fn report(#[arg(default)] mailer: &Mailer) {
    let _ = mailer;
}

fn main() {}
