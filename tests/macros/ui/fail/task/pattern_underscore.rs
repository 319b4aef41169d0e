use taskx::prelude::*;

#[task]
fn report(_: String) {}

fn main() {
    let _ = Report::apply("a");
}
