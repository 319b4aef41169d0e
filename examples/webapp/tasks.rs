//! What is done outside the requests.

use lettre::{FileTransport, Message, Transport, message::Mailbox};
use taskx::prelude::*;
use uuid::Uuid;

use crate::pictures::{Edge, Pictures};

/// Sends the mail that welcomes a member.
#[task(queue = "mail", max_attempts = 5, backoff = "2s..1h", timeout = "30s")]
pub(crate) fn email_task(to: &str, name: &str, mailer: &FileTransport) -> anyhow::Result<()> {
    let mail = Message::builder()
        .from("Darkroom <darkroom@example.com>".parse()?)
        .to(Mailbox::new(Some(name.to_owned()), to.parse()?))
        .subject("Welcome to the Darkroom")
        .body(format!("Hello {name},\n\nyour account is ready.\n"))?;
    mailer.send(&mail)?;
    Ok(())
}

/// Makes the thumbnails of an uploaded picture.
///
/// A plain fn, so it runs on the blocking pool. It may run twice (after a crash, say): each file is
/// written whole or not at all, and the second run writes the same.
#[task(queue = "pictures", max_attempts = 3, timeout = "2m")]
pub(crate) fn thumbnail_task(picture: Uuid, pictures: &Pictures, ctx: &Ctx) -> anyhow::Result<()> {
    ctx.progress(0, "reading the picture");
    let bytes = pictures.read(picture)?;
    // The disk may answer the next time; a broken picture stays one.
    let mut scaled =
        Pictures::decode(&bytes).map_err(|broken| Discard::because(broken.to_string()))?;
    for (done, edge) in (1..).zip(Edge::ALL) {
        if ctx.is_cancelled() {
            return Err(Cancel::because("asked to stop").into());
        }
        // Each from the one before: the original is large.
        scaled = pictures.write_thumbnail(picture, edge, &scaled)?;
        ctx.progress(10 + done * 30, format!("{edge} pixels"));
    }
    Ok(())
}
