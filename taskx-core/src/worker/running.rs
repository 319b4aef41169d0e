//! The jobs that a worker is executing, as its heartbeat and its shutdown see them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio_util::sync::CancellationToken;

use crate::{
    context::Ctx,
    job::{ClaimedJob, JobId, WorkerId},
    outcome::{Outcome, Settlement},
    store::Progress,
    task::TaskDef,
};

/// A job while it executes.
#[derive(Debug)]
pub(super) struct Execution {
    pub(super) id: JobId,
    pub(super) owner: WorkerId,
    pub(super) fence: i64,
    pub(super) attempt: i32,
    pub(super) def: &'static TaskDef,
    pub(super) ctx: Ctx,
    pub(super) token: CancellationToken,
    /// Fires when the job is not waited for any more: an async task is dropped.
    pub(super) abandoned: CancellationToken,
    /// Fires when a renewal has told the database that it is executing.
    pub(super) noted: CancellationToken,
    taken_in: Instant,
    /// When it was let in beside the others, or alone.
    begun: OnceLock<Instant>,
    /// The slot; given up early by a job that is stuck.
    slot: Mutex<Option<OwnedSemaphorePermit>>,
    /// Why the token fired, if by a person.
    cancelled: Mutex<bool>,
}

impl Execution {
    pub(super) fn new(
        job: &ClaimedJob,
        def: &'static TaskDef,
        ctx: Ctx,
        token: CancellationToken,
        slot: Option<OwnedSemaphorePermit>,
    ) -> Self {
        Self {
            id: job.id,
            owner: job.owner,
            fence: job.fence,
            attempt: job.attempt,
            def,
            ctx,
            token,
            abandoned: CancellationToken::new(),
            noted: CancellationToken::new(),
            taken_in: Instant::now(),
            begun: OnceLock::new(),
            slot: Mutex::new(slot),
            cancelled: Mutex::new(false),
        }
    }

    /// It is executing from now on.
    pub(super) fn begin(&self) {
        self.begun.get_or_init(Instant::now);
    }

    /// How long it has been executing, or waiting to.
    pub(super) fn elapsed(&self) -> Duration {
        self.begun.get().unwrap_or(&self.taken_in).elapsed()
    }

    fn is_executing(&self) -> bool {
        self.begun.get().is_some()
    }

    /// Gives the slot to others while the job goes on. Whether there was one to give.
    pub(super) fn give_up_slot(&self) -> bool {
        lock(&self.slot).take().is_some()
    }

    /// Whether a person asked to cancel it.
    pub(super) fn was_cancelled(&self) -> bool {
        *lock(&self.cancelled)
    }

    fn cancel(&self) {
        *lock(&self.cancelled) = true;
        self.token.cancel();
    }

    /// The settlement that gives it back without using an attempt. `retention` is for a job whose
    /// cancellation was asked for: such a one ends instead.
    pub(super) fn released(&self, retention: Option<Duration>) -> Settlement {
        Settlement {
            id: self.id,
            owner: self.owner,
            fence: self.fence,
            attempt: self.attempt,
            outcome: Outcome::Released,
            retention,
        }
    }
}

/// Every job that is executing.
#[derive(Debug, Default)]
pub(super) struct RunningJobs {
    jobs: Mutex<HashMap<JobId, Arc<Execution>>>,
    /// Rings when the last one has ended.
    empty: Notify,
}

impl RunningJobs {
    pub(super) fn insert(&self, job: Arc<Execution>) {
        lock(&self.jobs).insert(job.id, job);
    }

    /// Takes a job out; `None` if it was abandoned meanwhile, and then its outcome counts no more.
    pub(super) fn remove(&self, job: &Execution) -> Option<Arc<Execution>> {
        let mut jobs = lock(&self.jobs);
        // The same job may run again under a higher fence after a rescue by ourselves.
        if jobs.get(&job.id).is_none_or(|held| held.fence != job.fence) {
            return None;
        }
        let held = jobs.remove(&job.id);
        if jobs.is_empty() {
            self.empty.notify_waiters();
        }
        held
    }

    /// Takes a job out after its outcome was handed over; does neither if it was abandoned. In this
    /// order and under the lock: a worker that stops waits until none is left, and then closes the
    /// way of the outcomes.
    pub(super) fn finish(&self, job: &Execution, hand_over: impl FnOnce()) {
        let mut jobs = lock(&self.jobs);
        if jobs.get(&job.id).is_none_or(|held| held.fence != job.fence) {
            return;
        }
        hand_over();
        jobs.remove(&job.id);
        if jobs.is_empty() {
            self.empty.notify_waiters();
        }
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.jobs).len()
    }

    /// What executes now, and not what waits to be let in.
    pub(super) fn executing(&self) -> Vec<Arc<Execution>> {
        lock(&self.jobs).values().filter(|job| job.is_executing()).cloned().collect()
    }

    /// Waits until none executes.
    pub(super) async fn none_left(&self) {
        loop {
            let empty = self.empty.notified();
            tokio::pin!(empty);
            empty.as_mut().enable();
            if self.len() == 0 {
                return;
            }
            empty.await;
        }
    }

    /// Asks one job to stop because a person wants it.
    pub(super) fn cancel(&self, id: JobId) {
        if let Some(job) = lock(&self.jobs).get(&id) {
            job.cancel();
        }
    }

    /// Stops the jobs of a lost worker row: their outcomes would be refused.
    pub(super) fn lose(&self, owner: WorkerId) -> Vec<Arc<Execution>> {
        self.take(|job| job.owner == owner)
    }

    /// Stops waiting for what still executes, and gives it.
    pub(super) fn abandon(&self) -> Vec<Arc<Execution>> {
        self.take(|_| true)
    }

    fn take(&self, wanted: impl Fn(&Execution) -> bool) -> Vec<Arc<Execution>> {
        let mut jobs = lock(&self.jobs);
        let taken: Vec<_> = jobs.values().filter(|job| wanted(job)).cloned().collect();
        for job in &taken {
            jobs.remove(&job.id);
            job.token.cancel();
            job.abandoned.cancel();
        }
        if jobs.is_empty() {
            self.empty.notify_waiters();
        }
        taken
    }

    /// Progress told since the last call.
    pub(super) fn progress(&self) -> Vec<Progress> {
        let jobs = lock(&self.jobs);
        jobs.values()
            .filter_map(|job| {
                let text = job.ctx.take_progress()?;
                Some(Progress { id: job.id, owner: job.owner, fence: job.fence, text })
            })
            .collect()
    }

    /// Jobs that are past their timeout by more than `slack` and have not ended.
    pub(super) fn overdue(&self, slack: Duration) -> Vec<Arc<Execution>> {
        let jobs = lock(&self.jobs);
        jobs.values()
            .filter(|job| {
                job.def.options.timeout.is_some_and(|limit| job.elapsed() > limit + slack)
            })
            .cloned()
            .collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
