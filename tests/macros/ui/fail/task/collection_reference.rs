use taskx::prelude::*;

#[task]
fn report(pages: &Vec<u32>) {
    let _ = pages;
}

fn main() {
    let _ = Report::apply(vec![1]);
}
