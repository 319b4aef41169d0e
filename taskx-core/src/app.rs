//! An application: its database, its settings, its states; what workers inherit.

use std::{
    fmt,
    future::{Future, pending},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use crate::{
    config::{Config, without_secrets},
    driver,
    error::{Error, ErrorKind, Result},
    event::{Event, Events, Subscriber},
    io::IoThread,
    layer::Layer,
    queue::Queue,
    registry::Registry,
    state::States,
    store::{MigrationInfo, Store},
    worker::{BackgroundTaskWorker, BlockingTaskWorker, WorkerHandle, WorkerOverrides},
};

/// How an application's worker runs under `taskx run`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Inside the application's process, beside its other work.
    #[default]
    Background,
    /// In a process of its own.
    Blocking,
}

/// What building an App does to its database.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Opening {
    /// Brings the schema up to date, or only checks it (`auto_migrate = false`).
    #[default]
    AsConfigured,
    /// Leaves the schema as it is; a missing file is made.
    Untouched,
    /// Leaves the schema as it is; a missing file is an error.
    Existing,
}

/// An application: cheap to clone; the last clone that is dropped stops its workers.
#[derive(Clone)]
pub struct App(Arc<AppInner>);

pub(crate) struct AppInner {
    pub(crate) name: Option<String>,
    pub(crate) config: Config,
    pub(crate) states: Arc<States>,
    pub(crate) layers: Arc<[Arc<dyn Layer>]>,
    pub(crate) mode: Mode,
    pub(crate) service: String,
    pub(crate) version: String,
    pub(crate) queue: Queue,
    /// Held for reading by each job of its workers, and for writing by one that must run alone.
    pub(crate) alone: Arc<tokio::sync::RwLock<()>>,
    /// Cancelled when the App goes: its workers stop.
    pub(crate) stop: CancellationToken,
    /// Every worker that was started in this process.
    pub(crate) workers: Mutex<Vec<WorkerHandle>>,
    /// What the command line says of workers that are still to be started.
    overrides: Mutex<WorkerOverrides>,
    /// Cancelled when the application is asked to stop, before its workers are.
    stopping: CancellationToken,
    /// Whether anybody waits for `stopping`.
    stopping_is_awaited: AtomicBool,
}

impl App {
    /// An App to be set up.
    pub fn builder() -> AppBuilder {
        AppBuilder::default()
    }

    /// An App from the environment and `taskx.toml` alone.
    ///
    /// # Errors
    /// As [`AppBuilder::build`].
    pub async fn new() -> Result<Self> {
        Self::builder().build().await
    }

    /// The queue: to enqueue, look and operate.
    #[must_use]
    pub fn queue(&self) -> &Queue {
        &self.0.queue
    }

    /// The settings, as they came out of builder, environment, file and defaults.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// The name by which tasks choose this App (`#[task(app = "..")]`).
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// How its worker runs under `taskx run`.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.0.mode
    }

    /// A worker for this process, with the App's settings.
    pub fn background_worker(&self) -> BackgroundTaskWorker {
        BackgroundTaskWorker::new().init_app(self)
    }

    /// A worker that is its process's whole work, with the App's settings.
    pub fn blocking_worker(&self) -> BlockingTaskWorker {
        BlockingTaskWorker::new().init_app(self)
    }

    /// The tasks of this App that are linked into the program, by wire name.
    ///
    /// # Errors
    /// `Config`: no task at all, or a name given twice.
    pub fn tasks(&self) -> Result<Vec<&'static crate::task::TaskDef>> {
        Ok(Registry::all(self.name())?.tasks())
    }

    /// Brings the database's schema up to date, under a lock; a no-op where it is.
    ///
    /// # Errors
    /// `Schema` if the database is newer than this program; transient ones.
    pub async fn migrate(&self) -> Result<()> {
        let store = Arc::clone(self.0.queue.store());
        self.0.queue.on_io(async move { store.migrate().await }).await
    }

    /// The migrations of the schema that this program knows or the database has, by version.
    ///
    /// # Errors
    /// Transient ones.
    pub async fn migrations(&self) -> Result<Vec<MigrationInfo>> {
        let store = Arc::clone(self.0.queue.store());
        self.0.queue.on_io(async move { store.migrations().await }).await
    }

    /// Undoes the newest migration; what its tables hold is lost. Answers its version, or `None` if
    /// none was applied.
    ///
    /// # Errors
    /// `Schema` if this program does not know it; transient ones.
    pub async fn revert_migration(&self) -> Result<Option<String>> {
        let store = Arc::clone(self.0.queue.store());
        self.0.queue.on_io(async move { store.revert().await }).await
    }

    /// Fails unless the database's schema is the one that this program needs.
    ///
    /// # Errors
    /// `Schema`, naming the command that mends it; transient ones.
    pub async fn check_schema(&self) -> Result<()> {
        let store = Arc::clone(self.0.queue.store());
        self.0.queue.on_io(async move { store.check_schema().await }).await
    }

    /// Ready once the application is asked to stop: by SIGINT or SIGTERM under `#[taskx::main]`, or
    /// by [`shutdown`](Self::shutdown). For what has an end of its own, such as a web server:
    /// `axum::serve(listener, router).with_graceful_shutdown(app.stopping())`. A `main` that has
    /// asked for it is given the App's grace to return.
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + use<> {
        self.0.stopping_is_awaited.store(true, Ordering::Release);
        self.0.stopping.clone().cancelled_owned()
    }

    /// Stops the App's workers gracefully and closes its queue. Handles that are still held answer
    /// with an error from then on.
    ///
    /// # Errors
    /// Those of the workers' last writes.
    pub async fn shutdown(&self) -> Result<()> {
        self.shutdown_hurried_by(pending()).await
    }

    /// [`shutdown`](Self::shutdown), in which running jobs are no longer waited for once `hurry` is
    /// ready.
    ///
    /// # Errors
    /// As [`shutdown`](Self::shutdown).
    #[doc(hidden)]
    pub async fn shutdown_hurried_by(&self, hurry: impl Future<Output = ()>) -> Result<()> {
        self.0.stopping.cancel();
        // All workers at once: each stops by itself then, and is only waited for here.
        self.0.stop.cancel();
        let workers = self.workers();
        let stopped = async {
            for worker in &workers {
                worker.stop().await?;
            }
            Ok(())
        };
        tokio::pin!(stopped, hurry);
        let result = tokio::select! {
            result = &mut stopped => result,
            () = hurry => {
                for worker in &workers {
                    worker.hurry();
                }
                stopped.await
            }
        };
        self.0.queue.close();
        result
    }

    /// Every worker that was started, also those that have stopped.
    #[doc(hidden)]
    #[must_use]
    pub fn workers(&self) -> Vec<WorkerHandle> {
        self.0.workers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether somebody waits for [`stopping`](Self::stopping).
    #[doc(hidden)]
    #[must_use]
    pub fn stopping_is_awaited(&self) -> bool {
        self.0.stopping_is_awaited.load(Ordering::Acquire)
    }

    /// Says how workers that are started from now on shall run, over what their builders say.
    #[doc(hidden)]
    pub fn overrule_workers(&self, overrides: WorkerOverrides) {
        *self.0.overrides.lock().unwrap_or_else(PoisonError::into_inner) = overrides;
    }

    pub(crate) fn worker_overrides(&self) -> WorkerOverrides {
        self.0.overrides.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn inner(&self) -> &AppInner {
        &self.0
    }
}

impl Drop for AppInner {
    fn drop(&mut self) {
        self.stop.cancel();
        self.queue.close();
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("name", &self.0.name).field("config", &self.0.config).finish()
    }
}

type Override = Box<dyn FnOnce(&mut Config) + Send>;

/// An App to be set up. What is said here wins over the environment and `taskx.toml`.
#[must_use = "an App does nothing until it is built"]
#[derive(Default)]
pub struct AppBuilder {
    name: Option<String>,
    config: Option<Config>,
    overrides: Vec<Override>,
    states: States,
    layers: Vec<Arc<dyn Layer>>,
    subscribers: Vec<Box<Subscriber>>,
    mode: Mode,
    service: Option<String>,
    version: Option<String>,
    store: Option<Arc<dyn Store>>,
    opening: Opening,
}

impl AppBuilder {
    /// The name by which tasks choose this App. Default: none; tasks that name no App are its.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The database's URL, or a bare path for SQLite.
    pub fn database_url(self, url: impl Into<String>) -> Self {
        let url = url.into();
        self.set(move |config| config.database_url = Some(url))
    }

    /// These settings instead of those of the environment and `taskx.toml`.
    pub fn config(mut self, config: Config) -> Self {
        self.config = Some(config);
        self
    }

    /// Changes settings after the environment and `taskx.toml` were read.
    pub fn set(mut self, change: impl FnOnce(&mut Config) + Send + 'static) -> Self {
        self.overrides.push(Box::new(change));
        self
    }

    /// How often a worker looks for jobs when nothing wakes it. Default 5 s.
    pub fn loop_interval(self, interval: Duration) -> Self {
        self.set(move |config| config.loop_interval = interval)
    }

    /// The most jobs of one queue at once. Default 10.
    pub fn concurrency(self, slots: usize) -> Self {
        self.set(move |config| config.concurrency = slots)
    }

    /// How long a worker's lease runs. Default 30 s, 2 s or more.
    pub fn lease(self, lease: Duration) -> Self {
        self.set(move |config| config.lease = lease)
    }

    /// How long a stopping worker waits for its running jobs. Default 25 s.
    pub fn grace(self, grace: Duration) -> Self {
        self.set(move |config| config.grace = grace)
    }

    /// Whether [`build`](Self::build) brings the schema up to date. Default yes.
    pub fn auto_migrate(self, yes: bool) -> Self {
        self.set(move |config| config.auto_migrate = yes)
    }

    /// Whether each step is logged (never payloads). Default: in debug builds.
    pub fn debug(self, yes: bool) -> Self {
        self.set(move |config| config.debug = yes)
    }

    /// A state that tasks take by `&T`. A second one of the same type replaces the first.
    pub fn state<T: Send + Sync + 'static>(self, state: T) -> Self {
        self.state_arc(Arc::new(state))
    }

    /// A shared state, also a trait object: tasks take `&T` or `&dyn Trait`.
    pub fn state_arc<T: ?Sized + Send + Sync + 'static>(mut self, state: Arc<T>) -> Self {
        self.states.insert(state);
        self
    }

    /// Code around every run of a task. The first layer is the outermost.
    pub fn layer(mut self, layer: impl Layer) -> Self {
        self.layers.push(Arc::new(layer));
        self
    }

    /// Calls a function at every [`Event`], on taskx's own threads and on those that enqueue: it must
    /// be quick.
    pub fn subscribe(mut self, subscriber: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.subscribers.push(Box::new(subscriber));
        self
    }

    /// How the worker runs under `taskx run`. Default in the background.
    pub fn worker(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// The service's name: the owner of its schedules, shown with its workers. Several services
    /// may share a database. Default: the package that declares the tasks.
    pub fn service(mut self, name: impl Into<String>) -> Self {
        self.service = Some(name.into());
        self
    }

    /// The application's version, which decides whose schedules are newer. Default: that of the
    /// package that declares the tasks.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// A store made by hand instead of one by URL, such as the memory store in tests.
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// What building does to the database, for tools. Default: what the settings say.
    #[doc(hidden)]
    pub fn opening(mut self, opening: Opening) -> Self {
        self.opening = opening;
        self
    }

    /// Connects, brings the schema up to date, and makes the App live: from now on
    /// `EmailTask::apply(..).await` finds it.
    ///
    /// # Errors
    /// `Config` for settings (naming their source), `Transient` if the database does not answer,
    /// `Schema` if its schema does not fit.
    pub async fn build(self) -> Result<App> {
        let mut config = match self.config {
            Some(config) => config,
            None => Config::load()?,
        };
        for change in self.overrides {
            change(&mut config);
        }
        let config = config.check()?;
        let io = IoThread::start("taskx-io")?;
        let store = open(&io, &config, self.store, self.opening).await?;
        let declaring = crate::task::registered()
            .filter(|def| def.app == self.name.as_deref())
            .min_by_key(|def| (def.package, def.name));
        let fact = |of: fn(&crate::task::TaskDef) -> &'static str, default: &str| {
            declaring.map_or(default, |def| of(def)).to_owned()
        };
        let queue = Queue::new(store, io, Events::new(self.subscribers), config.payload_limit);
        Ok(App(Arc::new(AppInner {
            service: self.service.unwrap_or_else(|| fact(|def| def.package, "app")),
            version: self.version.unwrap_or_else(|| fact(|def| def.version, "0.0.0")),
            name: self.name,
            config,
            states: Arc::new(self.states),
            layers: self.layers.into(),
            mode: self.mode,
            queue,
            alone: Arc::default(),
            stop: CancellationToken::new(),
            workers: Mutex::default(),
            overrides: Mutex::default(),
            stopping: CancellationToken::new(),
            stopping_is_awaited: AtomicBool::new(false),
        })))
    }
}

/// Opens the store and looks at its schema, all on the I/O thread.
async fn open(
    io: &IoThread,
    config: &Config,
    given: Option<Arc<dyn Store>>,
    opening: Opening,
) -> Result<Arc<dyn Store>> {
    let auto_migrate = config.auto_migrate;
    let mut chosen = if given.is_some() { None } else { Some(driver::choose(config)?) };
    if let Some((_, options)) = &mut chosen {
        options.create = opening != Opening::Existing;
    }
    let connecting = async move {
        let store = match (given, chosen) {
            (Some(store), _) => store,
            (None, Some((driver, options))) => {
                let doing = format!("open {}", without_secrets(&options.url));
                (driver.connect)(options).await.map_err(|e| e.context(&doing))?
            }
            (None, None) => return Err(Error::new(ErrorKind::NoStore, "open the database")),
        };
        match opening {
            Opening::AsConfigured if auto_migrate => store.migrate().await?,
            Opening::AsConfigured => store.check_schema().await?,
            Opening::Untouched | Opening::Existing => {}
        }
        Ok(store)
    };
    io.run(connecting).await.unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::Store, "open the database: its thread ended"))
    })
}

impl fmt::Debug for AppBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppBuilder").field("name", &self.name).finish_non_exhaustive()
    }
}
