use taskx::prelude::*;

#[task(queu = "mail", max_attempts = 0, timeout = "soon")]
const fn report(ctx: Ctx, pages: &[u8], title: &mut String) -> impl Future<Output = ()> {
    async {}
}

fn main() {
    let _ = Report::apply(vec![1], "a");
}
