//! What a task may ask of its context, and what it may tell.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use rstest::rstest;
use serde_json::json;
use taskx::{JobId, JobState, prelude::*};
use taskx_core::job::NewJob;
use taskx_tests::{Engine, SOON, eventually};
use tokio::sync::Notify;

use crate::Running;

/// What the task saw.
#[derive(Default)]
struct Seen(Mutex<Vec<serde_json::Value>>);

#[task(app = "context", queue = "context", name = "tells", alias = "told", timeout = "1h")]
async fn tell(#[arg(default)] number: u32, ctx: &Ctx, seen: &Seen) -> Result<JobId> {
    // One job of a job: the queue needs no name inside a task.
    let child = Child::apply(number).await?;
    let spawned = ctx.spawn(async move { Child::apply(number + 1).await.map(|job| job.id()) });
    spawned.await.map_err(|e| taskx::Error::new(taskx::ErrorKind::Store, e.to_string()))??;
    seen.0.lock().unwrap().push(json!({
        "id": ctx.id(),
        "attempt": ctx.attempt(),
        "last": ctx.is_last_attempt(),
        "fence": ctx.fence(),
        "queue": ctx.queue_name(),
        "task": ctx.task_name(),
        "tags": ctx.tags(),
        "user": ctx.meta("user"),
        "key": ctx.idempotency_key(),
        "due": ctx.run_at() >= ctx.inserted_at(),
        "slot": ctx.slot(),
        "state": ctx.state::<Seen>().is_some() && ctx.state::<String>().is_none(),
        "time": ctx.remaining().is_some_and(|left| left > Duration::from_secs(3_000)),
        "number": number,
    }));
    ctx.log("told");
    Ok(child.id())
}

#[task(app = "context", queue = "context")]
fn child(number: u32) -> Result<u32> {
    // Sync code finds the queue too.
    if number > 0 {
        Child::apply(number - 1).enqueue_blocking()?;
    }
    Ok(number)
}

#[task(app = "context", queue = "context")]
async fn crawl(halt: &Notify, ctx: &Ctx) {
    ctx.progress(30, "a third");
    ctx.progress(250, "nearly");
    halt.notified().await;
}

async fn running(engine: Engine, seen: &Arc<Seen>, halt: &Arc<Notify>) -> Option<Running> {
    let (seen, halt) = (Arc::clone(seen), Arc::clone(halt));
    Running::with(engine, |app| app.name("context").state_arc(seen).state_arc(halt)).await
}

#[rstest]
#[tokio::test]
async fn a_task_knows_its_job(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let (seen, halt) = (Arc::default(), Arc::default());
    let Some(running) = running(engine, &seen, &halt).await else { return };
    let apply = Tell::apply(2_u32).max_attempts(1).tag("a").meta("user", 7);
    let job = apply.to(running.app.queue()).await.unwrap();
    let child = job.wait(SOON).await.unwrap();
    let ended = running.app.queue().wait_finished(child, SOON).await.unwrap();
    assert_eq!(ended.result.as_deref(), Some("2"));
    let told = json!({
        "id": job.id(), "attempt": 1, "last": true, "fence": 1, "queue": "context",
        "task": "tells", "tags": ["a"], "user": 7, "key": format!("taskx-{}", job.id()),
        "due": true, "slot": null, "state": true, "time": true, "number": 2,
    });
    assert_eq!(*seen.0.lock().unwrap(), [told]);
    // 2, 1, 0 of the one and 3, 2, 1, 0 of the other.
    eventually("all children have run", SOON, async || {
        let done = "SELECT COUNT(*) FROM taskx_history WHERE task = 'child'";
        (running.database.number(done) == 7).then_some(())
    })
    .await;
    running.stop().await;
}

#[rstest]
#[tokio::test]
async fn a_job_of_a_former_name_or_shape_runs(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let (seen, halt) = (Arc::default(), Arc::default());
    let Some(running) = running(engine, &seen, &halt).await else { return };
    let old = NewJob::new("context", "told", r#"{"since_dropped": []}"#.to_owned());
    let id = running.app.queue().insert(old).await.unwrap();
    let ended = running.app.queue().wait_finished(id, SOON).await.unwrap();
    assert_eq!(ended.state, JobState::Completed, "{ended:?}");
    let seen = seen.0.lock().unwrap().clone();
    assert_eq!((&seen[0]["task"], &seen[0]["number"]), (&json!("told"), &json!(0)));
    running.stop().await;
}

#[rstest]
#[tokio::test]
async fn progress_is_seen_while_the_job_runs(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let (seen, halt) = (Arc::default(), Arc::<Notify>::default());
    let Some(running) = running(engine, &seen, &halt).await else { return };
    let job = Crawl::apply().to(running.app.queue()).await.unwrap();
    let progress = eventually("its progress is stored", SOON, async || {
        job.job().await.unwrap().unwrap().progress
    });
    let progress: serde_json::Value = serde_json::from_str(&progress.await).unwrap();
    assert_eq!(progress, json!({"percent": 100, "message": "nearly"}));
    assert_eq!(job.status().await.unwrap(), Some(JobState::Running));
    halt.notify_one();
    job.wait(SOON).await.unwrap();
    running.stop().await;
}
