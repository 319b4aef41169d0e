//! What subscribers, layers and the log are told of a job.

use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use rstest::rstest;
use taskx::{Event, JobState, Layer, Next, Verdict, inspect::Inspect, prelude::*};
use taskx_core::{
    job::WorkerId,
    store::{Claim, NewWorker, TaskRow},
};
use taskx_tests::{Engine, SOON, eventually};

use crate::Running;

#[task(app = "events", queue = "events")]
async fn quiet(secret: String) {
    drop(secret);
}

/// Writes a word before and one after what is inside.
struct Around(&'static str, Arc<Mutex<Vec<String>>>);

impl Layer for Around {
    fn around<'a>(&'a self, ctx: &'a Ctx, next: Next<'a>) -> BoxFuture<'a, Verdict> {
        Box::pin(async move {
            self.1.lock().unwrap().push(format!("{} before {}", self.0, ctx.task_name()));
            let verdict = next.run().await;
            self.1.lock().unwrap().push(format!("{} after {verdict:?}", self.0));
            verdict
        })
    }
}

#[rstest]
#[tokio::test]
async fn subscribers_and_layers_see_a_job_go_by(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let told = Arc::new(Mutex::new(Vec::new()));
    let words = Arc::new(Mutex::new(Vec::new()));
    let telling = Arc::clone(&told);
    let app = database
        .app()
        .name("events")
        .subscribe(move |event| telling.lock().unwrap().push(event.clone()))
        .layer(Around("outer", Arc::clone(&words)))
        .build()
        .await
        .unwrap();
    let job = Quiet::apply("a secret").to(app.queue()).await.unwrap();
    let inner = Around("inner", Arc::clone(&words));
    let worker = app.background_worker().layer(inner).start().await.unwrap();
    job.wait(SOON).await.unwrap();
    worker.stop().await.unwrap();

    let words = words.lock().unwrap().clone();
    let done = "after Done(None)";
    assert_eq!(
        words,
        [
            "outer before quiet",
            "inner before quiet",
            &format!("inner {done}"),
            &format!("outer {done}")
        ]
    );
    let told = told.lock().unwrap().clone();
    assert!(!format!("{told:?}").contains("a secret"), "{told:?}");
    let [enqueued, claimed, started, finished] = &told[..] else { panic!("{told:?}") };
    assert!(matches!(enqueued, Event::Enqueued { id, .. } if *id == job.id()));
    assert!(matches!(claimed, Event::Claimed { queue, count: 1 } if queue == "events"));
    assert!(matches!(started, Event::Started { id, attempt: 1, .. } if *id == job.id()));
    let Event::Finished { id, state, .. } = finished else { panic!("{finished:?}") };
    assert_eq!((*id, *state), (job.id(), JobState::Completed));
}

/// A worker that is gone without a word: its job is rescued, and what it would still write is lost.
#[rstest]
#[tokio::test]
async fn a_rescue_is_told(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let rescued = Arc::new(Mutex::new(None));
    let telling = Arc::clone(&rescued);
    let set_up = |app: AppBuilder| {
        app.name("events").subscribe(move |event| {
            if let Event::Rescued { worker, jobs } = event {
                *telling.lock().unwrap() = Some((*worker, jobs.clone()));
            }
        })
    };
    let Some(running) = Running::with(engine, set_up).await else { return };
    let dead = taskx_tests::stores::open(&running.database).await;
    let worker = WorkerId::new();
    let task = TaskRow {
        name: "quiet".to_owned(),
        owner: "dead".to_owned(),
        arguments: "[]".to_owned(),
        version: 1,
    };
    let row = NewWorker {
        id: worker,
        service: "dead".to_owned(),
        host: "nowhere".to_owned(),
        pid: 0,
        version: "1".to_owned(),
        lease: std::time::Duration::from_secs(2),
        tasks: vec![task],
    };
    dead.register(&row).await.unwrap();
    // A queue that the living worker does not serve, or it would be quicker.
    let job = Quiet::apply("x").queue("elsewhere").to(running.app.queue()).await.unwrap();
    let claim = Claim {
        owner: worker,
        queue: "elsewhere".into(),
        tasks: ["quiet".to_owned()].into(),
        limit: 10,
        after: None,
    };
    assert_eq!(dead.claim(&claim).await.unwrap().len(), 1);
    drop(dead);
    let (who, jobs) = eventually("the lease has ended and is noticed", SOON, async || {
        rescued.lock().unwrap().take()
    })
    .await;
    assert_eq!((who, jobs), (worker, vec![job.id()]));
    let job = job.job().await.unwrap().unwrap();
    assert_eq!((job.state, job.attempt, job.crash_count), (JobState::Available, 0, 1));
    let workers = running.app.queue().workers().await.unwrap();
    assert!(workers.iter().all(|row| row.id != worker));
    running.stop().await;
}
