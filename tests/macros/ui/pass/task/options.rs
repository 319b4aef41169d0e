use std::{path::PathBuf, time::Duration};

use taskx::prelude::*;

pub struct Mailer;

fn squares(attempt: u32) -> Duration {
    Duration::from_secs(u64::from(attempt * attempt))
}

/// Sends one mail.
#[task(
    name = "send-mail", alias = "mail", alias("post", "letter"), alias = ["note"],
    queue = "mail", priority = -5, max_attempts = 5, backoff = "2s..1h", timeout = "30s",
    settle = "each", retention = "7d", app = "office", applier = "Post",
)]
async fn email_task(to: String, subject: &str, mailer: &Mailer, ctx: &Ctx) -> Result<usize, std::io::Error> {
    let _ = (mailer, ctx.attempt());
    Ok(to.len() + subject.len())
}

#[task(backoff = squares, settle = "batch", retention = "none")]
fn resize(path: PathBuf, width: u32) {
    let _ = (path, width);
}

fn main() {
    let _ = Post::apply("ada@example.com", "Hello");
    let _ = Post { to: String::new(), subject: String::new() }.enqueue();
    let _ = Resize::apply(PathBuf::from("a.png"), 3);
    assert_eq!((Post::NAME, Resize::NAME), ("send-mail", "resize"));
}
