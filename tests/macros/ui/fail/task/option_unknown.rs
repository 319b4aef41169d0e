use taskx::prelude::*;

#[task(colour = "red")]
fn report() {}

fn main() {
    let _ = Report::apply();
}
