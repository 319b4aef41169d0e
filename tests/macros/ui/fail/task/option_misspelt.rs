use taskx::prelude::*;

#[task(queu = "mail")]
fn report() {}

fn main() {
    let _ = Report::apply();
}
