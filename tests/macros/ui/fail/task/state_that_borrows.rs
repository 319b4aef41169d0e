use taskx::prelude::*;

pub struct Mailer<'a>(&'a str);

#[task]
fn report(mailer: &Mailer<'_>) {
    let _ = mailer.0;
}

fn main() {}
