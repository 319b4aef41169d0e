//! Transactional tasks: the body's writes and the job's completion commit together.
//!
//! While such a task runs it holds SQLite's only write lock: every other write of every process
//! waits for it.

use std::{
    any::TypeId,
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use diesel::SqliteConnection;
use taskx_core::{
    error::{Error, ErrorKind, Result},
    outcome::{Outcome, Settlement},
    store::{AsyncBody, BlockingBody, Settled, TransactionBody, TransactionEnd},
    threads,
    verdict::Verdict,
};

use super::{
    SqliteStore,
    busy::{PATIENCE, is_busy, nap},
};
use crate::{AsyncSqliteConn, backend::TaskxBackend, error_from_diesel};

/// Why a transaction is rolled back.
enum Stop {
    /// The body failed.
    Failed(Verdict),
    /// The job is not held any more.
    Lost,
    /// The database refused. After the body has run this is the attempt's failure: a body that
    /// breaks its own transaction would else be run again for ever.
    Database(diesel::result::Error),
}

impl From<diesel::result::Error> for Stop {
    fn from(error: diesel::result::Error) -> Self {
        Self::Database(error)
    }
}

impl SqliteStore {
    /// Each transaction has a connection of its own, which is closed at its end: what a body left
    /// on it meets no other task, and a dropped future rolls back.
    pub(super) async fn transact_task(
        &self,
        connection: TypeId,
        body: TransactionBody,
        settlement: Settlement,
    ) -> Result<TransactionEnd> {
        let conn = self.location.connect()?;
        match body {
            TransactionBody::Blocking(body) if connection == TypeId::of::<SqliteConnection>() => {
                let no_thread = "run a plain fn on a thread";
                threads::run(move || blocking(conn, body, &settlement))
                    .map_err(|e| Error::new(ErrorKind::Conflict, no_thread).with_source(e))?
                    .await
                    .map_err(|e| Error::new(ErrorKind::Conflict, no_thread).with_source(e))
            }
            TransactionBody::Async(body) if connection == TypeId::of::<AsyncSqliteConn>() => {
                Ok(in_async(AsyncSqliteConn::new(conn), body, settlement).await)
            }
            TransactionBody::Blocking(_) | TransactionBody::Async(_) => Err(Error::new(
                ErrorKind::Config,
                "run a transactional task: SQLite gives `&mut SqliteConnection` to a plain fn and \
                 `&mut taskx::AsyncSqliteConn` to an async fn",
            )),
        }
    }
}

fn blocking(
    mut conn: SqliteConnection,
    body: BlockingBody,
    settlement: &Settlement,
) -> TransactionEnd {
    let waiting = Waiting::new();
    let mut body = Some(body);
    loop {
        let ran = conn.immediate_transaction(|conn| {
            // It was taken only by a try that began.
            let body = body.take().ok_or(Stop::Lost)?;
            let result = done(body(conn))?;
            let settlement = completed(settlement, &result);
            held(<diesel::sqlite::Sqlite as TaskxBackend>::settle_on(conn, &settlement)?)?;
            Ok(result)
        });
        match waiting.next_try(&ran) {
            Some(pause) if body.is_some() => thread::sleep(pause),
            _ => return end(ran),
        }
    }
}

async fn in_async(
    mut conn: AsyncSqliteConn,
    body: AsyncBody,
    settlement: Settlement,
) -> TransactionEnd {
    let waiting = Waiting::new();
    let body = Mutex::new(Some(body));
    let take = || body.lock().unwrap_or_else(PoisonError::into_inner).take();
    loop {
        let transaction = conn.immediate_transaction(async |conn: &mut AsyncSqliteConn| {
            // It was taken only by a try that began.
            let body = take().ok_or(Stop::Lost)?;
            let result = done(body(conn).await)?;
            let settlement = completed(&settlement, &result);
            let settled =
                <diesel::sqlite::Sqlite as TaskxBackend>::settle_on_async(conn, &settlement)
                    .await?;
            held(settled)?;
            Ok(result)
        });
        let ran = transaction.await;
        let is_left = body.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        match waiting.next_try(&ran) {
            Some(pause) if is_left => tokio::time::sleep(pause).await,
            _ => return end(ran),
        }
    }
}

/// The wait for the write lock before a body is run. Not by SQLite's own sleeps, which grow to
/// 0.1 s: among several busy processes the unlucky would wait for seconds.
struct Waiting(Instant);

impl Waiting {
    fn new() -> Self {
        Self(Instant::now())
    }

    /// How long to sleep before the next try, if one is due.
    fn next_try<R>(&self, ran: &Result<R, Stop>) -> Option<Duration> {
        let busy = matches!(ran, Err(Stop::Database(error)) if is_busy(error));
        (busy && self.0.elapsed() < PATIENCE).then(nap)
    }
}

fn done(verdict: Verdict) -> Result<Option<String>, Stop> {
    match verdict {
        Verdict::Done(result) => Ok(result),
        failed => Err(Stop::Failed(failed)),
    }
}

fn completed(settlement: &Settlement, result: &Option<String>) -> Settlement {
    Settlement { outcome: Outcome::Completed(result.clone()), ..settlement.clone() }
}

fn held(settled: Settled) -> Result<(), Stop> {
    match settled {
        Settled::Done => Ok(()),
        Settled::Already | Settled::Lost => Err(Stop::Lost),
    }
}

fn end(transaction: Result<Option<String>, Stop>) -> TransactionEnd {
    match transaction {
        Ok(result) => TransactionEnd::Committed { result },
        Err(Stop::Failed(verdict)) => TransactionEnd::Failed(verdict),
        Err(Stop::Lost) => TransactionEnd::Lost,
        Err(Stop::Database(error)) => {
            TransactionEnd::Failed(Verdict::failed(error_from_diesel(error)))
        }
    }
}
