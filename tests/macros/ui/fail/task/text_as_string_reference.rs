use taskx::prelude::*;

#[task]
fn report(title: &String) {
    let _ = title;
}

fn main() {
    let _ = Report::apply("a");
}
