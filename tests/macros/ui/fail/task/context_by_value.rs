use taskx::prelude::*;

#[task]
fn report(title: String, ctx: Ctx) {
    let _ = (title, ctx);
}

fn main() {
    let _ = Report::apply("a");
}
