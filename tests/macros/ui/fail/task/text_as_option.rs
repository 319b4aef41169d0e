use taskx::prelude::*;

#[task]
fn report(title: Option<&str>) {
    let _ = title;
}

fn main() {
    let _ = Report::apply(Some("a".to_owned()));
}
