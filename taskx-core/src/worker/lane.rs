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
const LARGEST_CLAIM: u32 = 1_000;

/// The most jobs at hand that have not started: those of two claims, so that one runs while the next
/// is under way.
const LARGEST_STOCK: u32 = 2 * LARGEST_CLAIM;

/// What a stock should last: shorter, and claims cost more than they bring; longer, and other
/// workers could have run the jobs meanwhile.
const STOCK_LASTS: Duration = Duration::from_millis(100);

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
    /// How many jobs should be at hand that have not started.
    stock: AtomicU32,
}

#[derive(Debug, Default)]
struct Buffer {
    jobs: VecDeque<(ClaimedJob, Instant)>,
    /// Full claims since the buffer was empty: the measure of the next ones.
    full: Option<Full>,
}

/// Jobs of full claims, and when the first of them came.
#[derive(Debug, Clone, Copy)]
struct Full {
    jobs: usize,
    since: Instant,
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
            stock: AtomicU32::new(size.clamp(1, LARGEST_STOCK)),
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
            && let Some(Full { jobs, since }) = buffer.full.take()
        {
            self.adapt(jobs, since.elapsed());
        }
        Some(job)
    }

    /// After full claims were used up: as many as would last as long as a stock should. At most
    /// sixteen times as many, for a few quick jobs tell little of those behind them.
    fn adapt(&self, jobs: usize, lasted: Duration) {
        let stock = self.stock.load(Ordering::Relaxed);
        let fitting = jobs as u128 * STOCK_LASTS.as_micros() / lasted.as_micros().max(1);
        let fitting = u32::try_from(fitting).unwrap_or(u32::MAX);
        if (stock / 2..=stock * 2).contains(&fitting) {
            return;
        }
        let next = fitting
            .clamp(stock / 2, stock.saturating_mul(16))
            .clamp(self.size.clamp(1, LARGEST_STOCK), LARGEST_STOCK);
        self.stock.store(next, Ordering::Relaxed);
    }

    /// How many jobs a claim should ask for now; 0 while enough are at hand.
    pub(super) fn wanted(&self) -> u32 {
        let stock = self.stock.load(Ordering::Relaxed);
        let free = u32::try_from(self.slots.available_permits()).unwrap_or(u32::MAX);
        let buffered = u32::try_from(self.lock().jobs.len()).unwrap_or(u32::MAX);
        if buffered == 0 && free == 0 && stock <= self.size {
            // Every slot is busy with work that takes its time: others may have the jobs.
            return 0;
        }
        if buffered > stock / 2 {
            return 0;
        }
        (stock - buffered).min(self.size.max(stock / 2)).min(LARGEST_CLAIM)
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
        let (now, count) = (Instant::now(), jobs.len());
        let mut buffer = self.lock();
        buffer.jobs.extend(jobs.into_iter().map(|job| (job, now)));
        if full {
            buffer.full.get_or_insert(Full { jobs: 0, since: now }).jobs += count;
        } else {
            buffer.full = None;
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
    fn a_stock_grows_and_shrinks_to_last_a_tenth_of_a_second() {
        let lane = Lane::new("mail".to_owned(), 10);
        let after = |jobs, lasted| {
            lane.adapt(jobs, Duration::from_millis(lasted));
            lane.stock.load(Ordering::Relaxed)
        };
        assert_eq!(lane.wanted(), 10, "every slot at once");
        assert_eq!(after(10, 0), 160, "at most sixteenfold");
        assert_eq!(lane.wanted(), 80, "half of it, so that these run while others are fetched");
        assert_eq!(after(160, 40), 400);
        assert_eq!(after(400, 40), 1_000);
        assert_eq!(after(1_000, 60), 1_000, "near enough");
        assert_eq!(after(600, 100), 1_000, "near enough");
        assert_eq!(after(800, 1), 2_000, "never more");
        assert_eq!(lane.wanted(), 1_000);
        assert_eq!(after(2_000, 9_000), 1_000, "at most halved");
        for _ in 0..9 {
            after(1, 9_000);
        }
        assert_eq!(lane.wanted(), 10, "the slots are always filled");
    }
}
