use taskx::prelude::*;

#[task]
fn report(title: &'static str) {
    let _ = title;
}

fn main() {
    let _ = Report::apply("a");
}
