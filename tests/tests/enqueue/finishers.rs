//! Each finisher stores a job that is durable when it returns.

use std::{
    future::{IntoFuture, pending},
    thread,
    time::{Duration, Instant},
};

use rstest::rstest;
use taskx::{ErrorKind, JobState, inspect::Inspect};
use taskx_tests::Engine;

use crate::{Add, idle_app, jobs};

#[rstest]
#[tokio::test]
async fn every_finisher_has_stored_its_job_when_it_returns(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let app = idle_app(&database).await;
    let queue = app.queue();

    Add::apply(1, 0).to(queue).await.unwrap();
    assert_eq!(jobs(&database), 1);
    Add { left: 2, right: 0 }.enqueue().to(queue).await.unwrap();
    assert_eq!(jobs(&database), 2);
    queue.scope(async { Add::apply(3, 0).await }).await.unwrap();
    assert_eq!(jobs(&database), 3);
    queue.scope_blocking(|| Add::apply(4, 0).enqueue_blocking()).unwrap();
    assert_eq!(jobs(&database), 4);
    let many = [Add::apply(5, 0), Add::apply(6, 0).priority(3)];
    assert_eq!(queue.apply_many(many).await.unwrap().len(), 2);
    assert_eq!(jobs(&database), 6);
    let many = (7..10).map(|left| Add { left, right: 0 });
    assert_eq!(queue.apply_many::<Add, _>(many).enqueue_blocking().unwrap().len(), 3);
    assert_eq!(jobs(&database), 9);

    let all = queue.list(&Default::default(), Default::default()).await.unwrap();
    let stored: Vec<_> = all.iter().rev().map(|job| job.payload.clone()).collect();
    let meant: Vec<_> = (1..10).map(|left| format!(r#"{{"left":{left},"right":0}}"#)).collect();
    assert_eq!(stored, meant, "in the order of the calls");
    assert!(all.iter().all(|job| job.state == JobState::Available && job.queue == "enqueue"));
}

#[rstest]
#[test]
fn sync_code_enqueues_from_any_thread(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let current = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let many = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let app = current.block_on(idle_app(&database));
    let enqueue = |left| Add::apply(left, 0).to(app.queue()).enqueue_blocking().unwrap();
    // No runtime at all, inside one of one thread, inside one of several, on its blocking pool.
    thread::scope(|scope| scope.spawn(|| enqueue(1)).join()).unwrap();
    current.block_on(async { enqueue(2) });
    many.block_on(async { enqueue(3) });
    let queue = app.queue().clone();
    let spawned = many.spawn(async move { Add::apply(4, 0).to(&queue).enqueue_blocking() });
    many.block_on(spawned).unwrap().unwrap();
    let queue = app.queue().clone();
    let blocking = many.spawn_blocking(move || Add::apply(5, 0).to(&queue).enqueue_blocking());
    many.block_on(blocking).unwrap().unwrap();
    assert_eq!(jobs(&database), 5);
    // The runtime that the App was built on may end before it.
    drop(current);
    enqueue(6);
    assert_eq!(jobs(&database), 6);
}

/// A lone caller's connection may belong to its own runtime, and must not be missed with it.
#[rstest]
#[test]
fn lone_callers_come_from_runtimes_that_end(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let many = || tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let home = many();
    let app = home.block_on(idle_app(&database));
    let begun = Instant::now();
    for left in 0..3 {
        let (runtime, queue) = (many(), app.queue().clone());
        let alone = runtime.spawn(async move {
            for right in 0..3 {
                Add::apply(left, right).to(&queue).await.unwrap();
            }
        });
        runtime.block_on(alone).unwrap();
    }
    assert_eq!(jobs(&database), 9);
    // One that is shut down while the insert is under way.
    let (runtime, queue) = (many(), app.queue().clone());
    let (tell, told) = std::sync::mpsc::channel();
    runtime.spawn(async move {
        let _under_way = Add::apply(9, 9).to(&queue).into_future();
        tell.send(()).unwrap();
        pending::<()>().await;
    });
    told.recv().unwrap();
    runtime.shutdown_background();
    while jobs(&database) < 10 && begun.elapsed() < Duration::from_secs(25) {
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(jobs(&database), 10);
    // One that cannot drive a connection.
    let (bare, queue) = (tokio::runtime::Builder::new_multi_thread().build().unwrap(), app.queue());
    bare.block_on(async { Add::apply(10, 9).to(queue).await }).unwrap();
    assert_eq!(jobs(&database), 11);
    // And nobody waits for what has gone.
    home.block_on(async { Add::apply(10, 10).to(app.queue()).await }).unwrap();
    assert_eq!(jobs(&database), 12);
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_at_once_lose_nothing(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let app = idle_app(&database).await;
    let callers: Vec<_> = (0..200)
        .map(|left| {
            let queue = app.queue().clone();
            tokio::spawn(async move {
                let job = Add::apply(left, 1).to(&queue).await.unwrap();
                // Its own commit is seen by its own caller at once.
                queue.find(job.id()).await.unwrap().unwrap().payload
            })
        })
        .collect();
    for (left, caller) in callers.into_iter().enumerate() {
        assert_eq!(caller.await.unwrap(), format!(r#"{{"left":{left},"right":1}}"#));
    }
    assert_eq!(jobs(&database), 200);
}

#[rstest]
#[tokio::test]
async fn a_bulk_of_any_size_is_all_or_nothing(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let app = idle_app(&database).await;
    let many = (0..25_000).map(|left| Add { left, right: 0 });
    app.queue().apply_many::<Add, _>(many).await.unwrap();
    assert_eq!(jobs(&database), 25_000);
    let bad = (0..100).map(|n| Add::apply(n, n).max_attempts(u16::from(n != 50)));
    let error = app.queue().apply_many(bad).await.unwrap_err();
    assert!(error.to_string().contains("max_attempts"), "{error}");
    assert_eq!(jobs(&database), 25_000);
    let nothing: [Add; 0] = [];
    assert_eq!(app.queue().apply_many(nothing).await.unwrap().len(), 0);
}

/// Many jobs are one transaction of one queue: one that names another is not silently put here.
#[tokio::test]
async fn many_jobs_go_into_one_queue() {
    let (here, there) = (Engine::Sqlite.database().unwrap(), Engine::Sqlite.database().unwrap());
    let (app, other) = (idle_app(&here).await, idle_app(&there).await);
    let queue = app.queue();
    queue.apply_many([Add::apply(1, 2).to(queue), Add::apply(3, 4)]).await.unwrap();
    let error = queue.apply_many([Add::apply(1, 2).to(other.queue())]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("`.to(..)`"), "{error}");
    assert_eq!((jobs(&here), jobs(&there)), (2, 0));
}
