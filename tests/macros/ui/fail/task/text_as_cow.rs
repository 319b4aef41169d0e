use taskx::prelude::*;

use std::borrow::Cow;

#[task]
fn report(title: Cow<'_, str>) {
    let _ = title;
}

fn main() {
    let _ = Report::apply("a");
}
