//! Lanes: small pools of connections, one for each kind of work, so that an enqueue never waits for
//! a claim and a dashboard's query holds up neither.
//!
//! A connection goes back to its lane only after a call that ended well or with a plain refusal. One
//! whose call was dropped half-way, timed out or lost its server is closed: nobody knows what it is
//! in the middle of.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use deadpool::{
    Runtime,
    managed::{Manager, Metrics, Object, Pool, PoolError, RecycleError, RecycleResult},
};
use diesel::{
    QueryResult,
    result::{DatabaseErrorKind, Error as DieselError},
};
use diesel_async::{AnsiTransactionManager, AsyncPgConnection, TransactionManager};
use taskx_core::{
    callers::callers_runtime,
    error::{Error, ErrorKind, Result},
};

use crate::{
    error::error_from_diesel,
    postgres::session::{Life, Session, Target},
    redial::open_on,
};

/// How often a transaction is tried that others made fail: a deadlock, a serialization failure.
const TRIES: u32 = 5;

/// A closure over a connection. Rust cannot yet say of an `async` closure that its future may move
/// between threads without a trait that names the future.
pub(super) trait Work<A, R>:
    AsyncFn(A) -> R + Fn(A) -> <Self as Work<A, R>>::Future
{
    /// What it returns.
    type Future: Future<Output = R>;
}

impl<F, A, Fut, R> Work<A, R> for F
where
    F: AsyncFn(A) -> R + Fn(A) -> Fut,
    Fut: Future<Output = R>,
{
    type Future = Fut;
}

/// A pool of like connections.
#[derive(Clone)]
pub(super) struct Lane {
    pool: Pool<Maker>,
    /// How long one call may take, from having its connection to its answer.
    limit: Duration,
    losses: Arc<AtomicU64>,
}

struct Maker {
    target: Arc<Target>,
    settings: String,
    /// How many connections of the lane were lost.
    losses: Arc<AtomicU64>,
}

/// A place in a lane. Its connection is out only while a plain fn has it.
struct Slot {
    conn: Option<AsyncPgConnection>,
    life: Life,
}

impl Manager for Maker {
    type Type = Slot;
    type Error = Error;

    async fn create(&self) -> Result<Slot> {
        let opened = match callers_runtime() {
            None => None,
            Some(runtime) => {
                let (target, settings) = (Arc::clone(&self.target), self.settings.clone());
                open_on(&runtime, async move { target.open(&settings).await }).await
            }
        };
        let Session { conn, life } = match opened {
            Some(opened) => opened?,
            // On the runtime that is entered.
            None => self.target.open(&self.settings).await?,
        };
        Ok(Slot { conn: Some(conn), life })
    }

    async fn recycle(&self, slot: &mut Slot, _: &Metrics) -> RecycleResult<Error> {
        if slot.life.ended() || slot.conn.is_none() {
            self.losses.fetch_add(1, Ordering::SeqCst);
            return Err(RecycleError::message("the connection has ended"));
        }
        Ok(())
    }
}

impl Lane {
    /// A lane of at most `size` connections, opened when they are needed, with `settings` (more
    /// `SET`s) applied to each.
    pub(super) fn new(
        target: &Arc<Target>,
        size: usize,
        limit: Duration,
        settings: impl Into<String>,
    ) -> Result<Self> {
        let losses = Arc::<AtomicU64>::default();
        let maker = Maker {
            target: Arc::clone(target),
            settings: settings.into(),
            losses: Arc::clone(&losses),
        };
        let pool = Pool::builder(maker)
            .max_size(size.max(1))
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(limit))
            .build()
            .map_err(|error| {
                Error::new(ErrorKind::Config, "set up the connections to PostgreSQL")
                    .with_source(error)
            })?;
        Ok(Self { pool, limit, losses })
    }

    /// How many of its connections were lost so far. One that was found dead when it was to be used
    /// is counted before another takes its place.
    pub(super) fn losses(&self) -> u64 {
        self.losses.load(Ordering::SeqCst)
    }

    /// Runs `work` on a connection, each of its statements its own transaction.
    ///
    /// # Errors
    /// `Transient` without a connection or an answer in time, else what the database says.
    pub(super) async fn run<R, F>(&self, doing: &str, work: F) -> Result<R>
    where
        for<'c> F: AsyncFn(&'c mut AsyncPgConnection) -> QueryResult<R>
            + Work<&'c mut AsyncPgConnection, QueryResult<R>, Future: Send>
            + Send
            + Sync,
    {
        self.repeat(doing, Frame::Bare, work).await
    }

    /// Runs `work` in a transaction.
    ///
    /// # Errors
    /// As [`run`](Self::run); nothing was written then, or the commit's answer was lost.
    pub(super) async fn transaction<R, F>(&self, doing: &str, work: F) -> Result<R>
    where
        for<'c> F: AsyncFn(&'c mut AsyncPgConnection) -> QueryResult<R>
            + Work<&'c mut AsyncPgConnection, QueryResult<R>, Future: Send>
            + Send
            + Sync,
    {
        self.repeat(doing, Frame::Transaction, work).await
    }

    /// A connection of one's own for as long as it is held.
    pub(super) async fn checkout(&self) -> Result<Checkout> {
        let slot = self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) => error,
            other => Error::new(ErrorKind::Transient, "get a connection to PostgreSQL")
                .with_source(other),
        })?;
        Ok(Checkout { slot: Some(slot), clean: false, losses: Arc::clone(&self.losses) })
    }

    /// Tries again what other transactions made fail: the server undid all of it.
    async fn repeat<R, F>(&self, doing: &str, frame: Frame, work: F) -> Result<R>
    where
        for<'c> F: AsyncFn(&'c mut AsyncPgConnection) -> QueryResult<R>
            + Work<&'c mut AsyncPgConnection, QueryResult<R>, Future: Send>
            + Send
            + Sync,
    {
        let mut tries = 1;
        loop {
            let begin = |error: Error| error.context(doing).unwritten();
            let mut checkout = self.checkout().await.map_err(begin)?;
            let attempt = frame.attempt(checkout.conn()?, &work);
            let Ok(result) = tokio::time::timeout(self.limit, attempt).await else {
                return Err(too_late(doing, self.limit));
            };
            checkout.release(&result);
            match result {
                Err(error) if tries < TRIES && was_chosen(&error) => pause(tries).await,
                other => return other.map_err(|error| error_from_diesel(error).context(doing)),
            }
            tries += 1;
        }
    }
}

/// What is around a piece of work.
#[derive(Clone, Copy)]
enum Frame {
    Bare,
    Transaction,
}

impl Frame {
    async fn attempt<R, F>(self, conn: &mut AsyncPgConnection, work: &F) -> QueryResult<R>
    where
        for<'c> F: AsyncFn(&'c mut AsyncPgConnection) -> QueryResult<R>
            + Work<&'c mut AsyncPgConnection, QueryResult<R>, Future: Send>
            + Send
            + Sync,
    {
        if matches!(self, Self::Bare) {
            return work(conn).await;
        }
        AnsiTransactionManager::begin_transaction(conn).await?;
        match work(conn).await {
            Ok(value) => {
                AnsiTransactionManager::commit_transaction(conn).await?;
                Ok(value)
            }
            Err(error) => {
                // A failed rollback leaves the connection broken, and `release` closes it.
                let _ = AnsiTransactionManager::rollback_transaction(conn).await;
                Err(error)
            }
        }
    }
}

/// A connection that is closed when it is dropped, unless it was released.
pub(super) struct Checkout {
    slot: Option<Object<Maker>>,
    clean: bool,
    losses: Arc<AtomicU64>,
}

impl Checkout {
    /// The connection.
    ///
    /// # Errors
    /// Only while it was [taken](Self::take).
    pub(super) fn conn(&mut self) -> Result<&mut AsyncPgConnection> {
        self.slot.as_mut().and_then(|slot| slot.conn.as_mut()).ok_or_else(taken)
    }

    /// Takes the connection out, to be [put back](Self::put_back).
    ///
    /// # Errors
    /// If it was taken before.
    pub(super) fn take(&mut self) -> Result<AsyncPgConnection> {
        self.slot.as_mut().and_then(|slot| slot.conn.take()).ok_or_else(taken)
    }

    /// Puts the connection back after [`take`](Self::take).
    pub(super) fn put_back(&mut self, conn: AsyncPgConnection) {
        if let Some(slot) = &mut self.slot {
            slot.conn = Some(conn);
        }
    }

    /// Gives the connection back to its lane if it can be used again after `result`.
    pub(super) fn release<R>(mut self, result: &QueryResult<R>) {
        let lost = match result {
            Ok(_) => false,
            Err(DieselError::DatabaseError(kind, _)) => matches!(
                kind,
                // A read-only server was the primary a moment ago: a new connection may find
                // the one that is it now.
                DatabaseErrorKind::ClosedConnection
                    | DatabaseErrorKind::UnableToSendCommand
                    | DatabaseErrorKind::ReadOnlyTransaction
            ),
            Err(
                DieselError::BrokenTransactionManager | DieselError::RollbackErrorOnCommit { .. },
            ) => true,
            Err(_) => false,
        };
        self.clean = !lost
            && self.slot.as_mut().is_some_and(|slot| {
                !slot.life.ended()
                    && slot.conn.as_mut().is_some_and(|conn| {
                        !AnsiTransactionManager::is_broken_transaction_manager(conn)
                    })
            });
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take()
            && !self.clean
        {
            self.losses.fetch_add(1, Ordering::SeqCst);
            drop(Object::take(slot));
        }
    }
}

fn taken() -> Error {
    Error::new(ErrorKind::Conflict, "the connection is in use by a task")
}

/// Whether the server ended this transaction so that another could go on. Diesel has a kind for
/// serialization failures; a deadlock is known by its message only, and where the server speaks
/// another language the caller's own repetition serves.
fn was_chosen(error: &DieselError) -> bool {
    match error {
        DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => true,
        DieselError::DatabaseError(DatabaseErrorKind::Unknown, information) => {
            information.message().contains("deadlock detected")
        }
        DieselError::RollbackErrorOnCommit { commit_error, .. } => was_chosen(commit_error),
        _ => false,
    }
}

async fn pause(tries: u32) {
    let micros = fastrand::u64(500..5_000) * u64::from(tries);
    tokio::time::sleep(Duration::from_micros(micros)).await;
}

fn too_late(doing: &str, limit: Duration) -> Error {
    Error::new(ErrorKind::Transient, format!("{doing}: PostgreSQL gave no answer within {limit:?}"))
}
