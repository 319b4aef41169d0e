//! The handle of an App's queue: enqueue into it, look at it, operate it.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::{mpsc, oneshot};

use crate::{
    apply::Apply,
    apply_many::ApplyMany,
    current,
    enqueue::{Inserter, Reply, Request, Turn},
    error::{Error, ErrorKind, Result},
    event::Events,
    hub::Hub,
    inspect::{
        Actor, AttemptInfo, Cancelled, DatabaseInfo, Inspect, JobFilter, Page, QueueInfo,
        StateCount, TaskInfo, WorkerInfo,
    },
    io::{IoThread, Lent},
    job::{Job, JobId, JobState, NewJob, check_name, check_payload},
    schedule::{ScheduleInfo, ScheduleRow},
    schedules::Schedules,
    store::{Engine, Inserted, Pruned, Store},
    task::Task,
};

/// A handle to the queue of an App: cheap to clone, usable from any thread and runtime.
///
/// Every verb of [`Inspect`] works on it (bring the trait into scope for the rarer ones).
#[derive(Clone)]
pub struct Queue(Arc<QueueInner>);

pub(crate) struct QueueInner {
    /// Owned here; stopped when the last handle is gone or the App is shut down.
    io: IoThread,
    requests: mpsc::UnboundedSender<Request>,
    inserter: Inserter,
    payload_limit: usize,
    open: AtomicBool,
}

impl Queue {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        io: IoThread,
        events: Events,
        payload_limit: usize,
    ) -> Self {
        let inserter = Inserter { store, hub: Arc::default(), events, turns: Arc::default() };
        let (requests, waiting) = mpsc::unbounded_channel();
        io.handle().spawn(inserter.clone().group_commit(waiting));
        let queue = Self(Arc::new(QueueInner {
            io,
            requests,
            inserter,
            payload_limit,
            open: AtomicBool::new(true),
        }));
        current::enter(&queue);
        queue
    }

    /// The database behind it.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.0.inserter.store.engine()
    }

    /// Many jobs to be, stored in one transaction: all or none, any number. Each item is an
    /// [`Apply`] or plain arguments. Nothing is stored until one of [`ApplyMany`]'s finishers.
    pub fn apply_many<T, A>(&self, jobs: impl IntoIterator<Item = A>) -> ApplyMany<T>
    where
        T: Task,
        A: Into<Apply<T>>,
    {
        ApplyMany::new(self.clone(), jobs)
    }

    /// The schedules: list, add, pause, resume, remove, run now.
    #[must_use]
    pub fn schedules(&self) -> Schedules<'_> {
        Schedules::new(self)
    }

    /// Stores checked jobs in one transaction, on the I/O thread.
    pub(crate) fn store_all(
        &self,
        jobs: Vec<NewJob>,
    ) -> Result<oneshot::Receiver<Result<Vec<Inserted>>>> {
        current::check_may_write(self)?;
        let inserter = self.0.inserter.clone();
        Ok(self.io()?.run(async move { inserter.insert(jobs).await.map_err(|(error, _)| error) }))
    }

    /// Enqueues a job of a task that is not linked into this program, by its wire name: what the
    /// command line, the dashboard and tests do.
    ///
    /// # Errors
    /// `Payload` over the limit; `Config` for a name that is empty or too long; transient ones.
    pub async fn insert(&self, job: NewJob) -> Result<JobId> {
        check_payload(format_args!("`{}`", job.task), &job.payload, self.0.payload_limit)?;
        check_name("queue", &job.queue)?;
        check_name("task", &job.task)?;
        let tags = job.extras.iter().flat_map(|extras| &extras.tags);
        tags.into_iter().try_for_each(|tag| check_name("tag", tag))?;
        let id = job.id;
        self.submit(job)?.await?;
        Ok(id)
    }

    /// Runs a future in which this queue is the current one: `.apply(..).await` goes here.
    pub fn scope<F: Future>(&self, future: F) -> impl Future<Output = F::Output> {
        current::scope(self.clone(), future)
    }

    /// Runs sync code in which this queue is the current one.
    pub fn scope_blocking<R>(&self, body: impl FnOnce() -> R) -> R {
        current::scope_sync(self, body)
    }

    /// The job of this id, live or finished.
    ///
    /// # Errors
    /// Transient ones.
    pub async fn find(&self, id: JobId) -> Result<Option<Job>> {
        Inspect::find(self, id).await
    }

    /// Waits until the job of this id has ended, at most `limit`, and gives it as it stands then.
    ///
    /// # Errors
    /// `Timeout` if it has not ended in time, `NotFound` if there is no such job; transient ones.
    pub async fn wait_finished(&self, id: JobId, limit: Duration) -> Result<Job> {
        self.wait_until(id, limit, JobState::is_finished).await
    }

    /// Waits until the job of this id is in a state that fits, at most `limit`.
    pub(crate) async fn wait_until(
        &self,
        id: JobId,
        limit: Duration,
        fits: impl Fn(JobState) -> bool,
    ) -> Result<Job> {
        let started = Instant::now();
        let waiter = self.hub().wait_for(id);
        // A worker of this process rings; one elsewhere is found by looking, ever more rarely.
        let mut pause = Duration::from_millis(5);
        loop {
            // Armed before the look, so that a change in between is not missed.
            let rung = waiter.armed();
            let job = self.find(id).await?.ok_or_else(|| {
                Error::new(ErrorKind::NotFound, format!("wait for job {id}: there is no such job"))
            })?;
            if fits(job.state) {
                return Ok(job);
            }
            if started.elapsed() >= limit {
                return Err(Error::new(
                    ErrorKind::Timeout,
                    format!("wait for job {id}: it is {} after {limit:?}", job.state),
                ));
            }
            let left = limit.saturating_sub(started.elapsed()).max(Duration::from_millis(1));
            tokio::select! {
                () = rung => {}
                () = self.sleep(pause.min(left)) => {}
            }
            pause = (pause * 2).min(Duration::from_millis(250));
        }
    }

    /// Whether a job that fits `filter` is of one of these tasks.
    pub(crate) async fn any_of(&self, tasks: Vec<String>, filter: &JobFilter) -> Result<bool> {
        if tasks.is_empty() {
            return Ok(false);
        }
        let filter = JobFilter { tasks, ..filter.clone() };
        Ok(!self.ids(&filter, Page { before: None, limit: 1 }).await?.is_empty())
    }

    /// Looks for jobs of a queue soon and repeatedly for 2 s: a caller's own transaction may
    /// commit any time now, and nothing tells when.
    #[doc(hidden)]
    pub fn probe(&self, queue: &str) {
        if self.hub().begin_probe(queue)
            && let Ok(io) = self.io()
        {
            let (hub, queue) = (Arc::clone(self.hub()), queue.to_owned());
            io.handle().spawn(async move { hub.probe(queue).await });
        }
    }

    /// Wakes the workers of this process: something may have been committed.
    #[doc(hidden)]
    pub fn wake(&self) {
        self.hub().wake_all();
    }

    /// Every queue that is live in this process.
    #[doc(hidden)]
    #[must_use]
    pub fn live() -> Vec<Self> {
        current::live()
    }

    /// The most bytes of a job's arguments.
    #[must_use]
    pub fn payload_limit(&self) -> usize {
        self.0.payload_limit
    }

    /// The store behind it, for tests and tools. Its calls must run where its connections live:
    /// on the App's I/O thread.
    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.0.inserter.store
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.0.inserter.hub
    }

    pub(crate) fn events(&self) -> &Events {
        &self.0.inserter.events
    }

    /// The I/O thread, unless the App was shut down.
    pub(crate) fn io(&self) -> Result<&IoThread> {
        if self.0.open.load(Ordering::Acquire) { Ok(&self.0.io) } else { Err(closed()) }
    }

    pub(crate) fn close(&self) {
        self.0.open.store(false, Ordering::Release);
    }

    /// Whether both are handles of one queue.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn downgrade(&self) -> Weak<QueueInner> {
        Arc::downgrade(&self.0)
    }

    pub(crate) fn if_open(inner: Arc<QueueInner>) -> Option<Self> {
        inner.open.load(Ordering::Acquire).then_some(Self(inner))
    }

    /// Hands a job to the group commit; that of a lone caller goes the shortest way.
    pub(crate) fn submit(&self, job: NewJob) -> Result<Submitted> {
        let io = self.io()?;
        current::check_may_write(self)?;
        let inserter = &self.0.inserter;
        let turn = inserter.turns.take();
        if turn.is_lone && inserter.store.may_insert_here() {
            return Ok(Submitted::Lone(io.lend(inserter.clone().insert_lone(job, turn))));
        }
        self.hand_over(job, turn).map(Submitted::InGroup)
    }

    /// [`submit`](Self::submit) for a caller that blocks its thread, which may be the one that would have
    /// to drive a connection: always by the I/O thread.
    pub(crate) fn submit_blocking(
        &self,
        job: NewJob,
    ) -> Result<oneshot::Receiver<Result<Inserted>>> {
        self.io()?;
        current::check_may_write(self)?;
        self.hand_over(job, self.0.inserter.turns.take())
    }

    fn hand_over(&self, job: NewJob, turn: Turn) -> Result<oneshot::Receiver<Result<Inserted>>> {
        let (reply, answer) = Reply::new(turn);
        self.0.requests.send(Request { job, reply }).map_err(|_| closed())?;
        Ok(answer)
    }

    /// A pause that works on any executor.
    pub(crate) fn sleep(&self, pause: Duration) -> tokio::time::Sleep {
        self.0.io.sleep(pause)
    }

    /// Runs a worker's calls on the I/O thread, also while the App is being shut down.
    pub(crate) async fn run_on_io<R: Send + 'static>(
        &self,
        future: impl Future<Output = Result<R>> + Send + 'static,
    ) -> Result<R> {
        self.0.io.run(future).await.unwrap_or_else(|_| Err(closed()))
    }

    /// Runs store calls on the I/O thread.
    pub(crate) async fn on_io<R: Send + 'static>(
        &self,
        future: impl Future<Output = Result<R>> + Send + 'static,
    ) -> Result<R> {
        self.io()?.run(future).await.unwrap_or_else(|_| Err(closed()))
    }
}

/// A job that was handed over; ready when it is durable.
#[derive(Debug)]
pub(crate) enum Submitted {
    Lone(Lent<Inserted>),
    InGroup(oneshot::Receiver<Result<Inserted>>),
}

impl Future for Submitted {
    type Output = Result<Inserted>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<Inserted>> {
        match &mut *self {
            Self::Lone(lent) => Pin::new(lent).poll(context),
            Self::InGroup(answer) => {
                Pin::new(answer).poll(context).map(|got| got.unwrap_or_else(|_| Err(closed())))
            }
        }
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::NoStore, "use a queue: its App has been shut down")
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Queue").field(&self.engine()).finish()
    }
}

impl fmt::Debug for QueueInner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueInner").field("open", &self.open).finish_non_exhaustive()
    }
}

/// Sends each verb to the I/O thread; owned copies of the arguments travel along.
macro_rules! forward {
    ($($name:ident($($arg:ident: $type:ty = $owned:expr => $lent:expr),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl Inspect for Queue {
            $(async fn $name(&self, $($arg: $type),*) -> Result<$answer> {
                let store = Arc::clone(self.store());
                // The same names, but owned: the future outlives the borrows.
                #[allow(clippy::redundant_locals, reason = "a plain argument is its own copy")]
                let call = {
                    $(let $arg = $owned;)*
                    async move { store.$name($($lent),*).await }
                };
                self.on_io(call).await
            })*

            async fn cancel(&self, id: JobId, by: &Actor) -> Result<Cancelled> {
                let store = Arc::clone(self.store());
                let by = by.clone();
                let cancelled = self.on_io(async move { store.cancel(id, &by).await }).await?;
                match cancelled {
                    Cancelled::Requested => self.hub().cancel(id),
                    Cancelled::Cancelled => self.hub().changed(id),
                    Cancelled::AlreadyFinished | Cancelled::NotFound => {}
                }
                Ok(cancelled)
            }

            async fn retry(&self, ids: &[JobId], by: &Actor) -> Result<usize> {
                let store = Arc::clone(self.store());
                let (ids, by) = (ids.to_vec(), by.clone());
                let count = self.on_io(async move { store.retry(&ids, &by).await }).await?;
                self.hub().wake_all();
                Ok(count)
            }

            async fn edit_payload(&self, id: JobId, payload: &str, by: &Actor) -> Result<bool> {
                check_payload(format_args!("job {id}"), payload, self.payload_limit())?;
                let store = Arc::clone(self.store());
                let (payload, by) = (payload.to_owned(), by.clone());
                self.on_io(async move { store.edit_payload(id, &payload, &by).await }).await
            }

            async fn pause(&self, queue: &str, reason: &str, by: &Actor) -> Result<()> {
                check_name("queue", queue)?;
                let store = Arc::clone(self.store());
                let (name, reason, by) = (queue.to_owned(), reason.to_owned(), by.clone());
                self.on_io(async move { store.pause(&name, &reason, &by).await }).await
            }

            async fn resume(&self, queue: &str, by: &Actor) -> Result<bool> {
                let store = Arc::clone(self.store());
                let (name, by) = (queue.to_owned(), by.clone());
                let resumed = self.on_io(async move { store.resume(&name, &by).await }).await?;
                self.hub().wake(queue);
                Ok(resumed)
            }
        }
    };
}

forward! {
    find(id: JobId = id => id) -> Option<Job>;
    list(filter: &JobFilter = filter.clone() => &filter, page: Page = page => page) -> Vec<Job>;
    ids(filter: &JobFilter = filter.clone() => &filter, page: Page = page => page) -> Vec<JobId>;
    count() -> Vec<StateCount>;
    attempts(id: JobId = id => id) -> Vec<AttemptInfo>;
    discard(ids: &[JobId] = ids.to_vec() => &ids, reason: &str = reason.to_owned() => &reason, by: &Actor = by.clone() => &by) -> usize;
    delete(ids: &[JobId] = ids.to_vec() => &ids, by: &Actor = by.clone() => &by) -> usize;
    queues() -> Vec<QueueInfo>;
    workers() -> Vec<WorkerInfo>;
    tasks() -> Vec<TaskInfo>;
    database() -> DatabaseInfo;
    oldest_wait(queue: &str = queue.to_owned() => &queue) -> Option<Duration>;
    schedules() -> Vec<ScheduleInfo>;
    put_schedule(row: &ScheduleRow = row.clone() => &row, by: &Actor = by.clone() => &by) -> ();
    pause_schedule(name: &str = name.to_owned() => &name, paused: bool = paused => paused, by: &Actor = by.clone() => &by) -> bool;
    remove_schedule(name: &str = name.to_owned() => &name, by: &Actor = by.clone() => &by) -> bool;
}

impl Queue {
    /// Deletes finished jobs whose retention has passed, at most `limit`; a worker does so by
    /// itself every minute.
    ///
    /// # Errors
    /// Transient ones.
    pub async fn prune(&self, limit: u32) -> Result<Pruned> {
        let store = Arc::clone(self.store());
        self.on_io(async move { store.prune(limit).await }).await
    }

    /// The database's clock.
    ///
    /// # Errors
    /// Transient ones.
    pub async fn now(&self) -> Result<DateTime<Utc>> {
        let store = Arc::clone(self.store());
        self.on_io(async move { store.now().await }).await
    }
}
