//! The worker on the memory store, with tasks written by hand instead of by the macros.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use taskx_core::{
    app::App,
    apply::Apply,
    config::Config,
    error::ErrorKind,
    job::JobState,
    store::memory::MemoryStore,
    task::{Registered, Run, Task, TaskDef, TaskOptions, accepts},
    verdict::Verdict,
};

#[derive(Serialize, Deserialize)]
struct Add {
    left: i64,
    right: i64,
}

/// What was added, in its order. The tests share it where they run in one process.
static RAN: Mutex<Vec<(i64, i64)>> = Mutex::new(Vec::new());

impl Task for Add {
    const DEF: &'static TaskDef = &TaskDef {
        name: "add",
        aliases: &[],
        app: None,
        options: TaskOptions::DEFAULT,
        doc: "",
        applier: "Add",
        package: "tests",
        version: "1.0.0",
        file: file!(),
        line: line!(),
        arguments: &[],
        accepts: accepts::<Self>,
        states: &[],
        schedules: &[],
        run: Run::Async(|invocation| {
            Box::pin(async move {
                match invocation.decode::<Self>() {
                    Ok(Self { left, right }) => {
                        RAN.lock().unwrap().push((left, right));
                        Verdict::Done(Some((left + right).to_string()))
                    }
                    Err(verdict) => verdict,
                }
            })
        }),
    };

    type Output = i64;
}

inventory::submit!(Registered(Add::DEF));

async fn app() -> App {
    App::builder()
        .config(Config::default())
        .store(Arc::new(MemoryStore::new()))
        .build()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_job_runs_and_its_typed_result_comes_back() {
    let app = app().await;
    let worker = app.background_worker().start().await.unwrap();
    let job = Apply::new(&Add { left: 2, right: 3 }).to(app.queue()).await.unwrap();
    assert_eq!(job.wait(Duration::from_secs(5)).await.unwrap(), 5);
    assert_eq!(job.status().await.unwrap(), Some(JobState::Completed));
    worker.wait_idle().await.unwrap();
    worker.stop().await.unwrap();
}

#[tokio::test]
async fn thousands_run_once_each() {
    let app = app().await;
    let jobs = (0..5_000).map(|n| Add { left: n, right: n });
    let handles = app.queue().apply_many::<Add, _>(jobs).await.unwrap();
    assert_eq!(handles.len(), 5_000);
    let worker = app.background_worker().concurrency(50).start().await.unwrap();
    worker.wait_idle().await.unwrap();
    let mut ran = RAN.lock().unwrap().clone();
    ran.retain(|(left, right)| left == right);
    ran.sort_unstable();
    assert_eq!(ran, (0..5_000).map(|n| (n, n)).collect::<Vec<_>>());
    app.shutdown().await.unwrap();
    let error = Apply::new(&Add { left: 1, right: 1 }).to(app.queue()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoStore);
}
