//! What a running task may ask and say: its job, its progress, whether it should stop.

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use crate::{
    current,
    job::{ClaimedJob, JobExtras, JobId, WorkerId},
    queue::Queue,
    state::States,
};

/// The context of one run of a task, taken by a parameter `ctx: &Ctx`.
///
/// A clone may be carried into spawned work; it stays valid after the run, when its progress is
/// dropped silently.
#[derive(Clone)]
pub struct Ctx(Arc<Inner>);

struct Inner {
    job: JobFacts,
    queue: Queue,
    states: Arc<States>,
    cancel: CancellationToken,
    deadline: Option<Instant>,
    progress: Mutex<Option<ProgressNote>>,
}

/// What a context keeps of its job.
struct JobFacts {
    id: JobId,
    worker: WorkerId,
    fence: i64,
    attempt: u32,
    max_attempts: u32,
    queue: String,
    task: String,
    inserted_at: DateTime<Utc>,
    run_at: DateTime<Utc>,
    extras: JobExtras,
}

/// Progress not yet written.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct ProgressNote {
    percent: u8,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
}

impl Ctx {
    pub(crate) fn new(
        job: &ClaimedJob,
        queue: Queue,
        states: Arc<States>,
        cancel: CancellationToken,
        timeout: Option<Duration>,
    ) -> Self {
        Self(Arc::new(Inner {
            job: JobFacts {
                id: job.id,
                worker: job.owner,
                fence: job.fence,
                attempt: u32::try_from(job.attempt).unwrap_or(1),
                max_attempts: u32::try_from(job.max_attempts).unwrap_or(1),
                queue: job.queue.clone().into_owned(),
                task: job.task.clone(),
                inserted_at: job.inserted_at,
                run_at: job.run_at,
                extras: job.extras.as_deref().cloned().unwrap_or_default(),
            },
            queue,
            states,
            cancel,
            deadline: timeout.and_then(|limit| Instant::now().checked_add(limit)),
            progress: Mutex::new(None),
        }))
    }

    /// The job's id.
    #[must_use]
    pub fn id(&self) -> JobId {
        self.0.job.id
    }

    /// The number of this attempt, counted from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.0.job.attempt
    }

    /// Failed attempts until the job is discarded.
    #[must_use]
    pub fn max_attempts(&self) -> u32 {
        self.0.job.max_attempts
    }

    /// Whether a failure of this attempt would be the last.
    #[must_use]
    pub fn is_last_attempt(&self) -> bool {
        self.attempt() >= self.max_attempts()
    }

    /// The number of this claim of the job. It only rises, also over the deaths of workers, so that a
    /// system outside can refuse what an older run of the same job still sends. (When the server of
    /// PostgreSQL itself crashes, a claim of the last moment may be undone; its number is then given
    /// to the next claim too. With [`worker`](Self::worker) the two are told apart.)
    #[must_use]
    pub fn fence(&self) -> i64 {
        self.0.job.fence
    }

    /// The row of the worker that holds this claim: random, fresh for each start of a worker and
    /// after each claim whose answer was lost. Together with [`fence`](Self::fence) it stands for one
    /// run of one job, for ever.
    #[must_use]
    pub fn worker(&self) -> WorkerId {
        self.0.job.worker
    }

    /// A key that is the same for every attempt of this job, for systems outside that drop
    /// repeated requests.
    #[must_use]
    pub fn idempotency_key(&self) -> String {
        format!("taskx-{}", self.id())
    }

    /// The name of the queue that the job came from.
    #[must_use]
    pub fn queue_name(&self) -> &str {
        &self.0.job.queue
    }

    /// The wire name of the task, as stored with the job.
    #[must_use]
    pub fn task_name(&self) -> &str {
        &self.0.job.task
    }

    /// The App's queue, to enqueue further jobs or to look at this one.
    #[must_use]
    pub fn queue(&self) -> &Queue {
        &self.0.queue
    }

    /// When the job was inserted, by the database's clock.
    #[must_use]
    pub fn inserted_at(&self) -> DateTime<Utc> {
        self.0.job.inserted_at
    }

    /// When the job was due, by the database's clock.
    #[must_use]
    pub fn run_at(&self) -> DateTime<Utc> {
        self.0.job.run_at
    }

    /// The fire time that this job stands for, if a schedule made it.
    #[must_use]
    pub fn slot(&self) -> Option<DateTime<Utc>> {
        self.0.job.extras.slot
    }

    /// The job's tags.
    #[must_use]
    pub fn tags(&self) -> &[String] {
        &self.0.job.extras.tags
    }

    /// The caller's note of this name.
    #[must_use]
    pub fn meta(&self, key: &str) -> Option<&serde_json::Value> {
        self.0.job.extras.meta.as_ref()?.get(key)
    }

    /// A state of the App, for code that is reached without a parameter.
    #[must_use]
    pub fn state<T: ?Sized + Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.0.states.get::<T>()
    }

    /// Whether the job should stop: its cancellation was asked for, its time is over, its worker
    /// stops or has lost it. An async task is dropped a little later; a plain fn must look here.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.cancel.is_cancelled()
    }

    /// Waits until the job should stop.
    pub async fn cancelled(&self) {
        self.0.cancel.cancelled().await;
    }

    /// The token behind [`is_cancelled`](Self::is_cancelled), to hand to other code.
    #[must_use]
    pub fn cancellation(&self) -> CancellationToken {
        self.0.cancel.clone()
    }

    /// How long until the task's timeout; `None` without one.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        self.0.deadline.map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// Tells how far the job is, in percent (more than 100 counts as 100), with a word about it.
    /// Written within about a second; only the latest is kept.
    pub fn progress(&self, percent: u8, message: impl Into<String>) {
        let note = ProgressNote { percent: percent.min(100), message: message.into() };
        *self.0.progress.lock().unwrap_or_else(PoisonError::into_inner) = Some(note);
    }

    /// Writes a line to the log, inside the job's span.
    pub fn log(&self, message: impl fmt::Display) {
        tracing::info!(target: "taskx::job", job = %self.id(), task = self.task_name(), "{message}");
    }

    /// Spawns work on the runtime of the task that enqueues through the same queue as the task.
    /// It is not waited for when the task ends.
    pub fn spawn<F>(&self, future: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        tokio::spawn(current::scope(self.0.queue.clone(), future))
    }

    /// Takes the progress that was told since the last call, as JSON.
    pub(crate) fn take_progress(&self) -> Option<String> {
        let note = self.0.progress.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        serde_json::to_string(&note).ok()
    }
}

impl fmt::Debug for Ctx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts: BTreeMap<_, _> =
            [("id", self.id().to_string()), ("task", self.task_name().to_owned())].into();
        f.debug_tuple("Ctx").field(&facts).finish()
    }
}
