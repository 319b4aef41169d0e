//! The worker's seam to a database. Batch-first: every verb takes many rows and is one statement or
//! one transaction. The contract is the conformance suite (`taskx_core::testing::conformance`).
//!
//! Rules that hold for every verb of every store:
//! - Time is the database's clock, never the caller's.
//! - A write for a running job says `id`, `owner` and `fence`; where no row fits, the worker has
//!   lost the job and nothing is written.
//! - An error is [`ErrorKind::Transient`] unless the same call
//!   would fail again on a healthy database.
//! - A call that failed has changed nothing, or its commit's answer was lost; both are answered by
//!   repeating the call.

pub mod memory;

use std::{
    any::{Any, TypeId},
    borrow::Cow,
    fmt,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::{
    error::{Error, ErrorKind, Result},
    job::{ClaimedJob, JobId, NewJob, WorkerId},
    outcome::Settlement,
    schedule::{DueSchedule, Firing, ScheduleRow},
    verdict::Verdict,
};

/// The databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Engine {
    /// In this process's memory, for tests.
    Memory,
    /// SQLite, embedded.
    Sqlite,
    /// PostgreSQL.
    Postgres,
    /// MySQL or MariaDB.
    Mysql,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
            Self::Mysql => "MySQL",
        })
    }
}

/// What became of a [`NewJob`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// It is stored by this call.
    New,
    /// A live or finished job of this id was there already (only with [`NewJob::check_id`]).
    Existing,
}

/// What became of jobs that were to be inserted as claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Born {
    /// They are stored and running: attempt 1 under fence 1, since this time by the database's
    /// clock.
    Claimed(DateTime<Utc>),
    /// They are stored and available.
    Available,
}

/// A request for jobs of one queue.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The worker row that shall hold them. A row that has been ended gets nothing.
    pub owner: WorkerId,
    /// Name of the queue. A paused queue gives nothing.
    pub queue: Cow<'static, str>,
    /// Wire names (and aliases) of the tasks that the worker knows; others are left alone.
    pub tasks: Arc<[String]>,
    /// The most jobs to claim, 1 to 1,000.
    pub limit: u32,
    /// Start after this place: (priority, id) of the last job of a full batch. A hint that spares
    /// walking over dead rows; `None` starts at the front.
    pub after: Option<(i16, JobId)>,
}

/// What became of a [`Settlement`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Written by this call.
    Done,
    /// It had been written before: the job is finished with this owner and fence.
    Already,
    /// The job is not held by this owner and fence any more; nothing was written.
    Lost,
}

/// A worker row to be made.
#[derive(Debug, Clone)]
pub struct NewWorker {
    /// Its id, random.
    pub id: WorkerId,
    /// The service's name (default: the package's).
    pub service: String,
    /// Name of the host, for people only.
    pub host: String,
    /// The process id, for people only.
    pub pid: i32,
    /// Version of the application.
    pub version: String,
    /// How long the lease runs from now.
    pub lease: Duration,
    /// Wire names and aliases of its tasks, with what is told of them to operators.
    pub tasks: Vec<TaskRow>,
}

/// What the table of tasks keeps of one task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRow {
    /// Its wire name or an alias.
    pub name: String,
    /// The service that declares it.
    pub owner: String,
    /// Names and types of its arguments, as JSON: `[{"name": "to", "type": "String"}]`.
    pub arguments: String,
    /// The version of its arguments' shape.
    pub version: i32,
}

/// A renewal of worker rows.
#[derive(Debug, Clone)]
pub struct Renewal {
    /// The rows of one process; it may have several after a lost claim connection.
    pub workers: Vec<WorkerId>,
    /// How long their leases run from now.
    pub lease: Duration,
    /// The jobs that are executing now (not those in the buffer): suspects if the process dies. A
    /// solo job begins only when a renewal has named it.
    pub running: Vec<JobId>,
    /// Progress to be written, with the owner and fence that it is written under.
    pub progress: Vec<Progress>,
}

/// A running job's progress.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// The job.
    pub id: JobId,
    /// The worker row that holds it.
    pub owner: WorkerId,
    /// Its fence.
    pub fence: i64,
    /// A JSON object `{"percent": .., "message": ".."}`.
    pub text: String,
}

/// The answer to a [`Renewal`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Renewed {
    /// The rows whose lease was renewed; what is missing has been ended, and its jobs are lost.
    pub alive: Vec<WorkerId>,
    /// Those of `running` whose cancellation has been asked for.
    pub cancelled: Vec<JobId>,
}

/// The answer to [`Store::suspects`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Suspects {
    /// The rows of workers that may be dead.
    pub found: Vec<Suspect>,
    /// Whether there are rows of other workers at all.
    pub has_others: bool,
}

/// A worker row whose lease has ended or whose presence lock is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suspect {
    /// The row.
    pub id: WorkerId,
    /// When it was last renewed.
    pub renewed_at: DateTime<Utc>,
    /// Until when its lease was renewed then.
    pub lease_until: DateTime<Utc>,
    /// The database's clock when it was looked at.
    pub now: DateTime<Utc>,
    /// Whether its presence lock is free, or its row was ended already.
    pub is_absent: bool,
}

impl Suspects {
    /// Those of all other workers' rows that look dead.
    pub fn among(others: impl IntoIterator<Item = Suspect>) -> Self {
        let mut has_others = false;
        let others = others.into_iter().inspect(|_| has_others = true);
        let found = others.filter(|row| row.is_expired() || row.is_absent).collect();
        Self { found, has_others }
    }
}

impl Suspect {
    /// Whether its lease has ended by the database's clock.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        self.lease_until < self.now
    }

    /// For how long its lease has been over; zero while it is not.
    #[must_use]
    pub fn overdue(&self) -> Duration {
        (self.now - self.lease_until).to_std().unwrap_or_default()
    }

    /// The length of its lease.
    #[must_use]
    pub fn lease(&self) -> Duration {
        (self.lease_until - self.renewed_at).to_std().unwrap_or_default()
    }
}

/// A job that was taken back from a dead worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rescued {
    /// The job.
    pub id: JobId,
    /// Its queue.
    pub queue: String,
    /// Whether it was quarantined, having been there at too many deaths of a process.
    pub quarantined: bool,
}

/// The answer to [`Store::promote`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Promoted {
    /// The queues in which jobs became available, each once.
    pub queues: Vec<String>,
    /// How many jobs became available. As many as the limit: call again at once.
    pub count: usize,
    /// How long until the next job is due; `None` if none waits for a time.
    pub next_due: Option<Duration>,
}

/// News that another session or process committed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wake {
    /// Something may be available in this queue.
    Queue(String),
    /// Something may have changed anywhere.
    Any,
    /// The cancellation of this job was asked for.
    Cancel(JobId),
}

/// A migration of the schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MigrationInfo {
    /// Its version, by which migrations are ordered: `0001`.
    pub version: String,
    /// Its name, with the version: `0001_initial`; the version alone if this program does not know
    /// it.
    pub name: String,
    /// When it was applied.
    pub applied_at: Option<DateTime<Utc>>,
    /// The SQL that makes it; empty if this program does not know it.
    pub up: String,
    /// The SQL that undoes it.
    pub down: String,
}

/// How a store tells of other processes' commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WakeSource {
    /// By messages to the sender given to [`Store::watch`].
    Messages,
    /// Not at all: the worker polls, faster while jobs flow.
    Poll,
}

/// The answer to [`Store::look_around`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct News {
    /// Of the queues asked for, those that have available jobs.
    pub waiting: Vec<String>,
    /// How long until the next job is due, zero if one is; `None` if none waits for a time.
    pub next_due: Option<Duration>,
}

/// How many rows a call took away, and whether more wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    /// Finished jobs deleted.
    pub jobs: usize,
    /// Whether the limit was reached: call again.
    pub more: bool,
}

/// The body of a transactional task: it gets the connection whose type it named.
pub enum TransactionBody {
    /// An `async fn`.
    Async(AsyncBody),
    /// A plain `fn`.
    Blocking(BlockingBody),
}

/// The body of an async transactional task.
pub type AsyncBody =
    Box<dyn for<'c> FnOnce(&'c mut (dyn Any + Send)) -> BoxFuture<'c, Verdict> + Send>;

/// The body of a plain transactional task.
pub type BlockingBody = Box<dyn FnOnce(&mut (dyn Any + Send)) -> Verdict + Send>;

impl fmt::Debug for TransactionBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Async(_) => "async body",
            Self::Blocking(_) => "body",
        })
    }
}

/// How a task's transaction ended.
#[derive(Debug)]
pub enum TransactionEnd {
    /// Effects and completion are committed.
    Committed {
        /// The result as JSON.
        result: Option<String>,
    },
    /// The job was not held any more; everything was rolled back.
    Lost,
    /// The body failed; everything was rolled back, and the verdict is to be settled.
    Failed(Verdict),
}

/// The worker's seam. Sealed until 1.0: implemented by the memory store and by taskx-diesel.
#[async_trait]
pub trait Store: crate::inspect::Inspect + fmt::Debug + Send + Sync + 'static {
    /// Which database.
    fn engine(&self) -> Engine;

    /// Whether a lone caller may poll an insert on this thread, beside what runs on the App's own: no
    /// connection that it opens goes with a runtime that may not be driven.
    fn may_insert_here(&self) -> bool {
        false
    }

    /// Brings the schema up to date, under a lock; a no-op where it is.
    ///
    /// # Errors
    /// `Schema` if the database is newer than this program knows, `Transient`/`Store` otherwise.
    async fn migrate(&self) -> Result<()>;

    /// Fails unless the schema is the one that this program needs.
    ///
    /// # Errors
    /// `Schema`, naming the command that mends it.
    async fn check_schema(&self) -> Result<()>;

    /// The migrations that this program knows or that the database has, by version.
    ///
    /// # Errors
    /// Transient ones.
    async fn migrations(&self) -> Result<Vec<MigrationInfo>>;

    /// Undoes the newest migration that was applied, under the same lock as [`migrate`]; what its
    /// tables hold is lost. Answers its version, or `None` if none was applied.
    ///
    /// [`migrate`]: Self::migrate
    ///
    /// # Errors
    /// `Schema` if this program does not know it; `Transient`/`Store` otherwise.
    async fn revert(&self) -> Result<Option<String>>;

    /// Inserts jobs in one transaction; durable when it returns. The answers come in the order of
    /// `jobs`. Wakes listeners of the queues after the commit.
    ///
    /// # Errors
    /// Any, and then no row of the batch is stored (or the commit's answer was lost).
    async fn insert(&self, jobs: &[NewJob]) -> Result<Vec<Inserted>>;

    /// Inserts jobs that nobody knows yet and that wait for nothing, all of `queue` and without
    /// extras, and claims them for `owner` in the same transaction, unless its row was ended or the
    /// queue is paused; durable when it returns. A store that gains nothing by it only inserts.
    ///
    /// # Errors
    /// Any. What was stored by a lost answer may be held by `owner`, as after a lost claim.
    async fn insert_claimed(&self, jobs: &[NewJob], queue: &str, owner: WorkerId) -> Result<Born> {
        let _ = (queue, owner);
        self.insert(jobs).await?;
        Ok(Born::Available)
    }

    /// Claims available jobs of one queue in the order (priority, id): attempt and fence raised by
    /// one, state running, owner set, `claimed_at` now. Jobs marked solo come alone: a claim gives
    /// either one solo job or only others.
    ///
    /// # Errors
    /// Transient ones; what was claimed by a lost answer is held by `owner` and comes back when
    /// that row is retired or rescued, so a worker claims under a new row after one.
    async fn claim(&self, claim: &Claim) -> Result<Vec<ClaimedJob>>;

    /// Writes how attempts ended, in one transaction; durable when it returns. Answers in order.
    /// Each settlement stands for itself: a lost one changes nothing for the others.
    ///
    /// # Errors
    /// Any, and then none of the batch is written (or the commit's answer was lost).
    async fn settle(&self, batch: &[Settlement]) -> Result<Vec<Settled>>;

    /// Makes up to `limit` jobs available whose time has come (scheduled and retryable ones).
    ///
    /// # Errors
    /// Transient ones.
    async fn promote(&self, limit: u32) -> Result<Promoted>;

    /// Moves available jobs of `queue`, among the first `limit`, whose task no live worker names,
    /// to the state parked; answers how many. A worker is alive until its row is ended, also past its
    /// lease: only a rescuer judges of that.
    ///
    /// # Errors
    /// Transient ones.
    async fn park_unknown(&self, queue: &str, limit: u32) -> Result<usize>;

    /// Makes a worker row with its task list, and brings parked jobs of those tasks back.
    ///
    /// # Errors
    /// Transient ones; repeating the call with the same id is a no-op.
    async fn register(&self, worker: &NewWorker) -> Result<()>;

    /// Renews the leases of a process's worker rows and writes progress. Rows that were ended are
    /// not revived.
    ///
    /// # Errors
    /// Transient ones.
    async fn renew(&self, renewal: &Renewal) -> Result<Renewed>;

    /// The worker rows other than `besides` that may be dead: lease expired by the database's
    /// clock, or presence lock free now (never within 10 s after the server's start).
    ///
    /// # Errors
    /// Transient ones.
    async fn suspects(&self, besides: &[WorkerId]) -> Result<Suspects>;

    /// Ends the row of a dead worker and makes its jobs available again; the attempt is not counted.
    /// If solo jobs were executing at its last renewal, they ran alone and are blamed alone: their
    /// `crash_count` rises, and one that reaches `crash_limit` is quarantined; the others come back
    /// as they were. Else `crash_count` rises for all, and those come back marked solo that were
    /// executing, or whose `crash_count` is 2 by now; none is quarantined, since none is certain. The
    /// row is ended only if it was not renewed since `suspect` was read.
    ///
    /// # Errors
    /// Transient ones; repeating the call finishes what was begun.
    async fn rescue(&self, suspect: &Suspect, crash_limit: i32) -> Result<Vec<Rescued>>;

    /// The orderly end of a worker row: whatever it still holds is given back (available at once,
    /// the attempt not counted), and the row is removed. Answers how many jobs it still held.
    ///
    /// # Errors
    /// Transient ones; repeating the call is a no-op.
    async fn retire(&self, worker: WorkerId) -> Result<usize>;

    /// Takes (or keeps) the presence lock of a worker row, on a connection of its own.
    /// `false` where the engine or its set-up has none: then only the lease tells.
    ///
    /// # Errors
    /// Transient ones.
    async fn hold_presence(&self, worker: WorkerId) -> Result<bool>;

    /// Keeps the presence lock as [`hold_presence`](Self::hold_presence) does and, where
    /// [`watch`](Self::watch) answers [`WakeSource::Poll`], tells what a poll would find; `None` from
    /// an engine that sends messages, and where this look found nothing out. One statement for both:
    /// each worker calls this once a second, also when nothing happens.
    ///
    /// # Errors
    /// Transient ones.
    async fn look_around(&self, worker: WorkerId, queues: &[String]) -> Result<Option<News>> {
        let _ = queues;
        self.hold_presence(worker).await.map(|_| None)
    }

    /// Deletes finished jobs whose retention has passed, at most `limit`, with their attempts, and
    /// slot rows older than 30 days. Live jobs are never touched.
    ///
    /// # Errors
    /// Transient ones.
    async fn prune(&self, limit: u32) -> Result<Pruned>;

    /// Makes the schedules of `owner` what its `version` declares: new ones inserted, changed ones
    /// updated, those no longer declared marked with the version and not fired. A row of a newer
    /// version, declared or marked, is left as it is; so are other owners' and dynamic ones.
    ///
    /// # Errors
    /// `Conflict` if a name belongs to another owner; transient ones.
    async fn upsert_schedules(
        &self,
        owner: &str,
        version: &str,
        declared: &[ScheduleRow],
    ) -> Result<()>;

    /// The live, unpaused schedules among `tasks` whose `next_slot` is due or not yet known, and
    /// how long until the next of the others is.
    ///
    /// # Errors
    /// Transient ones.
    async fn due_schedules(&self, tasks: &[String])
    -> Result<(Vec<DueSchedule>, Option<Duration>)>;

    /// Fires slots of one schedule in one transaction: for each slot that has no row yet, the
    /// unique `(schedule, slot)` row and its job; then the schedule's position moves forward,
    /// never back. Answers the jobs that this call inserted.
    ///
    /// # Errors
    /// Transient ones; repeating the call is a no-op for slots already fired.
    async fn fire(&self, firing: &Firing) -> Result<Vec<JobId>>;

    /// The database's clock.
    ///
    /// # Errors
    /// Transient ones.
    async fn now(&self) -> Result<DateTime<Utc>>;

    /// Tells `wake` of other processes' commits from its return on until it is closed. Never
    /// returns an error: it reconnects, and sends [`Wake::Any`] after each gap.
    async fn watch(&self, wake: mpsc::UnboundedSender<Wake>) -> WakeSource;

    /// Runs a task's body in a transaction on a connection of type `connection`, and settles the
    /// job by `settlement` (with the body's result in its `Completed`) in the same transaction,
    /// before the commit. Dropping the future rolls back and discards the connection. What fails
    /// after the body has run, the commit too, is a failed attempt: settling it tells whether the
    /// job is in the history all the same. Called on the
    /// worker's own runtime; a blocking body runs on a thread that nobody waits for at the end.
    ///
    /// # Errors
    /// `Config` if the store has no such connection; transient ones, when nothing is committed.
    async fn transact(
        &self,
        connection: TypeId,
        body: TransactionBody,
        settlement: Settlement,
    ) -> Result<TransactionEnd> {
        let _ = (connection, body, settlement);
        Err(Error::new(
            ErrorKind::Config,
            format!("run a transactional task: {} has no such connection", self.engine()),
        ))
    }

    /// For tests: moves every time in the database back by `by`, as if that long had passed.
    ///
    /// # Errors
    /// Transient ones.
    async fn travel(&self, by: Duration) -> Result<()>;
}
