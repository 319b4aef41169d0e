use taskx::prelude::*;

#[task]
fn report(title: String, pages: u32) {
    let _ = (title, pages);
}

fn main() {
    let _ = Report::apply("a", "b");
}
