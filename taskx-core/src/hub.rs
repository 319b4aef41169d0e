//! In-process signals: jobs that may be there for a worker, jobs that somebody waits for.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::{sync::Notify, time::Instant};

use crate::job::{JobId, NewJob, WorkerId};

/// A worker of this process that may hold jobs from their insert on.
pub(crate) trait Host: Send + Sync {
    /// Keeps room for these jobs, if the worker serves them and has nothing else to do; answers the
    /// row that shall hold them.
    fn reserve(&self, jobs: &[NewJob]) -> Option<WorkerId>;
    /// They are stored and held, since this time by the database's clock: runs them.
    fn take_in(&self, owner: WorkerId, jobs: Vec<NewJob>, since: DateTime<Utc>);
    /// So many jobs are not held: the room is free again.
    fn leave(&self, owner: WorkerId, jobs: usize);
    /// Nobody knows whether so many jobs are held. Nothing more may be claimed under the row.
    fn lose(&self, owner: WorkerId, jobs: usize);
}

/// Room in a worker for jobs that are about to be stored. Where it is dropped, nobody knows whether
/// they are.
pub(crate) struct Place {
    host: Option<Arc<dyn Host>>,
    owner: WorkerId,
    jobs: usize,
}

impl Place {
    /// The worker row that shall hold them.
    pub(crate) fn owner(&self) -> WorkerId {
        self.owner
    }

    /// They are stored and held since this time.
    pub(crate) fn fill(mut self, jobs: Vec<NewJob>, since: DateTime<Utc>) {
        if let Some(host) = self.host.take() {
            host.take_in(self.owner, jobs, since);
        }
    }

    /// They are not held.
    pub(crate) fn leave(mut self) {
        if let Some(host) = self.host.take() {
            host.leave(self.owner, self.jobs);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(host) = self.host.take() {
            host.lose(self.owner, self.jobs);
        }
    }
}

/// Where the signals of one App meet.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    workers: Mutex<Vec<Weak<Signal>>>,
    hosts: Mutex<Vec<Weak<dyn Host>>>,
    waiters: Mutex<HashMap<JobId, Arc<Notify>>>,
    /// Spares the lock above while nobody waits, which is nearly always.
    waiting: AtomicUsize,
    /// When a job of this process falls due, as far as known.
    due: Mutex<Option<Instant>>,
    /// Rings when `due` became earlier.
    pub(crate) due_changed: Notify,
    /// Rings when this process changed a schedule.
    pub(crate) schedules_changed: Notify,
    /// Queues that are probed, each since when.
    probed: Mutex<HashMap<String, Instant>>,
}

/// When a probed queue is looked at after the insert, while its commit may come any time: at once
/// fine, then every 50 ms.
const PROBES: [Duration; 3] =
    [Duration::from_millis(1), Duration::from_millis(5), Duration::from_millis(20)];
const PROBE_EVERY: Duration = Duration::from_millis(50);
const PROBED_FOR: Duration = Duration::from_secs(2);

impl Hub {
    /// A signal for a worker that serves `queues`.
    pub(crate) fn subscribe(&self, queues: impl IntoIterator<Item = String>) -> Arc<Signal> {
        let signal = Arc::new(Signal::new(queues.into_iter().collect()));
        let mut workers = lock(&self.workers);
        workers.retain(|worker| worker.strong_count() > 0);
        workers.push(Arc::downgrade(&signal));
        signal
    }

    /// Offers new jobs to a worker from now on.
    pub(crate) fn offer_to(&self, host: &Arc<dyn Host>) {
        let mut hosts = lock(&self.hosts);
        hosts.retain(|host| host.strong_count() > 0);
        hosts.push(Arc::downgrade(host));
    }

    /// Room for these jobs in a worker of this process.
    pub(crate) fn reserve(&self, jobs: &[NewJob]) -> Option<Place> {
        // Taken out of the lock: the last handle of a worker may be dropped here.
        let hosts: Vec<_> = lock(&self.hosts).iter().filter_map(Weak::upgrade).collect();
        hosts.into_iter().find_map(|host| {
            let owner = host.reserve(jobs)?;
            Some(Place { host: Some(host), owner, jobs: jobs.len() })
        })
    }

    /// Something may be available in `queue`.
    pub(crate) fn wake(&self, queue: &str) {
        for signal in self.signals() {
            signal.mark(queue);
        }
    }

    /// Jobs that had been claimed are available again in `queue`.
    pub(crate) fn bring_back(&self, queue: &str) {
        for signal in self.signals() {
            signal.returned.store(true, Ordering::Release);
            signal.mark(queue);
        }
    }

    /// Something may be available anywhere.
    pub(crate) fn wake_all(&self) {
        for signal in self.signals() {
            signal.mark_all();
        }
    }

    /// Begins to probe a queue, or begins anew; whether nobody was probing it, so that the caller
    /// has to run [`probe`](Self::probe).
    pub(crate) fn begin_probe(&self, queue: &str) -> bool {
        lock(&self.probed).insert(queue.to_owned(), Instant::now()).is_none()
    }

    /// Looks into a queue repeatedly until 2 s after the last [`begin_probe`](Self::begin_probe):
    /// the commit of a caller's own transaction cannot be observed.
    pub(crate) async fn probe(&self, queue: String) {
        loop {
            let since = {
                let mut probed = lock(&self.probed);
                match probed.get(&queue).copied() {
                    Some(since) if since.elapsed() < PROBED_FOR => since,
                    _ => {
                        probed.remove(&queue);
                        return;
                    }
                }
            };
            let age = since.elapsed();
            let pause = PROBES.into_iter().find(|step| age < *step).unwrap_or(PROBE_EVERY);
            tokio::time::sleep(pause).await;
            self.wake(&queue);
        }
    }

    /// A job falls due after `delay`: the promoter shall look then. A time that is past was told to a
    /// promoter that has ended, or is about to look.
    pub(crate) fn due_in(&self, delay: Duration) {
        let now = Instant::now();
        let Some(at) = now.checked_add(delay) else { return };
        let mut due = lock(&self.due);
        if due.is_none_or(|earlier| at < earlier || earlier < now) {
            *due = Some(at);
            drop(due);
            self.due_changed.notify_one();
        }
    }

    /// When the next known job falls due.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        *lock(&self.due)
    }

    /// Forgets what is known to be due; to be done before the promoter looks.
    pub(crate) fn clear_due(&self) {
        *lock(&self.due) = None;
    }

    /// A job's cancellation was asked for.
    pub(crate) fn cancel(&self, id: JobId) {
        for signal in self.signals() {
            lock(&signal.cancelled).push(id);
            signal.cancels.notify_one();
        }
    }

    /// A job's state has changed.
    pub(crate) fn changed(&self, id: JobId) {
        if self.waiting.load(Ordering::Acquire) == 0 {
            return;
        }
        if let Some(waiter) = lock(&self.waiters).get(&id) {
            waiter.notify_waiters();
        }
    }

    /// What tells when a worker of this App changes the state of the job of this id. Keep it while waiting.
    pub(crate) fn wait_for(self: &Arc<Self>, id: JobId) -> Waiter {
        let notify = Arc::clone(lock(&self.waiters).entry(id).or_default());
        self.waiting.fetch_add(1, Ordering::AcqRel);
        Waiter { hub: Arc::clone(self), id, notify }
    }

    fn signals(&self) -> Vec<Arc<Signal>> {
        lock(&self.workers).iter().filter_map(Weak::upgrade).collect()
    }
}

/// One who waits for a job.
#[derive(Debug)]
pub(crate) struct Waiter {
    hub: Arc<Hub>,
    id: JobId,
    notify: Arc<Notify>,
}

impl Waiter {
    /// The signal; armed from now on, though it is polled later.
    pub(crate) fn armed(&self) -> tokio::sync::futures::Notified<'_> {
        self.notify.notified()
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.hub.waiting.fetch_sub(1, Ordering::AcqRel);
        let mut waiters = lock(&self.hub.waiters);
        // This one and the map's own hold it: nobody else waits.
        if Arc::strong_count(&self.notify) == 2 {
            waiters.remove(&self.id);
        }
    }
}

/// What wakes one worker.
#[derive(Debug)]
pub(crate) struct Signal {
    queues: BTreeSet<String>,
    dirty: Mutex<BTreeSet<String>>,
    /// Rings when a queue was marked, and when slots became free.
    pub(crate) work: Notify,
    /// Whether old jobs came back: they stand before what was claimed last.
    returned: AtomicBool,
    cancelled: Mutex<Vec<JobId>>,
    /// Rings when a cancellation was asked for.
    pub(crate) cancels: Notify,
}

impl Signal {
    fn new(queues: BTreeSet<String>) -> Self {
        Self {
            dirty: Mutex::new(queues.clone()),
            queues,
            work: Notify::new(),
            returned: AtomicBool::new(false),
            cancelled: Mutex::default(),
            cancels: Notify::new(),
        }
    }

    /// Marks a queue to be looked at, if the worker serves it.
    pub(crate) fn mark(&self, queue: &str) {
        if self.queues.contains(queue) {
            lock(&self.dirty).insert(queue.to_owned());
            self.work.notify_one();
        }
    }

    /// Marks every queue of the worker.
    pub(crate) fn mark_all(&self) {
        lock(&self.dirty).clone_from(&self.queues);
        self.work.notify_one();
    }

    /// Whether the queue is marked.
    pub(crate) fn is_marked(&self, queue: &str) -> bool {
        lock(&self.dirty).contains(queue)
    }

    /// Takes the mark off a queue; to be done before the claim, so that none is lost.
    pub(crate) fn unmark(&self, queue: &str) {
        lock(&self.dirty).remove(queue);
    }

    /// Whether old jobs came back since the last call; to be asked before the claim.
    pub(crate) fn take_returned(&self) -> bool {
        self.returned.swap(false, Ordering::AcqRel)
    }

    /// The cancellations asked for since the last call.
    pub(crate) fn take_cancelled(&self) -> Vec<JobId> {
        std::mem::take(&mut lock(&self.cancelled))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The promoter that was told of it may have ended with its worker.
    #[tokio::test]
    async fn a_time_that_is_past_silences_no_later_one() {
        let hub = Hub::default();
        hub.due_in(Duration::ZERO);
        hub.due_changed.notified().await;
        tokio::time::sleep(Duration::from_millis(2)).await;
        hub.due_in(Duration::from_secs(60));
        hub.due_changed.notified().await;
        assert!(hub.next_due().is_some_and(|due| due > Instant::now()));
        hub.due_in(Duration::from_secs(70));
        let rung =
            tokio::time::timeout(Duration::from_millis(20), hub.due_changed.notified()).await;
        assert!(rung.is_err(), "an earlier time is known");
    }
}
