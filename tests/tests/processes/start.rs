//! How soon after its commit a job starts in a worker of another process, whose poll is a minute away.

use std::time::{Duration, Instant};

use diesel::Connection;
use rstest::rstest;
use taskx::prelude::*;
use taskx_tests::{Engine, tasks::Nap, with_connection};

use crate::child;

const ROUNDS: usize = 20;

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_starts_its_job_in_another_process(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let app = database.app().name("signals").build().await.unwrap();
    let ledger = database.file("ledger");
    let arguments = ["work", "signals", "1", ledger.to_str().unwrap()];
    let settings = [("TASKX_LOOP_INTERVAL", "60s"), ("TASKX_DEBUG", "false")];
    let worker = child(&database, &arguments, &settings);
    Nap::apply(0_u64).to(app.queue()).await.unwrap();
    worker.line("running");
    let mut delays: Vec<Duration> = tokio::task::block_in_place(|| {
        with_connection!(database, conn => {
            (0..ROUNDS)
                .map(|_| {
                    conn.transaction(|conn| Nap::apply(0_u64).to(app.queue()).on(conn)).unwrap();
                    let committed = Instant::now();
                    worker.line("running");
                    committed.elapsed()
                })
                .collect()
        })
    });
    delays.sort_unstable();
    let (middle, worst) = (delays[ROUNDS / 2], delays[ROUNDS - 1]);
    println!("{engine:?}, another process: p50 {middle:.1?}, worst {worst:.1?} of {ROUNDS}");
    assert!(worst < Duration::from_secs(30), "a poll was waited for: {worst:?}");
    worker.stop();
}
