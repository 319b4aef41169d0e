//! A claim's watermark passes what lies before it, and so must not last: what becomes available in
//! front of a backlog runs while the backlog still flows.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use rstest::rstest;
use taskx::{Actor, inspect::Inspect, prelude::*};
use taskx_tests::{Engine, SOON, eventually};

/// More than are worked off before the first of all is seen again, however quick the machine is.
const BACKLOG: usize = 10_000;

static DONE: AtomicUsize = AtomicUsize::new(0);

#[task(queue = "flow")]
async fn flow() {
    tokio::time::sleep(Duration::from_millis(5)).await;
    DONE.fetch_add(1, Ordering::Relaxed);
}

/// Fails at first; how many of the backlog were done when it ran again.
#[task(queue = "flow", max_attempts = 1)]
async fn first(ctx: &Ctx) -> Result<usize, std::fmt::Error> {
    if ctx.fence() == 1 {
        return Err(std::fmt::Error);
    }
    Ok(DONE.load(Ordering::Relaxed))
}

/// Another process brings it back, so that nobody tells the worker of it.
#[rstest]
#[tokio::test]
async fn what_comes_back_in_front_of_a_backlog_is_claimed_while_it_flows(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    DONE.store(0, Ordering::Relaxed);
    let Some(database) = engine.database() else { return };
    let app = database.app().debug(false).build().await.unwrap();
    let other = database.app().debug(false).build().await.unwrap();
    let worker = app.background_worker().concurrency(4).start().await.unwrap();
    let before = First::apply().to(app.queue()).await.unwrap();
    app.queue().wait_finished(before.id(), SOON).await.unwrap();
    app.queue().apply_many((0..BACKLOG).map(|_| Flow {})).await.unwrap();
    eventually("the backlog flows", SOON, async || {
        (DONE.load(Ordering::Relaxed) > 100).then_some(())
    })
    .await;
    let ada = Actor("test:ada".to_owned());
    assert_eq!(other.queue().retry(&[before.id()], &ada).await.unwrap(), 1);
    let when = before.wait(SOON).await.unwrap();
    assert!(when < BACKLOG, "it ran only after all others");
    worker.stop().await.unwrap();
}
