use taskx::prelude::*;

#[task]
fn report(title: &mut String) {
    title.clear();
}

fn main() {
    let _ = Report::apply("a");
}
