use taskx::prelude::*;

#[task]
fn report((width, height): (u32, u32)) {
    let _ = (width, height);
}

fn main() {
    let _ = Report::apply((1, 2));
}
