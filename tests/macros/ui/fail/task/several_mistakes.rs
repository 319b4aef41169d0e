use taskx::prelude::*;

#[task(queu = "mail", max_attempts = 0, timeout = "soon")]
extern "C" fn report(ctx: Ctx, pages: &[u8], title: &mut String) {
    let _ = (ctx, pages, title);
}

fn main() {
    let _ = Report::apply(vec![1], "a");
}
