//! Executing: how attempts end, what stops them, and what a task is told, on every engine.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test")]

mod cancel;
mod context;
mod events;
mod outcomes;
mod panics;
mod slots;
mod spans;
mod timeouts;
mod wishes;

use taskx::{Enqueued, Job, inspect::AttemptInfo, inspect::Inspect, prelude::*};
use taskx_core::task::Task;
use taskx_tests::{Database, Engine, SOON};

/// A running App whose worker serves some tasks.
struct Running {
    app: App,
    /// Removed after the App.
    database: Database,
}

impl Running {
    /// The App `name` with a worker; its poll is a minute away.
    async fn new(engine: Engine, name: &str) -> Option<Self> {
        Self::with(engine, |app| app.name(name)).await
    }

    async fn with(engine: Engine, set_up: impl FnOnce(AppBuilder) -> AppBuilder) -> Option<Self> {
        let database = engine.database()?;
        let minute = std::time::Duration::from_secs(60);
        let app = set_up(database.app().debug(false).loop_interval(minute)).build().await.unwrap();
        app.background_worker().start().await.unwrap();
        Some(Self { app, database })
    }

    /// The job when it has ended.
    async fn ended<T: Task>(&self, job: &Enqueued<T>) -> Job {
        self.app.queue().wait_finished(job.id(), SOON).await.unwrap()
    }

    /// Its failed attempts.
    async fn attempts<T: Task>(&self, job: &Enqueued<T>) -> Vec<AttemptInfo> {
        self.app.queue().attempts(job.id()).await.unwrap()
    }

    async fn stop(self) {
        self.app.shutdown().await.unwrap();
        drop(self.database);
    }
}
