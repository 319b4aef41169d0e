//! The heartbeat: a thread of its own, so that neither a busy I/O thread nor a blocked runtime can
//! keep a lease from being renewed. Renews, writes progress, hears of cancellations; beside it, and
//! never in its way, the thread rescues ([`super::rescue`]).

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use super::{claim::Trouble, haste::TO_RETIRE, rescue::Rescuer, shared::Shared};
use crate::{
    error::{Error, ErrorKind, Result},
    event::Event,
    job::{JobId, WorkerId},
    store::Renewal,
};

/// How often the heartbeat looks around.
pub(super) const TICK: Duration = Duration::from_secs(1);

/// A runtime that gives no answer for so long counts as hung: the worker lets its lease run out.
const HUNG_AFTER: Duration = Duration::from_secs(60);

/// What is past its timeout by so much is shown as stuck.
const STUCK_AFTER: Duration = Duration::from_secs(5);

/// The thread.
#[derive(Debug)]
pub(super) struct Heartbeat {
    stop: CancellationToken,
    ended: tokio::sync::oneshot::Receiver<()>,
}

impl Heartbeat {
    /// Registers the worker and starts the thread.
    ///
    /// # Errors
    /// Those of the first registration: a database that is away at start is told at once.
    pub(super) async fn start(shared: Arc<Shared>) -> Result<Self> {
        let registering = Arc::clone(&shared);
        shared
            .queue
            .on_io(async move { registering.register(registering.owner()).await })
            .await
            .map_err(|e| e.context("register the worker"))?;
        let failed = |e| Error::new(ErrorKind::Config, "start the heartbeat thread").with_source(e);
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let stop = CancellationToken::new();
        let (ending, ended) = tokio::sync::oneshot::channel();
        let stopped = stop.clone();
        thread::Builder::new()
            .name("taskx-heartbeat".to_owned())
            .spawn(move || {
                runtime.block_on(beat_and_rescue(shared, stopped));
                runtime.shutdown_background();
                let _ = ending.send(());
            })
            .map_err(failed)?;
        Ok(Self { stop, ended })
    }

    /// Ends the thread; the worker's rows are retired by it.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        let _ = self.ended.await;
    }
}

/// All that the thread does: both loops, and at their end the worker's rows are retired.
async fn beat_and_rescue(shared: Arc<Shared>, stop: CancellationToken) {
    let mut beat = Beat::new(Arc::clone(&shared));
    let mut rescuer = Rescuer::new(Arc::clone(&shared));
    tokio::select! {
        () = stop.cancelled() => {}
        () = beat.run() => {}
        () = rescuer.run() => {}
    }
    tokio::select! {
        biased;
        () = retire_all(&shared) => {}
        () = shared.past_writing(TO_RETIRE) => {}
    }
}

/// The orderly end: what the rows still hold is given back.
async fn retire_all(shared: &Shared) {
    for owner in shared.owners() {
        let mut trouble = Trouble::default();
        while let Err(error) = shared.store.retire(owner).await {
            shared.trouble("retire the worker", &error);
            tokio::time::sleep(trouble.pause()).await;
        }
    }
}

struct Beat {
    shared: Arc<Shared>,
    renewed: Instant,
    stuck: BTreeSet<JobId>,
    answer: Arc<AtomicBool>,
    answered: Instant,
    trouble: Trouble,
}

impl Beat {
    fn new(shared: Arc<Shared>) -> Self {
        let now = Instant::now();
        Self {
            shared,
            renewed: now,
            stuck: BTreeSet::new(),
            answer: Arc::new(AtomicBool::new(true)),
            answered: now,
            trouble: Trouble::default(),
        }
    }

    /// Beats for ever.
    async fn run(&mut self) {
        let shared = Arc::clone(&self.shared);
        loop {
            let pause = match self.beat().await {
                Ok(()) => {
                    self.trouble = Trouble::default();
                    TICK.mul_f64(0.9 + fastrand::f64() * 0.2)
                }
                Err(error) => {
                    shared.trouble("heartbeat", &error);
                    shared.miss_news();
                    self.trouble.pause()
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = shared.signal.cancels.notified() => {}
            }
        }
    }

    /// One look around. Renewal comes first: nothing else matters without it.
    async fn beat(&mut self) -> Result<()> {
        for id in self.shared.signal.take_cancelled() {
            self.cancel(id);
        }
        self.show_stuck();
        if self.runtime_answers() {
            self.renew().await?;
        }
        self.look_around().await?;
        self.retire_empty().await
    }

    /// A running job is asked to stop; one in the buffer is given back, and the store, which knows
    /// of the request, ends it as cancelled.
    fn cancel(&self, id: JobId) {
        self.shared.running.cancel(id);
        for lane in &self.shared.lanes {
            self.shared.give_back(lane.take_job(id).into_iter().collect());
        }
    }

    async fn renew(&mut self) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let progress = shared.running.progress();
        let executing = shared.running.executing();
        let running: Vec<_> = executing.iter().map(|job| job.id).collect();
        // While jobs execute every beat: their list is fresh if the process dies, and a
        // cancellation is heard soon. Else three times in a lease.
        let due = self.renewed.elapsed() + TICK >= shared.config.lease / 3;
        if !due && progress.is_empty() && running.is_empty() {
            return Ok(());
        }
        let workers = shared.owners();
        let renewal =
            Renewal { workers: workers.clone(), lease: shared.config.lease, running, progress };
        let sent = Instant::now();
        let renewed = shared.store.renew(&renewal).await?;
        self.renewed = Instant::now();
        shared.trust.renewed(sent);
        for job in executing {
            job.noted.cancel();
        }
        for id in renewed.cancelled {
            self.cancel(id);
        }
        for lost in workers.into_iter().filter(|id| !renewed.alive.contains(id)) {
            self.lose(lost).await?;
        }
        Ok(())
    }

    /// A row that others have ended: its jobs are stopped, and a fresh row is made.
    async fn lose(&mut self, owner: WorkerId) -> Result<()> {
        let shared = &self.shared;
        tracing::error!(worker = %owner, "the worker's row was ended by others; its jobs are lost");
        if owner == shared.owner() {
            let registering = Arc::clone(shared);
            shared.queue.run_on_io(async move { registering.change_owner().await }).await?;
        }
        let mut lost: Vec<_> =
            shared.running.lose(owner).iter().map(|job| (job.id, job.fence)).collect();
        for lane in &shared.lanes {
            lost.extend(lane.take_of(owner).iter().map(|job| (job.id, job.fence)));
        }
        for (id, fence) in lost {
            shared.queue.events().tell(|| Event::Lost { id, fence });
        }
        shared.forget_owner(owner);
        shared.signal.mark_all();
        Ok(())
    }

    /// At every beat: a lock that was lost with its connection is taken back before others miss it
    /// twice. What a polled engine has to tell comes with the answer.
    async fn look_around(&self) -> Result<()> {
        let shared = &self.shared;
        let current = shared.owner();
        for former in shared.owners().into_iter().filter(|owner| *owner != current) {
            shared.store.hold_presence(former).await?;
        }
        let queues: Vec<_> = shared.lanes.iter().map(|lane| lane.queue.clone()).collect();
        let Some(news) = shared.store.look_around(current, &queues).await? else {
            shared.miss_news();
            return Ok(());
        };
        for queue in &news.waiting {
            shared.signal.mark(queue);
        }
        if let Some(delay) = news.next_due {
            shared.queue.hub().due_in(delay);
        }
        shared.hear(&news);
        Ok(())
    }

    /// Former rows that hold nothing any more go.
    async fn retire_empty(&self) -> Result<()> {
        for owner in self.shared.empty_owners() {
            self.shared.store.retire(owner).await?;
            self.shared.forget_owner(owner);
        }
        Ok(())
    }

    /// Whether the tasks' runtime has answered lately.
    fn runtime_answers(&mut self) -> bool {
        if self.answer.swap(false, Ordering::AcqRel) {
            self.answered = Instant::now();
            let answer = Arc::clone(&self.answer);
            self.shared.runtime.spawn(async move { answer.store(true, Ordering::Release) });
        }
        let hung = self.answered.elapsed() > HUNG_AFTER;
        if hung {
            tracing::error!(
                "the tasks' runtime has not answered for a minute; others may take over"
            );
        }
        !hung
    }

    /// What is long past its timeout is told once, and its slot is given to others.
    fn show_stuck(&mut self) {
        let overdue = self.shared.running.overdue(STUCK_AFTER);
        self.stuck.retain(|id| overdue.iter().any(|job| job.id == *id));
        for job in overdue {
            if self.stuck.insert(job.id) {
                job.give_up_slot();
                tracing::error!(job = %job.id, task = job.def.name, "stuck: past its timeout and does not end");
                self.shared.queue.events().tell(|| Event::Stuck { id: job.id, task: job.def.name });
            }
        }
    }
}
