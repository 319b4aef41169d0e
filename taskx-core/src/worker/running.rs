//! The jobs that a worker is executing, as its heartbeat and its shutdown see them.

use std::{
    collections::{
        HashMap,
        hash_map::{Entry, OccupiedEntry},
    },
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{Notify, OwnedSemaphorePermit};

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
    pub(super) def: &'static TaskDef,
    pub(super) ctx: Ctx,
    /// Raised when the job is not waited for any more: an async task is dropped.
    pub(super) abandoned: Flag,
    pub(super) started: Instant,
    /// The slot; given up early by a job that is stuck.
    slot: Mutex<Option<OwnedSemaphorePermit>>,
    /// Whether it was asked to stop by a person.
    cancelled: AtomicBool,
}

impl Execution {
    pub(super) fn new(def: &'static TaskDef, ctx: Ctx, slot: Option<OwnedSemaphorePermit>) -> Self {
        Self {
            def,
            ctx,
            abandoned: Flag::default(),
            started: Instant::now(),
            slot: Mutex::new(slot),
            cancelled: AtomicBool::new(false),
        }
    }

    /// The job as it was claimed.
    pub(super) fn job(&self) -> &ClaimedJob {
        self.ctx.job()
    }

    /// Takes the slot out, for another job.
    pub(super) fn take_slot(&self) -> Option<OwnedSemaphorePermit> {
        lock(&self.slot).take()
    }

    /// Whether a person asked to cancel it.
    pub(super) fn was_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
        self.ctx.cancel();
    }

    /// The settlement of this claim.
    pub(super) fn settlement(&self, outcome: Outcome, retention: Option<Duration>) -> Settlement {
        let job = self.job();
        Settlement {
            id: job.id,
            owner: job.owner,
            fence: job.fence,
            attempt: job.attempt,
            outcome,
            retention,
        }
    }

    /// The settlement that gives it back without using an attempt.
    pub(super) fn released(&self) -> Settlement {
        self.settlement(Outcome::Released, None)
    }
}

/// Something that happens once and can be waited for; nearly always nobody does, so it costs no
/// memory of its own, as a token would.
#[derive(Debug, Default)]
pub(super) struct Flag {
    is_raised: AtomicBool,
    rings: Notify,
}

impl Flag {
    fn raise(&self) {
        self.is_raised.store(true, Ordering::Release);
        self.rings.notify_waiters();
    }

    /// Waits until it is raised.
    pub(super) async fn raised(&self) {
        // Made before the look, so that what is raised in between rings.
        let rung = self.rings.notified();
        if !self.is_raised.load(Ordering::Acquire) {
            rung.await;
        }
    }
}

/// Every job that is executing.
#[derive(Debug, Default)]
pub(super) struct RunningJobs {
    jobs: Mutex<Jobs>,
    /// Rings when the last one has ended.
    empty: Notify,
}

impl RunningJobs {
    pub(super) fn insert(&self, job: Arc<Execution>) {
        lock(&self.jobs).insert(job.job().id, job);
    }

    /// Takes a job out; `None` if it was abandoned meanwhile, and then its outcome counts no more.
    pub(super) fn remove(&self, job: &Execution) -> Option<Arc<Execution>> {
        let mut jobs = lock(&self.jobs);
        let held = Some(held(&mut jobs, job)?.remove());
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
        let Some(held) = held(&mut jobs, job) else { return };
        hand_over();
        held.remove();
        if jobs.is_empty() {
            self.empty.notify_waiters();
        }
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.jobs).len()
    }

    pub(super) fn ids(&self) -> Vec<JobId> {
        lock(&self.jobs).keys().copied().collect()
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
        self.take(|job| job.job().owner == owner)
    }

    /// Stops waiting for what still executes, and gives it.
    pub(super) fn abandon(&self) -> Vec<Arc<Execution>> {
        self.take(|_| true)
    }

    fn take(&self, wanted: impl Fn(&Execution) -> bool) -> Vec<Arc<Execution>> {
        let mut jobs = lock(&self.jobs);
        let taken: Vec<_> = jobs.values().filter(|job| wanted(job)).cloned().collect();
        for job in &taken {
            jobs.remove(&job.job().id);
            job.ctx.cancel();
            job.abandoned.raise();
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
                let ClaimedJob { id, owner, fence, .. } = *job.job();
                Some(Progress { id, owner, fence, text })
            })
            .collect()
    }

    /// Jobs that are past their timeout by more than `slack` and have not ended.
    pub(super) fn overdue(&self, slack: Duration) -> Vec<Arc<Execution>> {
        let jobs = lock(&self.jobs);
        jobs.values()
            .filter(|job| {
                job.def.options.timeout.is_some_and(|limit| job.started.elapsed() > limit + slack)
            })
            .cloned()
            .collect()
    }
}

type Jobs = HashMap<JobId, Arc<Execution>>;

/// The entry of a job, unless it was taken out. The same job may run again under a higher fence
/// after a rescue by ourselves.
fn held<'a>(
    jobs: &'a mut Jobs,
    job: &Execution,
) -> Option<OccupiedEntry<'a, JobId, Arc<Execution>>> {
    match jobs.entry(job.job().id) {
        Entry::Occupied(entry) if entry.get().job().fence == job.job().fence => Some(entry),
        _ => None,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
