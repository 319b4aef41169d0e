//! Pools of connections, and transactions on them.
//!
//! A connection's socket belongs to the tokio runtime that opened it, and the calls of one store
//! come from several: the I/O thread, the heartbeat's thread, the tasks' own. So each runtime has
//! its pool, made when it first calls; a lone caller's insert uses that of the caller's runtime.
//!
//! A connection goes back only after a call that ended well or with a plain refusal. One whose call
//! was dropped half-way, timed out or lost its server is closed: nobody knows what it is in the
//! middle of.

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use deadpool::managed::{Manager, Metrics, Object, Pool, RecycleError, RecycleResult};
use diesel::{
    QueryResult,
    result::{DatabaseErrorKind, Error as DieselError},
};
use taskx_core::{
    callers::callers_runtime,
    error::{Error, ErrorKind, Result},
};
use tokio::runtime::{Handle, Id};

use super::{
    connect::Target,
    run::{STALE, Session},
};
use crate::{
    error::{Doing, error_from_diesel},
    redial::open_on,
};

/// How often a transaction is tried that others made fail: a deadlock, a lock waited for too long.
const TRIES: u32 = 5;

/// The most runtimes that are served; the one that called longest ago is forgotten for another.
const RUNTIMES: usize = 8;

/// A closure over a session whose future may move between threads. Rust cannot say this of an
/// `async` closure yet without a trait of one's own, and infers its type by `AsyncFn` only.
pub(super) trait Work<'c, R>:
    Fn(&'c mut Session) -> <Self as Work<'c, R>>::Fut + Send + Sync
{
    type Fut: Future<Output = QueryResult<R>> + Send;
}

impl<'c, R, F, Fut> Work<'c, R> for F
where
    F: Fn(&'c mut Session) -> Fut + Send + Sync,
    Fut: Future<Output = QueryResult<R>> + Send,
{
    type Fut = Fut;
}

/// Like connections to one database, as many a runtime as `size` says.
pub(super) struct Pools {
    target: Arc<Target>,
    size: usize,
    /// How long one statement may take, and the wait for a free connection.
    limit: Duration,
    by_runtime: Mutex<Vec<(Id, Pool<Maker>)>>,
}

struct Maker {
    target: Arc<Target>,
    limit: Duration,
}

/// A transaction of ours is never idle; one whose process hangs or was cut off must not keep its
/// locks for the eight hours that are usual. MySQL has no such setting.
const SETTINGS: &str = "SET autocommit = 1 /*M!100300 , idle_transaction_timeout = 15 */";

impl Maker {
    async fn open(&self) -> Result<Session> {
        if let Some(runtime) = callers_runtime() {
            let target = Arc::clone(&self.target);
            if let Some(opened) = open_on(&runtime, async move { target.open().await }).await {
                let mut session = opened?;
                session.life.spawn_on(std::future::pending(), &runtime);
                return Ok(session);
            }
        }
        // On the runtime that is entered.
        self.target.open().await
    }
}

impl Manager for Maker {
    type Type = Session;
    type Error = Error;

    async fn create(&self) -> Result<Session> {
        let mut session = self.open().await?;
        session.limit = self.limit;
        session.plain(SETTINGS).await.doing("set up a connection to MySQL")?;
        Ok(session)
    }

    async fn recycle(&self, session: &mut Session, metrics: &Metrics) -> RecycleResult<Error> {
        let runtime_ended = session.life.try_join_next().is_some();
        if !runtime_ended && (metrics.last_used() < STALE || session.answers().await) {
            return Ok(());
        }
        Err(RecycleError::message("the connection has ended"))
    }
}

impl Pools {
    pub(super) fn new(target: &Arc<Target>, size: usize, limit: Duration) -> Self {
        let target = Arc::clone(target);
        Self { target, size: size.max(1), limit, by_runtime: Mutex::default() }
    }

    /// The pool of the runtime that calls.
    fn here(&self) -> Result<Pool<Maker>> {
        let runtime = callers_runtime().map_or_else(Handle::try_current, Ok).map_err(|error| {
            Error::new(ErrorKind::Config, "use a MySQL store outside of a tokio runtime")
                .with_source(error)
        })?;
        let mut pools = self.by_runtime.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = pools.iter().position(|(id, _)| *id == runtime.id()) {
            let used = pools.remove(at);
            let pool = used.1.clone();
            pools.push(used);
            return Ok(pool);
        }
        let maker = Maker { target: Arc::clone(&self.target), limit: self.limit };
        let pool = Pool::builder(maker).max_size(self.size).build().map_err(|error| {
            Error::new(ErrorKind::Config, "set up the connections to MySQL").with_source(error)
        })?;
        if pools.len() >= RUNTIMES {
            pools.remove(0);
        }
        pools.push((runtime.id(), pool.clone()));
        Ok(pool)
    }

    /// A connection of one's own for as long as it is held.
    ///
    /// # Errors
    /// `Transient` if none is free in time or none can be opened; `Config` if it never can.
    async fn checkout(&self) -> Result<Checkout> {
        let pool = self.here()?;
        let limit = self.limit;
        let Ok(answer) = tokio::time::timeout(limit, pool.get()).await else {
            return Err(Error::new(
                ErrorKind::Transient,
                format!("get a connection to MySQL: none was free within {limit:?}"),
            ));
        };
        let session = answer.map_err(|error| match error {
            deadpool::managed::PoolError::Backend(error) => error,
            other => {
                Error::new(ErrorKind::Transient, "get a connection to MySQL").with_source(other)
            }
        })?;
        Ok(Checkout { session: Some(session), is_clean: false })
    }

    /// Runs `work`, each of its statements its own transaction. What others made fail is tried
    /// again, so `work` must bear to be repeated.
    ///
    /// # Errors
    /// `Transient` without a connection or an answer in time, else what the database says.
    pub(super) async fn run<R, F>(&self, doing: &str, work: F) -> Result<R>
    where
        F: for<'c> AsyncFn(&'c mut Session) -> QueryResult<R> + for<'c> Work<'c, R>,
    {
        self.repeat(doing, Frame::Bare, work).await
    }

    /// Runs `work` in a transaction.
    ///
    /// # Errors
    /// As [`run`](Self::run); nothing was written then, or the commit's answer was lost.
    pub(super) async fn transaction<R, F>(&self, doing: &str, work: F) -> Result<R>
    where
        F: for<'c> AsyncFn(&'c mut Session) -> QueryResult<R> + for<'c> Work<'c, R>,
    {
        self.repeat(doing, Frame::Transaction, work).await
    }

    /// Runs readings that are all of one moment.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub(super) async fn snapshot<R, F>(&self, doing: &str, work: F) -> Result<R>
    where
        F: for<'c> AsyncFn(&'c mut Session) -> QueryResult<R> + for<'c> Work<'c, R>,
    {
        self.repeat(doing, Frame::Snapshot, work).await
    }

    async fn repeat<R, F>(&self, doing: &str, frame: Frame, work: F) -> Result<R>
    where
        F: for<'c> AsyncFn(&'c mut Session) -> QueryResult<R> + for<'c> Work<'c, R>,
    {
        let mut tries = 1;
        loop {
            let begin = |error: Error| error.context(doing).unwritten();
            let mut checkout = self.checkout().await.map_err(begin)?;
            let answer = frame.attempt(checkout.session()?, &work).await;
            checkout.release(&answer);
            match answer {
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
    /// A transaction whose readings are all of one moment.
    Snapshot,
}

impl Frame {
    async fn attempt<R, F>(self, session: &mut Session, work: &F) -> QueryResult<R>
    where
        F: for<'c> AsyncFn(&'c mut Session) -> QueryResult<R> + for<'c> Work<'c, R>,
    {
        if matches!(self, Self::Bare) {
            return work(session).await;
        }
        if matches!(self, Self::Snapshot) {
            // For the next transaction only.
            session.plain("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
        }
        session.begin().await?;
        match work(session).await {
            Ok(value) => {
                session.commit().await?;
                Ok(value)
            }
            // An answer is outstanding: only closing the connection ends this transaction.
            Err(error) if is_lost(&error) => Err(error),
            Err(error) => {
                // A failed rollback leaves the connection broken, and `release` closes it.
                drop(session.roll_back().await);
                Err(error)
            }
        }
    }
}

/// A connection that is closed when it is dropped, unless it was released.
struct Checkout {
    session: Option<Object<Maker>>,
    is_clean: bool,
}

impl Checkout {
    /// The connection.
    ///
    /// # Errors
    /// None before the release.
    fn session(&mut self) -> Result<&mut Session> {
        let session = self.session.as_deref_mut();
        session.ok_or_else(|| Error::new(ErrorKind::Conflict, "the connection was given back"))
    }

    /// Gives the connection back to its pool if it can be used again after `result`.
    fn release<R>(mut self, result: &QueryResult<R>) {
        let is_usable = result.as_ref().err().is_none_or(|error| !is_lost(error));
        let session = self.session.as_deref_mut();
        self.is_clean = is_usable && session.is_some_and(|session| session.depth() == Some(0));
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        if let Some(session) = self.session.take()
            && !self.is_clean
        {
            drop(Object::take(session));
        }
    }
}

/// Whether a connection must not be used again after this error. Few messages are known to leave
/// it whole, and a new connection costs little.
pub(super) fn is_lost(error: &DieselError) -> bool {
    match error {
        DieselError::DatabaseError(kind, information) => match kind {
            DatabaseErrorKind::UniqueViolation
            | DatabaseErrorKind::ForeignKeyViolation
            | DatabaseErrorKind::NotNullViolation
            | DatabaseErrorKind::CheckViolation => false,
            DatabaseErrorKind::Unknown => {
                !was_chosen(error) && !information.message().contains("Data too long")
            }
            // A read-only server was the primary a moment ago: a new connection may find the one
            // that is it now.
            _ => true,
        },
        DieselError::QueryBuilderError(_)
        | DieselError::NotFound
        | DieselError::DeserializationError(_)
        | DieselError::SerializationError(_) => false,
        _ => true,
    }
}

/// Whether the server ended this statement or transaction so that another could go on.
pub(super) fn was_chosen(error: &DieselError) -> bool {
    match error {
        DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => true,
        DieselError::DatabaseError(DatabaseErrorKind::Unknown, information) => {
            let message = information.message();
            // 1213 and 1205; our sessions are set to English.
            message.starts_with("Deadlock found") || message.starts_with("Lock wait timeout")
        }
        _ => false,
    }
}

async fn pause(tries: u32) {
    let micros = fastrand::u64(500..5_000) * u64::from(tries);
    tokio::time::sleep(Duration::from_micros(micros)).await;
}
