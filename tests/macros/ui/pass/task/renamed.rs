//! `crate = ".."`: taskx under another name, found by a path of the application's own.

mod framework {
    pub use taskx as jobs;
}

use framework::jobs;

pub struct Mailer;

#[jobs::task(crate = "crate::framework::jobs", queue = "mail", backoff = "2s..1h", retention = "1d")]
async fn email(
    to: String,
    #[arg(default = "Hello")] subject: &str,
    mailer: &Mailer,
    ctx: &jobs::Ctx,
) -> jobs::Result<usize> {
    let _ = (mailer, ctx.id());
    Ok(to.len() + subject.len())
}

mod inner {
    use super::jobs;

    #[jobs::task(crate = "jobs")]
    pub fn sweep() {}
}

fn main() {
    let _: jobs::Apply<Email> = Email::apply("ada", "Hi");
    let _: jobs::Apply<inner::Sweep> = inner::Sweep::apply();
}
