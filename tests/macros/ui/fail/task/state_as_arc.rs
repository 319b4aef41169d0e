use taskx::prelude::*;

pub struct Mailer;

#[task]
fn report(mailer: std::sync::Arc<Mailer>) {
    let _ = mailer;
}

fn main() {
    let _ = Report::apply();
}
