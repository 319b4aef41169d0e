//! Jobs that are born claimed: beside a worker that has nothing else to do a job is stored as held by
//! it, and starts without a claim.

use std::{
    collections::BTreeMap,
    sync::{Arc, mpsc::channel},
    time::Duration,
};

use rstest::rstest;
use taskx::{
    Config, JobId, JobState, WorkerHandle,
    inspect::Inspect,
    prelude::*,
    testing::{
        MemoryStore,
        faults::{Fault, FaultStore, Verb},
    },
};
use taskx_tests::{Engine, SOON};

use crate::{Begin, Started};

/// A worker of the queue on this store, which polls only each minute.
async fn beside(store: &Arc<FaultStore>, started: Started) -> (App, WorkerHandle) {
    let app = App::builder().config(Config::default()).name("enqueue").state(started);
    let app = app.loop_interval(Duration::from_secs(60)).store(store.clone());
    let app = app.build().await.unwrap();
    let worker = app.background_worker().queues([("started", 4)]).start().await.unwrap();
    (app, worker)
}

/// Enqueues one job after another, each when the worker is idle, until `enough`.
async fn enqueue(app: &App, worker: &WorkerHandle, enough: impl Fn() -> bool) -> Vec<JobId> {
    let mut jobs = Vec::new();
    while !enough() {
        assert!(jobs.len() < 500, "an idle worker's jobs are still claimed");
        worker.wait_idle().await.unwrap();
        jobs.push(Begin::apply(1).to(app.queue()).await.unwrap().id());
    }
    jobs
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_workers_jobs_need_no_claim() {
    let store = Arc::new(FaultStore::new(Arc::new(MemoryStore::new())));
    let (sender, started) = channel();
    let (app, worker) = beside(&store, Started(sender)).await;
    let born = || store.calls(Verb::InsertClaimed);
    let jobs = enqueue(&app, &worker, || born() > 0).await;
    worker.wait_idle().await.unwrap();
    let claims = store.calls(Verb::Claim);
    let more = enqueue(&app, &worker, || born() > 20).await;
    worker.wait_idle().await.unwrap();
    // Other wake-ups may claim too, but there is no claim for each job.
    assert!(store.calls(Verb::Claim) - claims < 15, "{}", store.calls(Verb::Claim) - claims);
    for job in jobs.into_iter().chain(more) {
        assert_eq!(started.recv_timeout(SOON).unwrap().0, job);
        let job = app.queue().find(job).await.unwrap().unwrap();
        assert_eq!((job.state, job.attempt, job.fence), (JobState::Completed, 1, 1));
    }
}

/// Nobody knows whether the worker holds the jobs: they run once all the same, and it goes on under a
/// fresh row.
#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_lost_answer_a_job_runs_once(#[values(Fault::Before, Fault::After)] fault: Fault) {
    let store = FaultStore::new(Arc::new(MemoryStore::new()));
    let store = Arc::new(store.with(Verb::InsertClaimed, 1, fault));
    let (sender, started) = channel();
    let (app, worker) = beside(&store, Started(sender)).await;
    let first = worker.id();
    let jobs = enqueue(&app, &worker, || store.calls(Verb::InsertClaimed) > 3).await;
    let mut runs: BTreeMap<JobId, u32> = BTreeMap::new();
    for _ in &jobs {
        *runs.entry(started.recv_timeout(SOON).unwrap().0).or_default() += 1;
    }
    worker.wait_idle().await.unwrap();
    assert!(jobs.iter().all(|job| runs.get(job) == Some(&1)), "{runs:?}");
    assert!(started.try_recv().is_err(), "a job ran twice");
    assert_ne!(worker.id(), first, "an owner and fence could stand for two claims");
}

/// What is born while the worker stops is given back.
#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_loses_no_birth(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let (sender, _started) = channel();
    let app = database.app().name("enqueue").state(Started(sender)).debug(false);
    let app = app.build().await.unwrap();
    let mut enqueued = 0;
    for _ in 0..10 {
        let worker = app.background_worker().queues([("started", 8)]).start().await.unwrap();
        let queue = app.queue().clone();
        let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
        let producer = tokio::spawn(async move {
            let mut count = 0;
            while stopped.try_recv().is_err() {
                Begin::apply(count).to(&queue).await.unwrap();
                count += 1;
            }
            count
        });
        tokio::time::sleep(Duration::from_millis(30)).await;
        worker.stop().await.unwrap();
        let _ = stop.send(());
        enqueued += producer.await.unwrap();
    }
    let counts = app.queue().count().await.unwrap();
    assert_eq!(counts.iter().map(|entry| entry.count).sum::<i64>(), i64::from(enqueued));
    let ended = |state| matches!(state, JobState::Completed | JobState::Available);
    assert!(counts.iter().all(|entry| ended(entry.state)), "{counts:?}");
    let held = "SELECT COUNT(*) FROM taskx_jobs WHERE attempt <> 0 OR owner IS NOT NULL";
    assert_eq!(database.number(held), 0);
    assert_eq!(database.number("SELECT COUNT(*) FROM taskx_history WHERE attempt <> 1"), 0);
}
