//! What ends with an App, and what its handles say then.

use rstest::rstest;
use taskx::{ErrorKind, JobState};
use taskx_tests::{Engine, SOON, eventually};

use crate::{Diary, Plain};

#[rstest]
#[tokio::test]
async fn after_a_shutdown_handles_answer_with_an_error(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let app = database.app().state(Diary::default()).build().await.unwrap();
    let worker = app.background_worker().start().await.unwrap();
    let job = Plain::apply().to(app.queue()).await.unwrap();
    job.wait(SOON).await.unwrap();
    app.shutdown().await.unwrap();
    app.shutdown().await.unwrap();
    assert_eq!(job.status().await.unwrap_err().kind(), ErrorKind::NoStore);
    let late = Plain::apply().to(app.queue()).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::NoStore);
    let stopped = worker.stop().await.unwrap();
    assert_eq!((stopped.given_back, stopped.counts.completed), (0, 1));
    assert_eq!(database.number("SELECT COUNT(*) FROM taskx_workers"), 0);
}

#[rstest]
#[tokio::test]
async fn the_last_app_that_is_dropped_stops_its_workers(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let app = database.app().state(Diary::default()).build().await.unwrap();
    let twin = app.clone();
    app.background_worker().start().await.unwrap();
    drop(app);
    let job = Plain::apply().to(twin.queue()).await.unwrap();
    assert_eq!(job.wait(SOON).await.unwrap(), ());
    assert_eq!(job.status().await.unwrap(), Some(JobState::Completed));
    drop((twin, job));
    eventually("the worker's row is retired", SOON, async || {
        (database.number("SELECT COUNT(*) FROM taskx_workers") == 0).then_some(())
    })
    .await;
}
