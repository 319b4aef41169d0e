//! The worker: claim, execute, settle.
//!
//! ```text
//!   I/O thread                      the caller's runtime              I/O thread
//!   claim.rs ── jobs ──> lane.rs ──> execute.rs ── settlements ──> settle.rs
//!     ^                    (buffer, slots)                             │
//!     └──────────── Signal: woken by inserts, messages, free slots <───┘
//!   birth.rs: jobs of this process that need no claim
//!   maintain.rs: promote, poll, prune, give back      schedule.rs: fire what is due
//!   heartbeat thread — lease.rs: renew, progress, cancellations   rescue.rs: dead workers
//! ```
//! Every loop ends by the same token, and none ends by an error.

mod birth;
mod claim;
mod config;
mod counts;
mod execute;
mod guard;
mod haste;
mod lane;
mod lease;
mod maintain;
mod pace;
mod rescue;
mod running;
mod schedule;
mod settle;
mod shared;
mod trust;

use std::{
    collections::BTreeSet,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::task::JoinHandle;

#[cfg(feature = "testing")]
pub(crate) use self::schedule::Scheduler;
use self::shared::Shared;
pub use self::{
    config::{BackgroundTaskWorker, BlockingTaskWorker, WorkerOverrides},
    counts::AttemptCounts,
};
use crate::{
    error::{Error, ErrorKind, Result},
    hub::Host,
    inspect::{Inspect, JobFilter, QueueInfo, StateCount},
    job::{JobState, WorkerId},
};

/// A running worker: cheap to clone. Dropping it does not stop the worker; the App's end does.
#[derive(Clone)]
pub struct WorkerHandle(Arc<Running>);

struct Running {
    shared: Arc<Shared>,
    /// What has to end, and then how it ended.
    loops: tokio::sync::Mutex<Result<Loops, Stopped>>,
}

/// What has to end before the worker has stopped.
struct Loops {
    claim: JoinHandle<()>,
    dispatch: Vec<JoinHandle<()>>,
    background: Vec<JoinHandle<()>>,
    settle: JoinHandle<()>,
    heartbeat: lease::Heartbeat,
}

/// How a worker stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stopped {
    /// Jobs that were running and had to be given back unfinished.
    pub given_back: usize,
    /// How its attempts ended, from its start on.
    pub counts: AttemptCounts,
}

impl WorkerHandle {
    /// The worker's row. A fresh one is made after a lost connection or lease.
    #[must_use]
    pub fn id(&self) -> WorkerId {
        self.0.shared.owner()
    }

    /// How many jobs it is executing now.
    #[must_use]
    pub fn running(&self) -> usize {
        self.0.shared.running.len()
    }

    /// How the attempts of this worker have ended so far.
    #[must_use]
    pub fn counts(&self) -> AttemptCounts {
        self.0.shared.counters.read()
    }

    /// Waits until nothing is available or running in the worker's queues, by whomever. Jobs that
    /// wait for their time or for their next attempt are not waited for; nor are those that nobody
    /// would begin: in a paused queue, or of tasks that no live worker knows.
    ///
    /// # Errors
    /// Transient ones.
    pub async fn wait_idle(&self) -> Result<()> {
        self.wait_until_none(&[JobState::Available, JobState::Running]).await
    }

    /// Waits as [`wait_idle`](Self::wait_idle), and for the next attempts of failed jobs too.
    ///
    /// # Errors
    /// Transient ones.
    pub async fn drain(&self) -> Result<()> {
        self.wait_until_none(&[JobState::Available, JobState::Running, JobState::Retryable]).await
    }

    async fn wait_until_none(&self, states: &[JobState]) -> Result<()> {
        let shared = &self.0.shared;
        let mut pause = Duration::from_millis(2);
        loop {
            // Looked at before the database, which is asked only when this process has no work.
            if shared.is_idle() && !self.has_work(states).await? {
                return Ok(());
            }
            if self.0.shared.stop.is_cancelled() && self.has_stopped().await {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    "wait for a worker that has been stopped",
                ));
            }
            shared.queue.sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    /// Whether the worker's queues have jobs in these states that somebody runs, or will.
    async fn has_work(&self, states: &[JobState]) -> Result<bool> {
        let shared = &self.0.shared;
        let counts = shared.queue.count().await?;
        let mine = |entry: &StateCount| entry.count > 0 && shared.lane(&entry.queue).is_some();
        let mut waiting = BTreeSet::new();
        for entry in counts.into_iter().filter(mine).filter(|e| states.contains(&e.state)) {
            if entry.state == JobState::Running {
                return Ok(true);
            }
            waiting.insert(entry.queue);
        }
        if waiting.is_empty() {
            return Ok(false);
        }
        for paused in shared.queue.queues().await?.into_iter().filter(QueueInfo::is_paused) {
            waiting.remove(&paused.name);
        }
        if waiting.is_empty() {
            return Ok(false);
        }
        let filter = JobFilter {
            states: states.to_vec(),
            queues: waiting.into_iter().collect(),
            ..JobFilter::default()
        };
        // Its own tasks first: to ask who knows the others costs more, and is rarely needed.
        if shared.queue.any_of(shared.registry.names().to_vec(), &filter).await? {
            return Ok(true);
        }
        let tasks = shared.queue.tasks().await?.into_iter().filter(|task| task.workers > 0);
        shared.queue.any_of(tasks.map(|task| task.name).collect(), &filter).await
    }

    async fn has_stopped(&self) -> bool {
        self.0.loops.lock().await.is_err()
    }

    /// Stops gracefully: claims nothing more, gives its buffer back, waits up to the grace for
    /// running jobs, gives the rest back without using an attempt. Repeated calls wait for the
    /// first, and answer the same.
    ///
    /// # Errors
    /// None today; the last writes are repeated until they succeed or the lease is over.
    pub async fn stop(&self) -> Result<Stopped> {
        self.stop_within(self.0.shared.config.grace).await
    }

    /// Stops at once: running jobs are given back without waiting.
    ///
    /// # Errors
    /// As [`stop`](Self::stop).
    pub async fn stop_now(&self) -> Result<Stopped> {
        self.hurry();
        self.stop_within(Duration::ZERO).await
    }

    /// Ends the wait for running jobs of a stop that is under way.
    pub(crate) fn hurry(&self) {
        self.0.shared.haste.begin();
    }

    async fn stop_within(&self, grace: Duration) -> Result<Stopped> {
        self.0.shared.stop.cancel();
        let mut loops = self.0.loops.lock().await;
        // Whoever looks while it winds down waits for the lock.
        let stopped = match std::mem::replace(&mut *loops, Err(Stopped::default())) {
            Ok(running) => wind_down(&self.0.shared, running, grace).await,
            Err(stopped) => stopped,
        };
        *loops = Err(stopped);
        Ok(stopped)
    }

    /// Winds the worker down when its App goes without an explicit stop.
    pub(crate) async fn stop_with_app(self) {
        self.0.shared.stop.cancelled().await;
        let _ = self.stop().await;
    }
}

impl fmt::Debug for WorkerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerHandle").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// Starts every loop of a worker whose row is registered.
fn launch(
    shared: Arc<Shared>,
    outcomes: settle::Outcomes,
    heartbeat: lease::Heartbeat,
) -> Result<WorkerHandle> {
    let io = shared.queue.io()?.handle().clone();
    let host: Arc<dyn Host> = Arc::<Shared>::clone(&shared);
    shared.queue.hub().offer_to(&host);
    let dispatch = shared
        .lanes
        .iter()
        .map(|lane| shared.runtime.spawn(execute::dispatch(Arc::clone(&shared), Arc::clone(lane))))
        .collect();
    let claim = io.spawn(claim::run(Arc::clone(&shared)));
    let settle = io.spawn(settle::run(Arc::clone(&shared), outcomes));
    let background = vec![
        io.spawn(maintain::promote(Arc::clone(&shared))),
        io.spawn(maintain::upkeep(Arc::clone(&shared))),
        io.spawn(maintain::listen(Arc::clone(&shared))),
        io.spawn(schedule::run(Arc::clone(&shared))),
    ];
    let loops = Loops { claim, dispatch, background, settle, heartbeat };
    let handle =
        WorkerHandle(Arc::new(Running { shared, loops: tokio::sync::Mutex::new(Ok(loops)) }));
    io.spawn(handle.clone().stop_with_app());
    Ok(handle)
}

/// The order matters: first no new jobs, then the running ones, then their outcomes, at last the
/// worker's row, renewed until the very end.
async fn wind_down(shared: &Arc<Shared>, loops: Loops, grace: Duration) -> Stopped {
    let started = Instant::now();
    let mut claim = loops.claim;
    tokio::select! {
        _ = &mut claim => {}
        // What it was about to claim is the row's, and goes back with it.
        () = shared.haste.begun() => claim.abort(),
    }
    for task in loops.background {
        task.abort();
        let _ = task.await;
    }
    for dispatcher in loops.dispatch {
        let _ = dispatcher.await;
    }
    for lane in &shared.lanes {
        shared.give_back(lane.take_all());
    }
    tokio::select! {
        () = shared.running.none_left() => {}
        () = shared.queue.sleep(grace.saturating_sub(started.elapsed())) => {}
        () = shared.haste.begun() => {}
    }
    let given_back = shared.running.abandon();
    for job in &given_back {
        shared.release(job);
    }
    shared.close_settling();
    let _ = loops.settle.await;
    loops.heartbeat.stop().await;
    tracing::info!(worker = %shared.owner(), given_back = given_back.len(), "worker stopped");
    Stopped { given_back: given_back.len(), counts: shared.counters.read() }
}
