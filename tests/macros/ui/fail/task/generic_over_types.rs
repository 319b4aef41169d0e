use taskx::prelude::*;

#[task]
fn report<T: Into<String>>(title: T) {
    let _ = title.into();
}

fn main() {
    let _ = Report::apply("a");
}
