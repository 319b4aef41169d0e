//! Stored jobs that cannot run: arguments that do not decode, tasks that nobody knows.

use std::time::Duration;

use rstest::rstest;
use taskx::{Actor, App, Job, JobId, JobState, inspect::Inspect, testing};
use taskx_core::job::NewJob;
use taskx_tests::{Database, Engine, SOON, eventually};

use crate::{Add, Later};

async fn app(database: &Database) -> App {
    let app = database.app().name("known").debug(false).loop_interval(Duration::from_secs(60));
    app.build().await.unwrap()
}

async fn insert(app: &App, task: &'static str, payload: &str) -> JobId {
    app.queue().insert(NewJob::new("work", task, payload.to_owned())).await.unwrap()
}

async fn find(app: &App, id: JobId) -> Job {
    app.queue().find(id).await.unwrap().unwrap()
}

/// What a task of two numbers cannot be called with, and what its reason names.
const UNDECODABLE: [(&str, &str); 5] = [
    (r#"{"left": 1, "right": "two"}"#, "right"),
    (r#"{"left": 1}"#, "right"),
    ("[1, 2, 3]", ""),
    ("left=1&right=2", ""),
    ("", ""),
];

/// It is tried again 30 s apart for ten minutes, in case a newer worker knows it; then it is set
/// aside with its bytes, and whoever mends them brings it back.
#[rstest]
#[tokio::test]
async fn what_does_not_decode_is_set_aside_with_its_bytes(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let app = app(&database).await;
    let mut bad = Vec::new();
    for (payload, _) in UNDECODABLE {
        bad.push(insert(&app, "add", payload).await);
    }
    let worker = app.background_worker().start().await.unwrap();
    // A good one is not held up.
    assert_eq!(Add::apply(1, 2).to(app.queue()).await.unwrap().wait(SOON).await.unwrap(), 3);
    for snoozes in 1..=20 {
        let snoozed =
            format!("SELECT COUNT(*) FROM taskx_jobs WHERE state = 2 AND snooze_count = {snoozes}");
        eventually("all are snoozed", SOON, async || {
            (database.number(&snoozed) == 5).then_some(())
        })
        .await;
        testing::travel(&app, Duration::from_secs(31)).await.unwrap();
    }
    for (id, (payload, place)) in bad.iter().zip(UNDECODABLE) {
        let job = app.queue().wait_finished(*id, SOON).await.unwrap();
        assert_eq!(job.state, JobState::Quarantined);
        assert!(job.attempt <= 1, "only the last look may count");
        assert_eq!(job.payload, payload);
        let reason = job.reason.unwrap();
        assert!(reason.starts_with("its arguments do not decode"), "{reason}");
        assert!(reason.contains(place), "{reason}");
        let attempts = app.queue().attempts(*id).await.unwrap();
        assert!(attempts.iter().all(|one| one.outcome == "undecodable"), "{attempts:?}");
    }

    let ada = Actor("test:ada".to_owned());
    let mended = r#"{"left": 20, "right": 22}"#;
    assert!(app.queue().edit_payload(bad[0], mended, &ada).await.unwrap());
    assert_eq!(app.queue().retry(&bad[..1], &ada).await.unwrap(), 1);
    let job = eventually("it runs", SOON, async || {
        let job = find(&app, bad[0]).await;
        (job.state == JobState::Completed).then_some(job)
    });
    assert_eq!(job.await.result.as_deref(), Some("42"));
    worker.stop().await.unwrap();
}

#[rstest]
#[tokio::test]
async fn a_task_that_nobody_knows_waits_for_one_who_does(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let app = app(&database).await;
    let unknown = insert(&app, "later", "{}").await;
    let often = Duration::from_millis(200);
    let worker = app.background_worker().poll_interval(often).start().await.unwrap();
    assert_eq!(Add::apply(1, 2).to(app.queue()).await.unwrap().wait(SOON).await.unwrap(), 3);
    let parked = eventually("it is out of the way", SOON, async || {
        let job = find(&app, unknown).await;
        (job.state == JobState::Parked).then_some(job)
    });
    assert_eq!(parked.await.attempt, 0);

    let newer = database.app().name("newer").build().await.unwrap();
    let knows = newer.background_worker().start().await.unwrap();
    let job = newer.queue().wait_finished(unknown, SOON).await.unwrap();
    assert_eq!((job.state, job.result.as_deref()), (JobState::Completed, Some("true")));
    // While it lives, jobs of its task stay where they are.
    knows.stop().await.unwrap();
    worker.stop().await.unwrap();
    drop(Later::apply());
}
