use taskx::prelude::*;

#[task(max_retries = 3)]
fn report() {}

fn main() {
    let _ = Report::apply();
}
