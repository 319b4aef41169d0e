use taskx::prelude::*;

pub struct Mailer;

#[task]
fn report(mailer: Option<&Mailer>) {
    let _ = mailer;
}

fn main() {
    let _ = Report::apply();
}
