//! What the loops of one worker share.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{RwLock, mpsc},
};
use tokio_util::sync::CancellationToken;

use super::{
    config::Settings,
    counts::Counters,
    haste::Haste,
    lane::Lane,
    running::{Execution, RunningJobs},
    settle::Ended,
    trust::Trust,
};
use crate::{
    app::App,
    config::Config,
    error::{Result, chain},
    event::Event,
    hub::Signal,
    job::{ClaimedJob, WorkerId},
    layer::Layer,
    outcome::{Outcome, Settlement},
    queue::Queue,
    registry::Registry,
    state::States,
    store::{NewWorker, News, Store},
    task::{Retention, TaskDef},
};

/// What the loops of one worker share.
pub(super) struct Shared {
    pub(super) queue: Queue,
    pub(super) store: Arc<dyn Store>,
    pub(super) config: Config,
    pub(super) registry: Registry,
    pub(super) states: Arc<States>,
    pub(super) layers: Arc<[Arc<dyn Layer>]>,
    pub(super) lanes: Vec<Arc<Lane>>,
    pub(super) signal: Arc<Signal>,
    pub(super) running: RunningJobs,
    pub(super) counters: Counters,
    /// Where async tasks run: the runtime that `start` was called on.
    pub(super) runtime: Handle,
    /// Held for reading by each job and for writing by one that must run alone.
    pub(super) alone: Arc<RwLock<()>>,
    /// No more claims.
    pub(super) stop: CancellationToken,
    /// No more waiting for running jobs.
    pub(super) haste: Haste,
    /// How far the lease may be relied on.
    pub(super) trust: Trust,
    /// The App's name.
    pub(super) app: Option<String>,
    pub(super) service: String,
    pub(super) version: String,
    owners: Mutex<Owners>,
    outcomes: Mutex<Option<mpsc::UnboundedSender<Ended>>>,
    unsettled: AtomicUsize,
    /// What the last look around told: [`UNTOLD`], [`NOTHING`] or [`SOMETHING`].
    news: AtomicU8,
}

/// The engine sends messages, nobody has looked yet, or the look failed.
const UNTOLD: u8 = 0;
/// No queue has available jobs.
const NOTHING: u8 = 1;
/// One has.
const SOMETHING: u8 = 2;

/// The worker's rows: the one that it claims under, and former ones that still hold jobs.
#[derive(Debug)]
struct Owners {
    current: WorkerId,
    /// Whether an answer was lost to jobs that the current one was to hold.
    is_spoiled: bool,
    /// Jobs claimed and not settled yet, by row.
    held: HashMap<WorkerId, usize>,
}

impl Shared {
    pub(super) fn new(
        app: &App,
        settings: &Settings,
        runtime: Handle,
        outcomes: mpsc::UnboundedSender<Ended>,
    ) -> Result<Self> {
        let inner = app.inner();
        let config = settings.config(app)?;
        let registry = Registry::for_worker(
            app.name(),
            &settings.selection,
            &inner.states,
            inner.queue.engine(),
            &config.timezone,
        )?;
        let lanes: Vec<_> = queues(&config, &registry)
            .into_iter()
            .map(|(name, slots)| Arc::new(Lane::new(name, slots)))
            .collect();
        let signal = inner.queue.hub().subscribe(lanes.iter().map(|lane| lane.queue.clone()));
        let current = WorkerId::new();
        let trust = Trust::new(config.lease);
        Ok(Self {
            store: Arc::clone(inner.queue.store()),
            queue: inner.queue.clone(),
            config,
            registry,
            states: Arc::clone(&inner.states),
            layers: inner.layers.iter().chain(&settings.layers).cloned().collect(),
            lanes,
            signal,
            running: RunningJobs::default(),
            counters: Counters::default(),
            runtime,
            alone: Arc::clone(&inner.alone),
            stop: inner.stop.child_token(),
            haste: Haste::default(),
            trust,
            app: app.name().map(ToOwned::to_owned),
            service: inner.service.clone(),
            version: inner.version.clone(),
            owners: Mutex::new(Owners {
                current,
                is_spoiled: false,
                held: HashMap::from([(current, 0)]),
            }),
            outcomes: Mutex::new(Some(outcomes)),
            unsettled: AtomicUsize::new(0),
            news: AtomicU8::new(UNTOLD),
        })
    }

    /// Notes what a look around told.
    pub(super) fn hear(&self, news: &News) {
        let told = if news.waiting.is_empty() { NOTHING } else { SOMETHING };
        self.news.store(told, Ordering::Relaxed);
    }

    /// Notes that a look told nothing: until one does, the other loops look for themselves.
    pub(super) fn miss_news(&self) {
        if self.news.swap(UNTOLD, Ordering::Relaxed) != UNTOLD {
            self.queue.hub().due_in(Duration::ZERO);
        }
    }

    /// Whether the heartbeat hears each second what other processes committed.
    pub(super) fn hears_news(&self) -> bool {
        self.news.load(Ordering::Relaxed) != UNTOLD
    }

    /// Whether it heard that nothing waits in any queue.
    pub(super) fn hears_nothing(&self) -> bool {
        self.news.load(Ordering::Relaxed) == NOTHING
    }

    /// The lane of a queue, if the worker serves it.
    pub(super) fn lane(&self, queue: &str) -> Option<&Arc<Lane>> {
        self.lanes.iter().find(|lane| lane.queue == queue)
    }

    /// The row that the worker claims under.
    pub(super) fn owner(&self) -> WorkerId {
        lock(&self.owners).current
    }

    /// Counts jobs as held by the row that is claimed under; `None` if nothing more may be.
    pub(super) fn hold_current(&self, jobs: usize) -> Option<WorkerId> {
        let mut owners = lock(&self.owners);
        if owners.is_spoiled {
            return None;
        }
        let current = owners.current;
        *owners.held.entry(current).or_default() += jobs;
        Some(current)
    }

    /// Nothing more may be claimed under this row: an answer was lost. The claim loop changes it.
    pub(super) fn spoil(&self, owner: WorkerId) {
        let mut owners = lock(&self.owners);
        if owners.current == owner {
            owners.is_spoiled = true;
            drop(owners);
            self.signal.mark_all();
        }
    }

    /// Whether the row that is claimed under must be changed first.
    pub(super) fn is_spoiled(&self) -> bool {
        lock(&self.owners).is_spoiled
    }

    /// Every row of the worker.
    pub(super) fn owners(&self) -> Vec<WorkerId> {
        lock(&self.owners).held.keys().copied().collect()
    }

    /// Former rows that hold nothing any more.
    pub(super) fn empty_owners(&self) -> Vec<WorkerId> {
        let owners = lock(&self.owners);
        let empty = owners.held.iter().filter(|(id, held)| **id != owners.current && **held == 0);
        empty.map(|(id, _)| *id).collect()
    }

    /// Forgets a row that was retired or lost.
    pub(super) fn forget_owner(&self, owner: WorkerId) {
        lock(&self.owners).held.remove(&owner);
    }

    /// Registers a fresh row and claims under it from now on: after a claim whose answer was lost,
    /// so that no (owner, fence) ever stands for two claims.
    ///
    /// # Errors
    /// Transient ones; the old row stays current then.
    pub(super) async fn change_owner(&self) -> Result<WorkerId> {
        let fresh = WorkerId::new();
        self.register(fresh).await?;
        let mut owners = lock(&self.owners);
        owners.current = fresh;
        owners.is_spoiled = false;
        owners.held.insert(fresh, 0);
        Ok(fresh)
    }

    /// Writes a worker row and holds its presence lock, before anything is claimed under it: what dies
    /// without ever having held one is missed only when its lease ends.
    ///
    /// # Errors
    /// Those of the row. Without the lock the worker goes on; the heartbeat tries again.
    pub(super) async fn register(&self, id: WorkerId) -> Result<()> {
        self.store
            .register(&NewWorker {
                id,
                service: self.service.clone(),
                host: host_name(),
                pid: i32::try_from(std::process::id()).unwrap_or(0),
                version: self.version.clone(),
                lease: self.config.lease,
                tasks: self.registry.rows(&self.service),
            })
            .await?;
        if let Err(error) = self.store.hold_presence(id).await {
            self.trouble("hold the presence lock", &error);
        }
        Ok(())
    }

    /// Counts claimed jobs as held.
    pub(super) fn hold(&self, owner: WorkerId, jobs: usize) {
        *lock(&self.owners).held.entry(owner).or_default() += jobs;
    }

    /// Counts a job as held no more.
    pub(super) fn let_go(&self, owner: WorkerId) {
        if let Some(held) = lock(&self.owners).held.get_mut(&owner) {
            *held = held.saturating_sub(1);
        }
    }

    /// Hands an outcome to the settle loop.
    pub(super) fn settle(&self, ended: impl Into<Ended>) {
        if let Some(outcomes) = &*lock(&self.outcomes) {
            self.unsettled.fetch_add(1, Ordering::AcqRel);
            // The loop ends only after the sender is gone.
            let _ = outcomes.send(ended.into());
        }
    }

    /// No more outcomes will come: the settle loop ends when it has written those it has.
    pub(super) fn close_settling(&self) {
        lock(&self.outcomes).take();
    }

    /// Outcomes handed over and not yet written.
    pub(super) fn unsettled(&self) -> usize {
        self.unsettled.load(Ordering::Acquire)
    }

    pub(super) fn settled(&self, count: usize) {
        self.unsettled.fetch_sub(count, Ordering::AcqRel);
    }

    /// Whether this process has nothing at hand.
    pub(super) fn is_idle(&self) -> bool {
        self.unsettled() == 0 && lock(&self.owners).held.values().all(|held| *held == 0)
    }

    /// Waits until a last write is worth no more tries: `haste` after a second signal, or when the
    /// worker stops and its lease is over, so that others may hold its jobs.
    pub(super) async fn past_writing(&self, haste: Duration) {
        tokio::select! {
            () = self.haste.passed(haste) => {}
            () = async {
                self.stop.cancelled().await;
                self.trust.is_over().await;
            } => {}
        }
    }

    /// Gives a job back that was taken in.
    pub(super) fn release(&self, execution: &Execution) {
        let retention = self.retention(execution.def, &Outcome::Released);
        self.settle(execution.released(retention));
    }

    /// Gives unstarted jobs back.
    pub(super) fn give_back(&self, jobs: Vec<ClaimedJob>) {
        for job in jobs {
            let kept = Some(self.config.retention);
            let def = self.registry.find(&job.task);
            // Of use where its cancellation was asked for meanwhile: then it ends.
            let retention = def.map_or(kept, |def| self.retention(def, &Outcome::Released));
            self.settle(Settlement {
                id: job.id,
                owner: job.owner,
                fence: job.fence,
                attempt: job.attempt,
                outcome: Outcome::Released,
                retention,
            });
        }
    }

    /// How long a job of this task is kept when it ends like this.
    pub(super) fn retention(&self, def: &TaskDef, outcome: &Outcome) -> Option<Duration> {
        let dead = matches!(outcome, Outcome::Discarded { .. } | Outcome::Quarantined { .. });
        match def.options.retention {
            Retention::For(kept) => Some(kept),
            Retention::None if !dead => None,
            Retention::App | Retention::None => {
                Some(if dead { self.config.dead_retention } else { self.config.retention })
            }
        }
    }

    /// Says that a loop met an error and goes on.
    pub(super) fn trouble(&self, during: &'static str, error: &crate::error::Error) {
        tracing::warn!(worker = %self.owner(), error = %chain(error), "{during}: going on");
        self.queue.events().tell(|| Event::Trouble { during, error: chain(error) });
    }
}

/// The queues to serve with their slots: those of the settings, else those of the tasks.
fn queues(config: &Config, registry: &Registry) -> Vec<(String, usize)> {
    if config.queues.is_empty() {
        registry.queues().into_iter().map(|name| (name, config.concurrency)).collect()
    } else {
        config.queues.iter().map(|(name, slots)| (name.clone(), *slots)).collect()
    }
}

/// The host's name, for people only.
fn host_name() -> String {
    std::env::var("HOSTNAME")
        .ok()
        .or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok())
        .map_or_else(|| "localhost".to_owned(), |name| name.trim().to_owned())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
