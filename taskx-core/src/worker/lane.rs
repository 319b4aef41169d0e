//! A worker's lane: one queue with its slots and the jobs that are claimed and not yet started.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::trust::Trust;
use crate::job::{ClaimedJob, JobId, WorkerId};

/// The most jobs of one claim.
const LARGEST_BATCH: u32 = 1_000;

/// What a batch should last: shorter, and claims cost more than they bring; longer, and other
/// workers could have run the jobs meanwhile.
const BATCH_LASTS: Duration = Duration::from_millis(100);

/// What waits longer than this in the buffer is given back.
const BUFFERED_FOR: Duration = Duration::from_secs(5);

/// One queue of a worker.
#[derive(Debug)]
pub(super) struct Lane {
    /// The queue's name.
    pub(super) queue: String,
    /// Free slots; a job holds one while it executes.
    slots: Arc<Semaphore>,
    /// How many slots there are.
    pub(super) size: u32,
    buffer: Mutex<Buffer>,
    /// Rings when the buffer got jobs.
    filled: Notify,
    /// What the next claim should ask for.
    batch: AtomicU32,
}

#[derive(Debug, Default)]
struct Buffer {
    jobs: VecDeque<(ClaimedJob, Instant)>,
    /// When the last full batch came, until it is used up: the measure of the next one.
    full_since: Option<Instant>,
}

impl Lane {
    pub(super) fn new(queue: String, slots: usize) -> Self {
        let size = u32::try_from(slots).unwrap_or(u32::MAX).min(u32::MAX >> 4);
        Self {
            queue,
            slots: Arc::new(Semaphore::new(size as usize)),
            size,
            buffer: Mutex::default(),
            filled: Notify::new(),
            batch: AtomicU32::new(size.clamp(1, LARGEST_BATCH)),
        }
    }

    /// The next job with a slot for it, waited for. The slot comes last: a lane that waits for jobs
    /// must not seem busy, or nobody would fetch any for a lane of one slot.
    pub(super) async fn next(&self, trust: &Trust) -> Option<(OwnedSemaphorePermit, ClaimedJob)> {
        loop {
            self.filled().await;
            let slot = Arc::clone(&self.slots).acquire_owned().await.ok()?;
            // What is started now must still be ours.
            trust.holds().await;
            // While the slot was waited for, the job may have been given back.
            if let Some(job) = self.pop() {
                return Some((slot, job));
            }
        }
    }

    /// Waits until the buffer holds a job.
    async fn filled(&self) {
        loop {
            let filled = self.filled.notified();
            if !self.lock().jobs.is_empty() {
                return;
            }
            filled.await;
        }
    }

    fn pop(&self) -> Option<ClaimedJob> {
        let mut buffer = self.lock();
        let (job, _) = buffer.jobs.pop_front()?;
        if buffer.jobs.is_empty()
            && let Some(since) = buffer.full_since.take()
        {
            self.adapt(since.elapsed());
        }
        Some(job)
    }

    /// After a full batch was used up: as many as would have lasted as long as a batch should. At
    /// most eight times as many, for a few quick jobs tell little of those behind them.
    fn adapt(&self, lasted: Duration) {
        if (BATCH_LASTS / 2..=BATCH_LASTS * 2).contains(&lasted) {
            return;
        }
        let batch = self.batch.load(Ordering::Relaxed);
        let fitting = u128::from(batch) * BATCH_LASTS.as_micros() / lasted.as_micros().max(1);
        let next = u32::try_from(fitting)
            .unwrap_or(u32::MAX)
            .clamp(batch / 2, batch.saturating_mul(8))
            .clamp(self.size.clamp(1, LARGEST_BATCH), LARGEST_BATCH);
        self.batch.store(next, Ordering::Relaxed);
    }

    /// How many jobs a claim should ask for now; 0 while enough are at hand.
    pub(super) fn wanted(&self) -> u32 {
        let batch = self.batch.load(Ordering::Relaxed);
        let free = u32::try_from(self.slots.available_permits()).unwrap_or(u32::MAX);
        let buffered = u32::try_from(self.lock().jobs.len()).unwrap_or(u32::MAX);
        if buffered == 0 && free == 0 && batch <= self.size {
            // Every slot is busy with work that takes its time: others may have the jobs.
            return 0;
        }
        if buffered > batch / 2 { 0 } else { (batch - buffered).min(LARGEST_BATCH) }
    }

    /// Whether so many new jobs could start at once: nothing waits, and slots are free.
    pub(super) fn has_room(&self, jobs: usize) -> bool {
        self.slots.available_permits() >= jobs && self.lock().jobs.is_empty()
    }

    /// Whether the buffer has fallen so low that a claim is due.
    pub(super) fn is_low(&self) -> bool {
        self.wanted() > 0
    }

    /// Takes claimed jobs in, in their order.
    pub(super) fn fill(&self, jobs: Vec<ClaimedJob>, full: bool) {
        let now = Instant::now();
        let mut buffer = self.lock();
        buffer.jobs.extend(jobs.into_iter().map(|job| (job, now)));
        if full {
            buffer.full_since.get_or_insert(now);
        } else {
            buffer.full_since = None;
        }
        drop(buffer);
        self.filled.notify_one();
    }

    /// Takes out what has waited too long.
    pub(super) fn take_stale(&self) -> Vec<ClaimedJob> {
        self.take(|_, since| since.elapsed() > BUFFERED_FOR)
    }

    /// Takes out all that waits.
    pub(super) fn take_all(&self) -> Vec<ClaimedJob> {
        self.take(|_, _| true)
    }

    /// Takes out what is held under a lost worker row.
    pub(super) fn take_of(&self, owner: WorkerId) -> Vec<ClaimedJob> {
        self.take(|job, _| job.owner == owner)
    }

    /// Takes out one job.
    pub(super) fn take_job(&self, id: JobId) -> Option<ClaimedJob> {
        self.take(|job, _| job.id == id).pop()
    }

    fn take(&self, wanted: impl Fn(&ClaimedJob, Instant) -> bool) -> Vec<ClaimedJob> {
        let mut buffer = self.lock();
        let all = std::mem::take(&mut buffer.jobs);
        let (taken, kept): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(job, since)| wanted(job, *since));
        buffer.jobs = kept.into();
        taken.into_iter().map(|(job, _)| job).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_lane_of_one_slot_wants_a_job_while_it_waits_for_one() {
        let lane = Lane::new("narrow".to_owned(), 1);
        let trust = Trust::new(Duration::from_secs(30));
        assert!(lane.next(&trust).now_or_never().is_none());
        let waiting = Box::pin(lane.next(&trust));
        let mut waiting = std::pin::pin!(waiting);
        assert!(waiting.as_mut().now_or_never().is_none());
        assert_eq!(lane.wanted(), 1);
        let busy = lane.slots.clone().try_acquire_owned().unwrap();
        assert_eq!(lane.wanted(), 0);
        drop(busy);
        assert_eq!(lane.wanted(), 1);
    }

    #[test]
    fn a_batch_grows_and_shrinks_to_last_a_tenth_of_a_second() {
        let lane = Lane::new("mail".to_owned(), 10);
        let after = |lasted| {
            lane.adapt(Duration::from_millis(lasted));
            lane.wanted()
        };
        assert_eq!(after(0), 80, "at most eightfold");
        assert_eq!(after(40), 200);
        assert_eq!(after(50), 200, "near enough");
        assert_eq!(after(200), 200, "near enough");
        assert_eq!(after(1), 1_000, "never more");
        assert_eq!(after(9_000), 500, "at most halved");
        for _ in 0..9 {
            lane.adapt(Duration::from_secs(9));
        }
        assert_eq!(lane.wanted(), 10, "the slots are always filled");
    }
}
