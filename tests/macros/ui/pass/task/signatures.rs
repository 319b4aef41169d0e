//! What the appliers look like from outside: their types, and that futures may be sent.

use taskx::prelude::*;

#[task]
async fn email(to: String, subject: &str, copies: u8) -> Result<usize> {
    let _ = (to, subject, copies);
    Ok(1)
}

fn is_send<T: Send + 'static>(_: T) {}

fn from_elsewhere() -> impl Future<Output = Result> + Send {
    async {
        let job: taskx::Enqueued<Email> = Email::apply("ada", String::from("Hello"), 1).await?;
        let _: usize = job.wait(std::time::Duration::from_secs(1)).await?;
        Ok(())
    }
}

fn main() {
    is_send(IntoFuture::into_future(Email::apply("ada", "Hello", 1)));
    is_send(from_elsewhere());
    let arguments = Email { to: "secret".into(), subject: "secret".into(), copies: 1 };
    assert_eq!(format!("{arguments:?}"), "Email { .. }");
    // The function itself is as it was.
    drop(email("ada".to_owned(), "Hello", 1));
}
