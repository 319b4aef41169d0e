//! The two workers' builders: what they serve, and how they are started.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::runtime::Handle;

use super::{Stopped, WorkerHandle, launch, lease, settle, shared::Shared};
use crate::{
    app::App,
    config::Config,
    error::{Error, ErrorKind, Result},
    layer::Layer,
    registry::Selection,
    signals::Signals,
};

/// What a worker says beyond its App's settings.
#[derive(Default)]
pub(super) struct Settings {
    pub(super) app: Option<App>,
    pub(super) selection: Selection,
    pub(super) layers: Vec<Arc<dyn Layer>>,
    queues: Option<BTreeMap<String, usize>>,
    concurrency: Option<usize>,
    poll_interval: Option<Duration>,
    lease: Option<Duration>,
    grace: Option<Duration>,
}

impl Settings {
    /// The App's settings with the worker's own over them.
    pub(super) fn config(&self, app: &App) -> Result<Config> {
        let mut config = app.config().clone();
        if let Some(queues) = &self.queues {
            config.queues.clone_from(queues);
        }
        config.concurrency = self.concurrency.unwrap_or(config.concurrency);
        config.loop_interval = self.poll_interval.unwrap_or(config.loop_interval);
        config.lease = self.lease.unwrap_or(config.lease);
        config.grace = self.grace.unwrap_or(config.grace);
        config.check()
    }

    /// Puts what the command line says over what the program says.
    fn overrule(&mut self, overrides: WorkerOverrides) {
        self.queues = overrides.queues.or(self.queues.take());
        self.concurrency = overrides.concurrency.or(self.concurrency);
        if !overrides.only.is_empty() {
            self.selection.only = overrides.only;
        }
        self.selection.except.extend(overrides.except);
    }

    async fn start(mut self) -> Result<WorkerHandle> {
        let Some(app) = self.app.clone() else {
            return Err(Error::new(
                ErrorKind::Config,
                "start a worker: it has no application; call `.init_app(&app)` first",
            ));
        };
        let runtime = Handle::try_current().map_err(|e| {
            Error::new(
                ErrorKind::Config,
                "start a worker: call it on a tokio runtime, or use `run_blocking`",
            )
            .with_source(e)
        })?;
        self.overrule(app.worker_overrides());
        let (outcomes, queue_of_outcomes) = settle::channel();
        let shared = Arc::new(Shared::new(&app, &self, runtime, outcomes)?);
        let heartbeat = lease::Heartbeat::start(Arc::clone(&shared)).await?;
        let handle = launch(shared, queue_of_outcomes, heartbeat)?;
        let mut workers =
            app.inner().workers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        workers.push(handle.clone());
        drop(workers);
        Ok(handle)
    }
}

/// What `taskx run` says of an application's workers. It wins over what their builders say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkerOverrides {
    /// The queues to serve, each with the most jobs of it at once.
    pub queues: Option<BTreeMap<String, usize>>,
    /// The most jobs of one queue at once, where `queues` does not say.
    pub concurrency: Option<usize>,
    /// Run only these tasks; empty means those that the builder says.
    pub only: Vec<String>,
    /// Run all tasks but these, beside those that the builder leaves out.
    pub except: Vec<String>,
}

macro_rules! builder {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[must_use = "a worker does nothing until it is started"]
        #[derive(Default)]
        pub struct $name(Settings);

        impl $name {
            /// A worker without an application yet; give it one with [`init_app`](Self::init_app).
            pub fn new() -> Self {
                Self::default()
            }

            /// The application whose tasks it runs.
            pub fn init_app(mut self, app: &App) -> Self {
                self.0.app = Some(app.clone());
                self
            }

            /// Serve these queues only, each with so many jobs at once. Default: every queue of
            /// the linked tasks.
            pub fn queues<Q: Into<String>>(mut self, queues: impl IntoIterator<Item = (Q, usize)>) -> Self {
                self.0.queues = Some(queues.into_iter().map(|(name, n)| (name.into(), n)).collect());
                self
            }

            /// The most jobs of one queue at once, where `queues` does not say. Default 10.
            pub fn concurrency(mut self, slots: usize) -> Self {
                self.0.concurrency = Some(slots);
                self
            }

            /// Run only these tasks.
            pub fn only<N: Into<String>>(mut self, tasks: impl IntoIterator<Item = N>) -> Self {
                self.0.selection.only = tasks.into_iter().map(Into::into).collect();
                self
            }

            /// Run all tasks but these.
            pub fn except<N: Into<String>>(mut self, tasks: impl IntoIterator<Item = N>) -> Self {
                self.0.selection.except = tasks.into_iter().map(Into::into).collect();
                self
            }

            /// How often it looks for jobs when nothing wakes it. Default: the App's `loop_interval`.
            pub fn poll_interval(mut self, interval: Duration) -> Self {
                self.0.poll_interval = Some(interval);
                self
            }

            /// How long its lease runs. Default: the App's.
            pub fn lease(mut self, lease: Duration) -> Self {
                self.0.lease = Some(lease);
                self
            }

            /// How long it waits for running jobs when it stops. Default: the App's.
            pub fn grace(mut self, grace: Duration) -> Self {
                self.0.grace = Some(grace);
                self
            }

            /// Code around every run of a task, inside the App's layers.
            pub fn layer(mut self, layer: impl Layer) -> Self {
                self.0.layers.push(Arc::new(layer));
                self
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).field("app", &self.0.app).finish_non_exhaustive()
            }
        }
    };
}

builder! {
    /// A worker that lives inside the application's process: [`start`](Self::start) returns at once.
    BackgroundTaskWorker
}

builder! {
    /// A worker that is its process's whole work: [`run`](Self::run) returns when it was stopped.
    BlockingTaskWorker
}

impl BackgroundTaskWorker {
    /// Starts the worker. Async tasks run on the tokio runtime that this is called on, plain fns on
    /// threads of their own.
    ///
    /// # Errors
    /// `Config`: no application, a setting that makes no sense; or, all at once, no task, names of
    /// tasks or schedules given twice, missing states, connections of another engine. Transient ones
    /// if the worker's row cannot be written.
    pub async fn start(self) -> Result<WorkerHandle> {
        self.0.start().await
    }
}

impl BlockingTaskWorker {
    /// Runs until SIGINT or SIGTERM, then stops gracefully; a second signal stops at once.
    ///
    /// # Errors
    /// As [`BackgroundTaskWorker::start`].
    pub async fn run(self) -> Result<Stopped> {
        self.run_until(std::future::pending()).await
    }

    /// Runs until `stop` is ready or a signal comes, then stops gracefully.
    ///
    /// # Errors
    /// As [`BackgroundTaskWorker::start`].
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> Result<Stopped> {
        // Installed before the start, so that no signal is lost in between.
        let mut signals = Signals::install()?;
        let worker = self.0.start().await?;
        tokio::select! {
            () = stop => {}
            () = signals.next() => tracing::info!("stopping; a second signal stops at once"),
        }
        let stopping = worker.stop();
        tokio::pin!(stopping);
        tokio::select! {
            stopped = &mut stopping => return stopped,
            () = signals.next() => {}
        }
        worker.hurry();
        stopping.await
    }

    /// [`run`](Self::run) on a runtime of its own, for a sync `main`.
    ///
    /// # Errors
    /// As [`BackgroundTaskWorker::start`]; `Config` on a thread of an async runtime.
    pub fn run_blocking(self) -> Result<Stopped> {
        if Handle::try_current().is_ok() {
            return Err(Error::new(
                ErrorKind::Config,
                "run a worker: `.run().await` is the form for async code",
            ));
        }
        let runtime =
            tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| {
                Error::new(ErrorKind::Config, "start a runtime for the worker").with_source(e)
            })?;
        let stopped = runtime.block_on(self.run());
        // A plain fn that never returns has been given back; it must not keep the process alive.
        runtime.shutdown_background();
        stopped
    }
}
