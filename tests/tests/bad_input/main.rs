//! What is wrong from the outside: arguments, jobs, URLs, schemas, databases. Each is a clear error
//! or a job set aside; nothing is lost, and no loop ends.
#![expect(clippy::unwrap_used, reason = "a test")]

mod files;
mod garbage;
mod jobs;
mod payloads;
mod schema;
mod start;
mod urls;

use taskx::prelude::*;

/// Adds two numbers.
#[task(app = "known", queue = "work")]
fn add(left: i64, right: i64) -> Result<i64> {
    Ok(left + right)
}

/// What an older program does not know yet.
#[task(app = "newer", queue = "work")]
fn later() -> Result<bool> {
    Ok(true)
}

struct Left;
struct Right;

/// Takes two states.
#[task(app = "stateful")]
fn needy(left: &Left, right: &Right) {
    let _ = (left, right);
}

/// Something that only an application has.
trait Mailer: Send + Sync {}

/// Takes another one.
#[task(app = "stateful")]
async fn needier(mailer: &dyn Mailer) {
    let _ = mailer;
}

/// Takes a connection.
#[task(app = "connected")]
fn connected(conn: &mut diesel::SqliteConnection) {
    let _ = conn;
}

/// A schedule of a name that another has too.
#[cron_task(app = "clashing", hour = 1, schedule = "nightly")]
fn first_at_night() {}

/// The other one.
#[cron_task(app = "clashing", hour = 2, schedule = "nightly")]
fn second_at_night() {}

/// Its name is taken, and its state is missing.
#[task(app = "clashing", name = "first_at_night")]
fn third_at_night(left: &Left) {
    let _ = left;
}
