//! The operator's seam: what lists, counts, finds and changes jobs by hand. The command line, the
//! dashboard and the handles of enqueued jobs know nothing else of the database.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    error::Result,
    job::{Job, JobId, JobState, WorkerId},
};

/// Who changes something: a name for the audit, such as `cli:ada`, `dashboard:ada`, `app`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor(pub String);

impl Actor {
    /// The application itself (a handle's `.cancel()`, say).
    #[must_use]
    pub fn app() -> Self {
        Self("app".to_owned())
    }
}

/// Which jobs. Every field narrows; an empty filter means all jobs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JobFilter {
    /// Only these ids; empty means any.
    pub ids: Vec<JobId>,
    /// Only these states; empty means any.
    pub states: Vec<JobState>,
    /// Only these queues; empty means any.
    pub queues: Vec<String>,
    /// Only these tasks; empty means any.
    pub tasks: Vec<String>,
    /// Only jobs with this tag.
    pub tag: Option<String>,
    /// Only jobs inserted before this time.
    pub inserted_before: Option<DateTime<Utc>>,
    /// Only jobs with at least so many attempts begun.
    pub attempts_from: Option<i32>,
    /// Only jobs whose argument of this name has this JSON value.
    pub argument: Option<(String, serde_json::Value)>,
}

/// A page of a listing, by keyset: newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Only jobs with a smaller id than this.
    pub before: Option<JobId>,
    /// The most rows, 1 to 1,000.
    pub limit: u32,
}

impl Default for Page {
    fn default() -> Self {
        Self { before: None, limit: 100 }
    }
}

/// How many jobs of a queue are in a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StateCount {
    /// The queue.
    pub queue: String,
    /// The state.
    pub state: JobState,
    /// How many.
    pub count: i64,
}

/// A queue as an operator sees it: one that has jobs, or that was paused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QueueInfo {
    /// Its name.
    pub name: String,
    /// When it was paused.
    pub paused_at: Option<DateTime<Utc>>,
    /// Who paused it.
    pub paused_by: Option<String>,
    /// Why it was paused.
    pub reason: Option<String>,
    /// When the oldest available job was due.
    pub oldest_available: Option<DateTime<Utc>>,
}

impl QueueInfo {
    /// Whether nothing of it is claimed until it is resumed.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.paused_at.is_some()
    }
}

/// A worker as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorkerInfo {
    /// Its row.
    pub id: WorkerId,
    /// The service's name.
    pub service: String,
    /// Host name.
    pub host: String,
    /// Process id.
    pub pid: i32,
    /// Version of the application.
    pub version: String,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// When it was last renewed.
    pub renewed_at: DateTime<Utc>,
    /// When its lease ends.
    pub lease_until: DateTime<Utc>,
    /// Jobs that it was executing at the last renewal.
    pub running: Vec<JobId>,
    /// Names of its tasks.
    pub tasks: Vec<String>,
}

/// A task as an operator sees it: one that a worker has named, or that a live job names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TaskInfo {
    /// Its wire name or an alias.
    pub name: String,
    /// The service that declares it; `None` if no worker ever named it.
    pub owner: Option<String>,
    /// Names and types of its arguments, as JSON: `[{"name": "to", "type": "String"}]`.
    pub arguments: Option<String>,
    /// When a worker last named it.
    pub last_seen: Option<DateTime<Utc>>,
    /// Its jobs that have not finished.
    pub live: i64,
    /// The workers that can run it and have not ended.
    pub workers: i64,
}

/// What a database says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DatabaseInfo {
    /// Its product and version: `PostgreSQL 15.8`.
    pub version: String,
    /// The tables of taskx, by name, where the engine tells their sizes.
    pub tables: Vec<TableInfo>,
    /// For how long the oldest transaction has been open that keeps removed rows from being
    /// cleaned away; `None` if there is none, or the engine does not tell.
    pub oldest_snapshot: Option<Duration>,
    /// What the migrations made and is not there any more, by name: tables (`taskx_slots`), columns
    /// (`taskx_jobs.trace`), indexes (`taskx_jobs_ready`), functions.
    pub missing: Vec<String>,
}

/// A table and what it takes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TableInfo {
    /// Its name.
    pub name: String,
    /// About how many rows it has, where the engine keeps an estimate.
    pub rows: Option<i64>,
    /// Bytes of its rows.
    pub bytes: i64,
    /// Bytes of its indexes.
    pub index_bytes: i64,
}

/// A failed attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AttemptInfo {
    /// The fence of the claim.
    pub fence: i64,
    /// The attempt's number.
    pub attempt: i32,
    /// The worker row.
    pub worker: WorkerId,
    /// When it began (the claim).
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// How it ended: `error`, `panic`, `timeout`, `undecodable`.
    pub outcome: String,
    /// The error with its causes, at most 8 KiB.
    pub error: String,
    /// The backtrace, where there is one, at most 8 KiB.
    pub backtrace: Option<String>,
}

/// What a cancel did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Cancelled {
    /// The job was waiting and is cancelled now.
    Cancelled,
    /// It is running; it has been asked to stop.
    Requested,
    /// It had finished before.
    AlreadyFinished,
    /// There is no such job.
    NotFound,
}

/// The operator's seam.
#[async_trait]
pub trait Inspect: Send + Sync {
    /// The job of this id, live or finished.
    ///
    /// # Errors
    /// Transient ones.
    async fn find(&self, id: JobId) -> Result<Option<Job>>;

    /// A page of the jobs that fit, newest id first, live and finished merged.
    ///
    /// # Errors
    /// Transient ones.
    async fn list(&self, filter: &JobFilter, page: Page) -> Result<Vec<Job>>;

    /// The ids of a page of the jobs that fit, as [`list`](Self::list) gives them, without the jobs;
    /// the limit is 1 to 10,000.
    ///
    /// # Errors
    /// Transient ones.
    async fn ids(&self, filter: &JobFilter, page: Page) -> Result<Vec<JobId>>;

    /// How many jobs there are, by queue and state; combinations without jobs are left out.
    ///
    /// # Errors
    /// Transient ones.
    async fn count(&self) -> Result<Vec<StateCount>>;

    /// The failed attempts of a job, oldest first, the last 10.
    ///
    /// # Errors
    /// Transient ones.
    async fn attempts(&self, id: JobId) -> Result<Vec<AttemptInfo>>;

    /// Cancels a job: a waiting one at once, a running one is asked to stop.
    ///
    /// # Errors
    /// Transient ones.
    async fn cancel(&self, id: JobId, by: &Actor) -> Result<Cancelled>;

    /// Makes jobs available again, at once: finished ones of any state but completed (dead letters
    /// redriven, their attempts counted anew), and retryable, scheduled or parked ones. Others are
    /// left as they are. Answers how many changed.
    ///
    /// # Errors
    /// Transient ones.
    async fn retry(&self, ids: &[JobId], by: &Actor) -> Result<usize>;

    /// Ends waiting jobs as discarded with a reason. Running ones are left. Answers how many.
    ///
    /// # Errors
    /// Transient ones.
    async fn discard(&self, ids: &[JobId], reason: &str, by: &Actor) -> Result<usize>;

    /// Removes jobs that are not running, with their attempts. Answers how many.
    ///
    /// # Errors
    /// Transient ones.
    async fn delete(&self, ids: &[JobId], by: &Actor) -> Result<usize>;

    /// Replaces the payload of a job that is not running and not completed. Answers whether it did.
    ///
    /// # Errors
    /// Transient ones.
    async fn edit_payload(&self, id: JobId, payload: &str, by: &Actor) -> Result<bool>;

    /// The queues that have live jobs or were paused, by name.
    ///
    /// # Errors
    /// Transient ones.
    async fn queues(&self) -> Result<Vec<QueueInfo>>;

    /// Pauses a queue over all workers: nothing of it is claimed until it is resumed.
    ///
    /// # Errors
    /// Transient ones.
    async fn pause(&self, queue: &str, reason: &str, by: &Actor) -> Result<()>;

    /// Ends a pause; workers fetch at once. Answers whether it was paused.
    ///
    /// # Errors
    /// Transient ones.
    async fn resume(&self, queue: &str, by: &Actor) -> Result<bool>;

    /// The workers that have a row, oldest first.
    ///
    /// # Errors
    /// Transient ones.
    async fn workers(&self) -> Result<Vec<WorkerInfo>>;

    /// The tasks that workers have named or that live jobs name, by name.
    ///
    /// # Errors
    /// Transient ones.
    async fn tasks(&self) -> Result<Vec<TaskInfo>>;

    /// What the database says of itself. It may read all of the database: not for every second.
    ///
    /// # Errors
    /// Transient ones.
    async fn database(&self) -> Result<DatabaseInfo>;

    /// How long the oldest available job of a queue has been due, by the database's clock.
    ///
    /// # Errors
    /// Transient ones.
    async fn oldest_wait(&self, queue: &str) -> Result<Option<Duration>>;

    /// Every schedule, by name.
    ///
    /// # Errors
    /// Transient ones.
    async fn schedules(&self) -> Result<Vec<crate::schedule::ScheduleInfo>>;

    /// Inserts or replaces a dynamic schedule. A schedule declared in code is not touched.
    ///
    /// # Errors
    /// `Conflict` if the name belongs to a schedule declared in code.
    async fn put_schedule(&self, row: &crate::schedule::ScheduleRow, by: &Actor) -> Result<()>;

    /// Pauses or resumes a schedule. Answers whether there is one of this name.
    ///
    /// # Errors
    /// Transient ones.
    async fn pause_schedule(&self, name: &str, paused: bool, by: &Actor) -> Result<bool>;

    /// Removes a dynamic schedule. Answers whether there was one.
    ///
    /// # Errors
    /// `Conflict` if it is declared in code.
    async fn remove_schedule(&self, name: &str, by: &Actor) -> Result<bool>;
}
