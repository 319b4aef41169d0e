//! The quick start: a task sends a mail, which lands as a file in `outbox/`.
//!
//! `cargo run --example quickstart`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use lettre::{FileTransport, Message, Transport};
use taskx::prelude::*;

/// Sends one mail.
#[task(queue = "mail", max_attempts = 5, backoff = "2s..1h", timeout = "30s")]
fn email_task(to: &str, subject: &str, mailer: &FileTransport) -> anyhow::Result<()> {
    let mail = Message::builder().from("taskx <taskx@example.com>".parse()?).to(to.parse()?);
    let mail = mail.subject(subject).body("Sent by a task.\n".to_owned())?;
    println!("{to}: outbox/{}.eml", mailer.send(&mail)?);
    Ok(())
}

async fn setup(app: AppBuilder) -> anyhow::Result<App> {
    std::fs::create_dir_all("outbox")?;
    Ok(app.state(FileTransport::new("outbox")).build().await?)
}

#[taskx::main(setup = setup)]
async fn main(app: App) -> anyhow::Result<()> {
    let worker = app.background_worker().start().await?;
    EmailTask::apply("Ada <ada@example.com>", "Hello").await?;
    Ok(worker.wait_idle().await?)
}
