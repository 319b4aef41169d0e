use taskx::prelude::*;

#[task]
fn report(title: impl Into<String>) {
    let _ = title.into();
}

fn main() {
    let _ = Report::apply("a");
}
