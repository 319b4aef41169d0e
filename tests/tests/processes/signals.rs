//! SIGINT and SIGTERM: a worker drains, gives back what does not end in time, and stops at once when
//! it is asked twice.

use std::time::{Duration, Instant};

use rstest::rstest;
use taskx::{Job, JobState};
use taskx_tests::{
    Child, Database, Engine,
    child::{Signal, lines},
    tasks::{Block, Nap},
};

use crate::child;

/// A worker's process in which a job runs.
struct Scene {
    database: Database,
    app: taskx::App,
    job: taskx::JobId,
    worker: Child,
}

/// How long the job takes, and whether it blocks its thread.
#[derive(Clone, Copy)]
enum Work {
    Nap(u64),
    Block(u64),
}

impl Scene {
    async fn set(engine: Engine, work: Work, grace: &str) -> Option<Self> {
        let database = engine.database()?;
        let app = database.app().name("signals").build().await.unwrap();
        let ledger = database.file("ledger");
        let arguments = ["work", "signals", "1", ledger.to_str().unwrap()];
        let worker = child(&database, &arguments, &[("TASKX_GRACE", grace)]);
        worker.line("ready");
        let job = match work {
            Work::Nap(length) => Nap::apply(length).to(app.queue()).await.unwrap().id(),
            Work::Block(length) => Block::apply(length).to(app.queue()).await.unwrap().id(),
        };
        worker.line("running");
        Some(Self { database, app, job, worker })
    }

    async fn job(&self) -> Job {
        self.app.queue().find(self.job).await.unwrap().unwrap()
    }

    fn ledger(&self) -> Vec<String> {
        lines(&self.database.file("ledger"))
    }

    /// Waits for the orderly end.
    fn end(&mut self) {
        let status = self.worker.end(Duration::from_secs(20));
        assert!(status.success(), "{status}");
    }

    /// Nothing is left of the worker, and the job is as if it had never run.
    async fn assert_given_back(&self) {
        let job = self.job().await;
        assert_eq!((job.state, job.attempt, job.owner), (JobState::Available, 0, None));
        assert_eq!(self.ledger(), [""; 0]);
        assert_eq!(self.database.number("SELECT COUNT(*) FROM taskx_workers"), 0);
    }
}

#[rstest]
#[tokio::test]
async fn a_signal_drains(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
    #[values(Signal::TERM, Signal::INT)] signal: Signal,
) {
    let Some(mut scene) = Scene::set(engine, Work::Nap(700), "30s").await else { return };
    scene.worker.signal(signal);
    scene.worker.line("stopped, 0 given back");
    scene.end();
    let job = scene.job().await;
    assert_eq!((job.state, job.attempt), (JobState::Completed, 1));
    assert_eq!(scene.ledger(), ["rested"]);
}

#[rstest]
#[tokio::test]
async fn what_outlasts_the_grace_is_given_back(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
    #[values(Work::Nap(60_000), Work::Block(60_000))] work: Work,
) {
    let Some(mut scene) = Scene::set(engine, work, "200ms").await else { return };
    scene.worker.signal(Signal::TERM);
    scene.worker.line("stopped, 1 given back");
    scene.end();
    scene.assert_given_back().await;
}

#[rstest]
#[tokio::test]
async fn a_second_signal_stops_at_once(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
    #[values(Work::Nap(60_000), Work::Block(60_000))] work: Work,
) {
    let Some(mut scene) = Scene::set(engine, work, "60s").await else { return };
    let started = Instant::now();
    // Two that come together count as one, so it is asked until it has heard both.
    while scene.worker.ended_within(Duration::from_millis(50)).is_none() {
        assert!(started.elapsed() < Duration::from_secs(10), "the second signal changed nothing");
        scene.worker.signal(Signal::INT);
    }
    scene.worker.line("stopped, 1 given back");
    scene.assert_given_back().await;
}
