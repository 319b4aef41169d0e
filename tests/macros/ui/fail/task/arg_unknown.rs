use taskx::prelude::*;

#[task]
fn report(#[arg(optional)] pages: u32) {
    let _ = pages;
}

fn main() {
    let _ = Report::apply(7);
}
