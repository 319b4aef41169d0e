//! A transactional task on SQLite holds the only write lock: what would wait for that lock inside
//! the task is refused at once.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::time::{Duration, Instant};

use diesel::SqliteConnection;
use taskx::{ErrorKind, prelude::*};

const LIMIT: Duration = Duration::from_secs(30);

#[task]
fn note() {}

/// What the refusal says, or nothing if there is none.
fn refusal<R>(enqueued: Result<R>) -> Option<String> {
    let error = enqueued.err()?;
    assert_eq!(error.kind(), ErrorKind::Conflict);
    Some(error.to_string())
}

#[task(max_attempts = 1)]
fn plain(conn: &mut SqliteConnection, ctx: &Ctx) -> Result<[Option<String>; 2]> {
    Note::apply().on(conn).unwrap();
    let many = ctx.queue().apply_many([Note {}]).enqueue_blocking();
    Ok([refusal(Note::apply().enqueue_blocking()), refusal(many)])
}

#[task(max_attempts = 1)]
async fn driven(conn: &mut taskx::AsyncSqliteConn, ctx: &Ctx) -> Result<[Option<String>; 2]> {
    Note::apply().on_async(conn).await.unwrap();
    let many = ctx.queue().apply_many(vec![Note {}]).await;
    Ok([refusal(Note::apply().await), refusal(many)])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_would_wait_for_the_tasks_own_lock_is_refused_at_once() {
    let app = App::builder()
        .config(taskx::Config::default())
        .database_url(":memory:")
        .build()
        .await
        .unwrap();
    let worker = app.background_worker().start().await.unwrap();
    let started = Instant::now();
    let plain = Plain::apply().to(app.queue()).await.unwrap().wait(LIMIT).await.unwrap();
    let driven = Driven::apply().to(app.queue()).await.unwrap().wait(LIMIT).await.unwrap();
    // A wait for the lock would last 10 s at least.
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    for refusal in plain.iter().chain(&driven) {
        assert!(refusal.as_ref().unwrap().contains("use `.on(conn)`"), "{refusal:?}");
    }
    // Outside of the tasks the same thread and the same runtime may enqueue again.
    Note::apply().to(app.queue()).await.unwrap();
    worker.wait_idle().await.unwrap();
    assert_eq!(worker.counts().completed, 5);
    worker.stop().await.unwrap();
}
