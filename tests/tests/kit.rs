//! The test kit for applications, used as an application's tests use it.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::{
    panic::AssertUnwindSafe,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use diesel::SqliteConnection;
use futures_util::FutureExt;
use taskx::{
    Actor, Engine, ErrorKind,
    inspect::Inspect,
    prelude::*,
    testing::{
        self, assert_enqueued, drain, enqueued, refute_any_enqueued, refute_enqueued, run_inline,
        travel,
    },
};

#[derive(Default)]
struct Sent(AtomicU32);

#[task(queue = "mail", max_attempts = 2, backoff = "1m")]
async fn email(to: String, urgent: bool, sent: &Sent) -> anyhow::Result<usize> {
    anyhow::ensure!(to.contains('@'), "`{to}` is no address");
    let _ = urgent;
    sent.0.fetch_add(1, Ordering::SeqCst);
    Ok(to.len())
}

#[task]
fn welcome(name: &str) -> Result {
    Email::apply(format!("{name}@example.com"), false).enqueue_blocking()?;
    Ok(())
}

#[task]
fn transactional(conn: &mut SqliteConnection) {
    let _ = conn;
}

async fn app() -> App {
    testing::app().state(Sent::default()).build().await.unwrap()
}

/// The message of an assertion that must fail.
async fn complaint(assertion: impl Future<Output = ()>) -> String {
    let panic = AssertUnwindSafe(assertion).catch_unwind().await.unwrap_err();
    panic.downcast_ref::<String>().unwrap().clone()
}

#[tokio::test]
async fn a_task_runs_inline_with_the_states_of_its_app() {
    let app = app().await;
    let ada = Email { to: "ada@example.com".to_owned(), urgent: false };
    assert_eq!(run_inline(&app, ada).await.unwrap(), 15);
    let nobody = Email { to: "nobody".to_owned(), urgent: true };
    let error = run_inline(&app, nobody).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsuccessful);
    assert!(error.to_string().contains("`nobody` is no address"), "{error}");
    // What it enqueues lands in the App's queue, and nothing else does.
    run_inline(&app, Welcome { name: "bob".to_owned() }).await.unwrap();
    let jobs = enqueued::<Email>(app.queue()).await.unwrap();
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0].1.to, "bob@example.com");
    let error = run_inline(&app, Transactional {}).await.unwrap_err();
    assert!(error.to_string().contains("`drain`"), "{error}");
}

#[tokio::test]
async fn what_is_enqueued_is_asserted_by_typed_arguments() {
    let app = app().await;
    let queue = app.queue();
    refute_any_enqueued::<Email>(queue).await;
    let ada = Email { to: "ada@example.com".to_owned(), urgent: false };
    let urgent = Email { to: "ada@example.com".to_owned(), urgent: true };
    Email::apply("ada@example.com", false).delay(Duration::from_secs(60)).to(queue).await.unwrap();
    assert_enqueued(queue, &ada).await;
    refute_enqueued(queue, &urgent).await;
    refute_any_enqueued::<Welcome>(queue).await;

    let text = complaint(assert_enqueued(queue, &urgent)).await;
    assert!(text.contains("kit.rs:") && text.contains("there are 1 of this task"), "{text}");
    assert!(text.contains(r#"{"to":"ada@example.com","urgent":false}"#), "{text}");
    complaint(refute_enqueued(queue, &ada)).await;
    complaint(refute_any_enqueued::<Email>(queue)).await;
}

#[tokio::test]
async fn a_queue_is_drained_and_time_is_passed() {
    let app = app().await;
    let queue = app.queue();
    Welcome::apply("carol").to(queue).await.unwrap();
    Transactional::apply().to(queue).await.unwrap();
    Email::apply("nobody", false).to(queue).await.unwrap();
    Email::apply("dora@example.com", true).delay(Duration::from_secs(30)).to(queue).await.unwrap();
    // Also what a drained job enqueues; what waits for its time is left.
    let counts = drain(&app).await.unwrap();
    assert_eq!((counts.completed, counts.retried), (3, 1));
    travel(&app, Duration::from_secs(31)).await.unwrap();
    assert_eq!(drain(&app).await.unwrap().completed, 1);
    travel(&app, Duration::from_secs(60)).await.unwrap();
    assert_eq!(drain(&app).await.unwrap().discarded, 1);
    assert_eq!(drain(&app).await.unwrap(), Default::default());
}

/// What nobody would begin is not waited for, or a test would hang for ever.
#[tokio::test]
async fn a_paused_queue_is_left() {
    let app = app().await;
    let queue = app.queue();
    let ada = Actor("test:ada".to_owned());
    queue.pause("mail", "the server is down", &ada).await.unwrap();
    Email::apply("ada@example.com", false).to(queue).await.unwrap();
    Welcome::apply("bob").to(queue).await.unwrap();
    let soon = Duration::from_secs(20);
    let counts = tokio::time::timeout(soon, drain(&app)).await.unwrap().unwrap();
    assert_eq!(counts.completed, 1, "the one in the other queue");
    let worker = app.background_worker().start().await.unwrap();
    tokio::time::timeout(soon, worker.wait_idle()).await.unwrap().unwrap();
    tokio::time::timeout(soon, worker.drain()).await.unwrap().unwrap();
    worker.stop().await.unwrap();
    assert_eq!(enqueued::<Email>(queue).await.unwrap().len(), 2);
    assert!(queue.resume("mail", &ada).await.unwrap());
    assert_eq!(drain(&app).await.unwrap().completed, 2);
}

/// As tests that run side by side in one process do it.
#[tokio::test]
async fn each_test_has_a_queue_of_its_own() {
    let (left, right) = (app().await, app().await);
    assert_eq!(left.queue().engine(), Engine::Sqlite);
    left.queue().scope(async { Email::apply("left@example.com", false).await }).await.unwrap();
    right.queue().scope_blocking(|| Welcome::apply("right").enqueue_blocking()).unwrap();
    refute_any_enqueued::<Welcome>(left.queue()).await;
    refute_any_enqueued::<Email>(right.queue()).await;
    assert_eq!(drain(&left).await.unwrap().completed, 1);
    assert_eq!(drain(&right).await.unwrap().completed, 2);
}
