use taskx::prelude::*;

#[task]
fn report(pages: &mut u64) {
    *pages += 1;
}

fn main() {}
