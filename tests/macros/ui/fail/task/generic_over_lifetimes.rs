use taskx::prelude::*;

#[task]
fn report<'a>(title: &'a str) {
    let _ = title;
}

fn main() {
    let _ = Report::apply("a");
}
