//! Enqueueing: every finisher and every option, on every engine, also inside the caller's own
//! transactions on Diesel's and diesel-async's own connections.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test")]

mod born;
mod commit_unknown;
mod finishers;
mod handle;
mod on_async;
mod on_connection;
mod options;
mod start;

use std::{sync::mpsc::Sender, time::Instant};

use taskx::{JobId, prelude::*};
use taskx_tests::Database;

/// Where tasks tell that they began.
struct Started(Sender<(JobId, Instant)>);

/// Adds two numbers.
#[task(app = "enqueue", queue = "enqueue")]
fn add(left: i64, right: i64) -> Result<i64> {
    Ok(left + right)
}

/// Tells when it began.
#[task(app = "enqueue", queue = "started")]
fn begin(number: u32, ctx: &Ctx, started: &Started) {
    let _ = number;
    // A test that has heard enough does not listen any more.
    let _ = started.0.send((ctx.id(), Instant::now()));
}

/// Keeps no history.
#[task(app = "enqueue", queue = "enqueue", retention = "none")]
fn forget(secret: String) {
    drop(secret);
}

/// An App whose jobs nobody has begun.
async fn idle_app(database: &Database) -> App {
    database.app().name("enqueue").build().await.unwrap()
}

/// How many jobs a second connection sees, live and finished.
fn jobs(database: &Database) -> i64 {
    database
        .number("SELECT (SELECT COUNT(*) FROM taskx_jobs) + (SELECT COUNT(*) FROM taskx_history)")
}
