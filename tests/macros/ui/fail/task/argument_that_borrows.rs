use taskx::prelude::*;

#[task]
fn report(titles: Vec<&str>) {
    let _ = titles;
}

fn main() {
    let _ = Report::apply(vec!["a".to_owned()]);
}
