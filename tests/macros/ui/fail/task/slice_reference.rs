use taskx::prelude::*;

#[task]
fn report(pages: &[u8]) {
    let _ = pages;
}

fn main() {
    let _ = Report::apply(vec![1]);
}
