use taskx::prelude::*;

#[task(unique)]
fn report() {}

fn main() {
    let _ = Report::apply();
}
