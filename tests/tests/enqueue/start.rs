//! How soon after its commit a job starts, in a worker of the same process. The worker's poll is a
//! minute away, so that only a wake-up can be the reason.
#![expect(clippy::print_stdout, reason = "the figures are what one wants to read")]

use std::{
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

use diesel::{Connection, QueryResult};
use rstest::rstest;
use taskx::{JobId, QueueTransaction, prelude::*};
use taskx_tests::{Database, Engine, SOON, with_async_connection, with_connection};

use crate::{Begin, Started};

const ROUNDS: u32 = 20;

/// A worker beside the caller, and what it began.
struct Beside {
    database: Database,
    app: App,
    started: Receiver<(JobId, Instant)>,
}

impl Beside {
    async fn new(engine: Engine) -> Option<Self> {
        let database = engine.database()?;
        let (sender, started) = channel();
        let app = database.app().name("enqueue").state(Started(sender)).debug(false);
        let app = app.loop_interval(Duration::from_secs(60)).build().await.unwrap();
        app.background_worker().start().await.unwrap();
        Some(Self { database, app, started })
    }

    /// How long after now the next job begins.
    fn delay(&self) -> Duration {
        let committed = Instant::now();
        let (_, began) = self.started.recv_timeout(SOON).unwrap();
        began.saturating_duration_since(committed)
    }
}

/// Prints the middle and the worst; fails if a poll must have been waited for.
fn report(engine: Engine, way: &str, mut delays: Vec<Duration>) {
    delays.sort_unstable();
    let (middle, worst) = (delays[delays.len() / 2], delays[delays.len() - 1]);
    println!("{engine:?}, {way}: p50 {middle:.1?}, worst {worst:.1?} of {}", delays.len());
    assert!(worst < Duration::from_secs(30), "{engine:?}, {way}: {worst:?}");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_starts_soon_after_its_commit(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(beside) = Beside::new(engine).await else { return };
    let queue = beside.app.queue();
    let mut delays = Vec::new();
    for number in 0..ROUNDS {
        Begin::apply(number).to(queue).await.unwrap();
        delays.push(beside.delay());
    }
    report(engine, "await", std::mem::take(&mut delays));

    tokio::task::block_in_place(|| {
        with_connection!(beside.database, conn => {
            for number in 0..ROUNDS {
                conn.transaction(|conn| Begin::apply(number).to(queue).on(conn)).unwrap();
                delays.push(beside.delay());
            }
            report(engine, "on(conn)", std::mem::take(&mut delays));
            for number in 0..ROUNDS {
                queue.transaction(&mut conn, |conn| Begin::apply(number).on(conn)).unwrap();
                delays.push(beside.delay());
            }
            report(engine, "queue.transaction", std::mem::take(&mut delays));
        });
    });

    with_async_connection!(beside.database, conn => {
        use diesel_async::AsyncConnection;
        for number in 0..ROUNDS {
            let insert = conn.transaction(async |conn| {
                Begin::apply(number).to(queue).on_async(conn).await
            });
            insert.await.unwrap();
            delays.push(beside.delay());
        }
        report(engine, "on_async(conn)", delays);
    });
    beside.app.shutdown().await.unwrap();
}

/// The commit comes a second after the insert, when the fine probes are over.
#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_commit_starts_its_job_too(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(beside) = Beside::new(engine).await else { return };
    tokio::task::block_in_place(|| {
        with_connection!(beside.database, conn => {
            conn.transaction(|conn| {
                let job = Begin::apply(1_u32).to(beside.app.queue()).on(conn)?;
                std::thread::sleep(Duration::from_millis(3_000));
                QueryResult::Ok(job)
            }).unwrap();
        });
        report(engine, "on(conn), committed 3 s later", vec![beside.delay()]);
    });
    beside.app.shutdown().await.unwrap();
}
