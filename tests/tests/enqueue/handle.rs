//! The handle of an enqueued job: wait, status, cancel.

use std::{sync::mpsc::channel, time::Duration};

use rstest::rstest;
use taskx::{Actor, App, Cancelled, ErrorKind, JobState, inspect::Inspect};
use taskx_tests::{Database, Engine, SOON};

use crate::{Add, Started, idle_app};

async fn working_app(database: &Database) -> App {
    let (sender, _) = channel();
    let app = database.app().name("enqueue").state(Started(sender)).build().await.unwrap();
    app.background_worker().start().await.unwrap();
    app
}

#[rstest]
#[tokio::test]
async fn a_handle_follows_its_job(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let idle = idle_app(&database).await;
    let job = Add::apply(20, 22).to(idle.queue()).await.unwrap();
    assert_eq!(job.status().await.unwrap(), Some(JobState::Available));
    let early = job.wait(Duration::from_millis(20)).await.unwrap_err();
    assert_eq!(early.kind(), ErrorKind::Timeout);
    assert!(early.to_string().contains("available"), "{early}");

    // Another App on the database is as good as another process: only the database tells.
    let working = working_app(&database).await;
    assert_eq!(job.wait(SOON).await.unwrap(), 42);
    assert_eq!(job.status().await.unwrap(), Some(JobState::Completed));
    assert_eq!(job.clone().wait(Duration::ZERO).await.unwrap(), 42);
    assert_eq!(job.cancel().await.unwrap(), Cancelled::AlreadyFinished);
    let there = working.queue().wait_finished(job.id(), SOON).await.unwrap();
    assert_eq!((there.attempt, there.result.as_deref()), (1, Some("42")));

    let ids = [job.id()];
    assert_eq!(idle.queue().delete(&ids, &Actor::app()).await.unwrap(), 1);
    assert_eq!(job.status().await.unwrap(), None);
    assert_eq!(job.wait(SOON).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(job.cancel().await.unwrap(), Cancelled::NotFound);
    working.shutdown().await.unwrap();
}

#[rstest]
#[tokio::test]
async fn a_cancelled_job_does_not_run(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let idle = idle_app(&database).await;
    let waits = Add::apply(1, 1).to(idle.queue()).await.unwrap();
    let later = Add::apply(1, 1).delay(Duration::from_secs(60)).to(idle.queue()).await.unwrap();
    for job in [&waits, &later] {
        assert_eq!(job.cancel().await.unwrap(), Cancelled::Cancelled);
        let error = job.wait(SOON).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsuccessful);
        assert!(error.to_string().contains("cancelled"), "{error}");
    }
    let working = working_app(&database).await;
    let runs = Add::apply(1, 1).to(working.queue()).await.unwrap();
    assert_eq!(runs.wait(SOON).await.unwrap(), 2);
    working.shutdown().await.unwrap();
    for job in [&waits, &later] {
        let job = job.job().await.unwrap().unwrap();
        assert_eq!((job.state, job.fence), (JobState::Cancelled, 0));
    }
}
