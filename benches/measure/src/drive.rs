//! The loops of the cases, the same for all who are measured.

use std::{
    future::Future,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use tokio::sync::mpsc;

use crate::{
    meter::{Measured, Moments, Stopwatch, latencies},
    order::{Handler, Order, Setting, Side, Work},
};

/// The most jobs of one call of a batch interface: what an application would hold in memory.
const PORTION: u64 = 10_000;

/// How often the end of a drain is looked for.
const GLANCE: Duration = Duration::from_millis(1);

/// How long the last jobs of a drain may take to be recorded after the last handler has run.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long an idle worker is left alone before and after it is measured.
pub const REST: Duration = Duration::from_secs(10);

/// How many handlers have run in this process.
static RAN: AtomicU64 = AtomicU64::new(0);

/// Who is told when the job of a number started.
static STARTS: OnceLock<mpsc::UnboundedSender<(u64, u64)>> = OnceLock::new();

/// A job to be enqueued: what its handler gets, all of it as JSON.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Job {
    /// Its number.
    pub order: u64,
    /// What stands in for a customer.
    pub customer: String,
    /// What makes it as long as was asked for.
    pub note: String,
}

/// What every handler calls first.
pub fn ran(order: u64, customer: &str, note: &str) {
    if let Some(starts) = STARTS.get() {
        let _ = starts.send((order, Moments::now()));
    }
    // The arguments are used, so that decoding them is not left out.
    std::hint::black_box((customer, note));
    RAN.fetch_add(1, Ordering::Relaxed);
}

/// Where and how jobs are enqueued for a later case.
#[derive(Debug, Clone, Copy)]
pub struct Filling {
    /// Into a queue that the worker does not serve.
    pub elsewhere: bool,
    /// Due only in an hour.
    pub later: bool,
    /// What they do.
    pub handler: Handler,
}

impl Filling {
    /// Jobs that do nothing, at once, in the queue of the worker.
    pub const PLAIN: Self = Self { elsewhere: false, later: false, handler: Handler::Nothing };
}

/// One that is measured.
pub trait Contestant: Send + Sync + 'static {
    /// A worker that runs until it is stopped.
    type Worker: Send + Sync;

    /// Enqueues one job; durable when it returns.
    fn enqueue(&self, job: Job) -> impl Future<Output = Result<()>> + Send;

    /// Enqueues one job in a transaction of the caller's, which writes a row of `bench_orders` too;
    /// durable when it returns.
    fn enqueue_in_transaction(&self, job: Job) -> impl Future<Output = Result<()>> + Send {
        let _ = job;
        async { bail!("it does not enqueue in the caller's transaction") }
    }

    /// Enqueues jobs by the batch interface; durable when it returns.
    fn enqueue_many(
        &self,
        jobs: Vec<Job>,
        filling: Filling,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Starts a worker whose handlers call [`ran`].
    fn start(&self, setting: Setting) -> impl Future<Output = Result<Self::Worker>> + Send;

    /// Whether each of so many jobs is recorded as finished, by its own word or the database's.
    /// Asked when all handlers have run.
    fn is_drained(
        &self,
        worker: &Self::Worker,
        jobs: u64,
    ) -> impl Future<Output = Result<bool>> + Send;

    /// Waits until no process has work any more, and tells how many jobs this one has finished.
    fn drain_with_others(&self, worker: &Self::Worker) -> impl Future<Output = Result<u64>> + Send {
        let _ = worker;
        async { bail!("several processes are measured of taskx only") }
    }

    /// Stops the worker.
    fn stop(&self, worker: Self::Worker) -> impl Future<Output = Result<()>> + Send;
}

/// Jobs whose JSON is about so many bytes long.
#[derive(Debug, Clone)]
struct Jobs {
    note: String,
}

/// A job's JSON without its note.
const WITHOUT_NOTE: usize = 70;

impl Jobs {
    fn of_bytes(bytes: usize) -> Self {
        Self { note: "x".repeat(bytes.saturating_sub(WITHOUT_NOTE)) }
    }

    fn get(&self, order: u64) -> Job {
        let customer = format!("customer-{order:07}@example.com");
        Job { order, customer, note: self.note.clone() }
    }
}

/// A job's JSON, as plain SQL stores it.
#[must_use]
pub fn json(order: u64, payload: usize) -> String {
    serde_json::to_string(&Jobs::of_bytes(payload).get(order)).unwrap_or_default()
}

/// Does what is asked.
///
/// # Errors
/// The contestant's; jobs that were left or ran more than once.
pub async fn run<C: Contestant>(contestant: Arc<C>, order: &Order) -> Result<Measured> {
    let jobs = Jobs::of_bytes(order.payload);
    match order.work {
        Work::Prepare => Ok(Measured::default()),
        Work::OneByOne { jobs: count } => one_by_one(&*contestant, &jobs, count).await,
        Work::Callers { jobs: count, callers } => {
            from_callers(&contestant, &jobs, count, callers).await
        }
        Work::Portions { jobs: count, callers, each } => {
            portions(&contestant, &jobs, count, callers, each).await
        }
        Work::InTransaction { jobs: count } => in_transaction(&*contestant, &jobs, count).await,
        Work::Bulk { jobs: count } => bulk(&*contestant, &jobs, count, Filling::PLAIN).await,
        Work::Fill { jobs: count, elsewhere, later, handler } => {
            bulk(&*contestant, &jobs, count, Filling { elsewhere, later, handler }).await
        }
        Work::Drain { jobs, setting, at_most, shared: false } => {
            drain(&*contestant, jobs, setting, at_most).await
        }
        Work::Drain { setting, shared: true, .. } => {
            let watch = Stopwatch::start();
            let worker = contestant.start(setting).await?;
            let done = contestant.drain_with_others(&worker).await?;
            let measured = watch.stop(done);
            contestant.stop(worker).await?;
            Ok(measured)
        }
        Work::Latency { jobs: count, side } => latency(&*contestant, &jobs, count, side).await,
        Work::Idle { lasts } => idle(&*contestant, lasts).await,
    }
}

async fn one_by_one<C: Contestant>(contestant: &C, jobs: &Jobs, count: u64) -> Result<Measured> {
    let watch = Stopwatch::start();
    for order in 0..count {
        contestant.enqueue(jobs.get(order)).await?;
    }
    Ok(watch.stop(count))
}

async fn from_callers<C: Contestant>(
    contestant: &Arc<C>,
    jobs: &Jobs,
    count: u64,
    callers: u64,
) -> Result<Measured> {
    let watch = Stopwatch::start();
    let mut tasks = Vec::new();
    for caller in 0..callers {
        let (contestant, jobs) = (Arc::clone(contestant), jobs.clone());
        tasks.push(tokio::spawn(async move {
            for order in (caller..count).step_by(usize::try_from(callers)?) {
                contestant.enqueue(jobs.get(order)).await?;
            }
            anyhow::Ok(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(watch.stop(count))
}

async fn portions<C: Contestant>(
    contestant: &Arc<C>,
    jobs: &Jobs,
    count: u64,
    callers: u64,
    each: u64,
) -> Result<Measured> {
    let watch = Stopwatch::start();
    let mut tasks = Vec::new();
    for caller in 0..callers {
        let (contestant, jobs) = (Arc::clone(contestant), jobs.clone());
        tasks.push(tokio::spawn(async move {
            for first in (caller * each..count).step_by(usize::try_from(callers * each)?) {
                let portion = first..count.min(first + each);
                let portion = portion.map(|order| jobs.get(order)).collect();
                contestant.enqueue_many(portion, Filling::PLAIN).await?;
            }
            anyhow::Ok(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(watch.stop(count))
}

async fn in_transaction<C: Contestant>(
    contestant: &C,
    jobs: &Jobs,
    count: u64,
) -> Result<Measured> {
    // The first opens the connection and makes the table.
    contestant.enqueue_in_transaction(jobs.get(0)).await?;
    let watch = Stopwatch::start();
    for order in 1..=count {
        contestant.enqueue_in_transaction(jobs.get(order)).await?;
    }
    Ok(watch.stop(count))
}

async fn bulk<C: Contestant>(
    contestant: &C,
    jobs: &Jobs,
    count: u64,
    filling: Filling,
) -> Result<Measured> {
    let watch = Stopwatch::start();
    let mut next = 0;
    while next < count {
        let end = count.min(next + PORTION);
        contestant
            .enqueue_many((next..end).map(|order| jobs.get(order)).collect(), filling)
            .await?;
        next = end;
    }
    Ok(watch.stop(count))
}

async fn drain<C: Contestant>(
    contestant: &C,
    jobs: u64,
    setting: Setting,
    at_most: Option<Duration>,
) -> Result<Measured> {
    let watch = Stopwatch::start();
    let worker = contestant.start(setting).await?;
    let ran = || RAN.load(Ordering::Relaxed);
    while ran() < jobs && at_most.is_none_or(|most| watch.elapsed() < most) {
        tokio::time::sleep(GLANCE).await;
    }
    let done = ran().min(jobs);
    let last = watch.elapsed();
    if done == jobs {
        while !contestant.is_drained(&worker, jobs).await? {
            ensure!(watch.elapsed() - last < PATIENCE, "finished jobs are not recorded");
            tokio::time::sleep(GLANCE).await;
        }
    }
    let measured = watch.stop(done);
    contestant.stop(worker).await?;
    // A figure of jobs that ran twice would mean nothing.
    ensure!(at_most.is_some() || ran() == jobs, "{} runs of {jobs} jobs", ran());
    Ok(measured)
}

async fn latency<C: Contestant>(
    contestant: &C,
    jobs: &Jobs,
    count: u64,
    side: Side,
) -> Result<Measured> {
    let (sender, mut starts) = mpsc::unbounded_channel();
    ensure!(STARTS.set(sender).is_ok(), "two cases in one process");
    let worker = match side {
        Side::Both | Side::Worker => {
            Some(contestant.start(Setting::Default { concurrency: 10 }).await?)
        }
        Side::Caller => None,
    };
    // What the start of the worker set in motion comes to rest.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let watch = Stopwatch::start();
    let mut moments = vec![Moments::default(); usize::try_from(count)?];
    for order in 0..count {
        if side != Side::Worker {
            let job = jobs.get(order);
            let called = Moments::now();
            contestant.enqueue(job).await?;
            let returned = Moments::now();
            note_down(&mut moments, order, |m| (m.called, m.returned) = (called, returned))?;
        }
        match side {
            Side::Caller => pause(order).await,
            Side::Both | Side::Worker => {
                let (order, started) = next(&mut starts).await?;
                note_down(&mut moments, order, |m| m.started = started)?;
            }
        }
    }
    let mut measured = watch.stop(count);
    (measured.after_return, measured.after_call) = latencies(&moments);
    measured.moments = if side == Side::Both { Vec::new() } else { moments };
    if let Some(worker) = worker {
        contestant.stop(worker).await?;
    }
    Ok(measured)
}

fn note_down(moments: &mut [Moments], order: u64, note: impl FnOnce(&mut Moments)) -> Result<()> {
    let moments = moments.get_mut(usize::try_from(order)?);
    note(moments.context("a job of no number of ours")?);
    Ok(())
}

async fn next(starts: &mut mpsc::UnboundedReceiver<(u64, u64)>) -> Result<(u64, u64)> {
    let waited = tokio::time::timeout(Duration::from_secs(30), starts.recv()).await;
    waited.context("a job did not start")?.context("no more starts")
}

/// Between two jobs of another process's worker: long enough for it to be idle again, and uneven,
/// so that no poll keeps step.
async fn pause(order: u64) {
    let micros = 20_000 + (order * 7_919) % 10_000;
    tokio::time::sleep(Duration::from_micros(micros)).await;
}

async fn idle<C: Contestant>(contestant: &C, lasts: Duration) -> Result<Measured> {
    let worker = contestant.start(Setting::Default { concurrency: 10 }).await?;
    tokio::time::sleep(REST).await;
    let watch = Stopwatch::start();
    tokio::time::sleep(lasts).await;
    let measured = watch.stop(0);
    // Whoever looks at the server meanwhile began a little later.
    tokio::time::sleep(REST).await;
    contestant.stop(worker).await?;
    Ok(measured)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_is_about_as_long_as_asked_for() {
        for bytes in [100, 4_096] {
            let length = json(12_345, bytes).len();
            assert!(length.abs_diff(bytes) <= 5, "{length} bytes and not {bytes}");
        }
    }
}
