//! Waiting for the only write lock of a file that several processes write.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use diesel::{
    QueryResult,
    result::{DatabaseErrorKind, Error},
};

/// How long a write waits for the lock before the caller hears of it. Longer than any transaction
/// of ours; an application's own may be longer.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Whether another connection holds the lock.
pub(super) fn is_busy(error: &Error) -> bool {
    match error {
        Error::DatabaseError(DatabaseErrorKind::Unknown, information) => {
            information.message().contains("is locked")
        }
        Error::RollbackErrorOnCommit { commit_error, .. } => is_busy(commit_error),
        _ => false,
    }
}

/// How long to sleep before the next try: short, so that the lock is had soon after it is free.
pub(super) fn nap() -> Duration {
    Duration::from_micros(fastrand::u64(500..5_000))
}

/// Repeats `attempt` while the database is busy, for [`PATIENCE`] at most. SQLite's own busy
/// timeout does most of the waiting; it gives up early where two connections would wait for each
/// other, and a caller's connection may have none.
pub(super) fn until_free<R>(mut attempt: impl FnMut() -> QueryResult<R>) -> QueryResult<R> {
    let start = Instant::now();
    loop {
        match attempt() {
            Err(error) if is_busy(&error) && start.elapsed() < PATIENCE => {
                sleep(nap());
            }
            other => return other,
        }
    }
}
