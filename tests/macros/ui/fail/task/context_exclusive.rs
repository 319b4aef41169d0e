use taskx::prelude::*;

#[task]
fn report(ctx: &mut Ctx) {
    let _ = ctx;
}

fn main() {
    let _ = Report::apply();
}
