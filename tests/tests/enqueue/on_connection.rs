//! Enqueueing on Diesel's own connections: `SqliteConnection`, `PgConnection` over libpq,
//! `MysqlConnection` over the C client. The job is there if and only if the transaction commits.

use std::sync::mpsc::channel;

use diesel::{
    Connection, QueryResult,
    connection::{SimpleConnection, TransactionManager},
    result::Error as DieselError,
};
use rstest::rstest;
use taskx::{App, ErrorKind, JobId, QueueTransaction, error_from_diesel, prelude::*};
#[cfg(feature = "postgres")]
use taskx_core::store::{Wake, WakeSource};
use taskx_tests::{Database, Engine, with_connection};

use crate::{Add, Begin, Started, idle_app, jobs};

const NOTES: &str = "CREATE TABLE notes (note VARCHAR(40) NOT NULL)";
const NOTE: &str = "INSERT INTO notes VALUES ('hello')";

fn notes(database: &Database) -> i64 {
    database.number("SELECT COUNT(*) FROM notes")
}

/// Begins a transaction that is not ended here.
fn begin<C: Connection>(conn: &mut C) {
    C::TransactionManager::begin_transaction(conn).unwrap();
}

#[rstest]
#[tokio::test]
async fn a_commit_shows_the_job_and_a_rollback_leaves_nothing(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let app = idle_app(&database).await;
    database.execute(NOTES);
    with_connection!(database, conn => {
        let job = conn.transaction(|conn| {
            conn.batch_execute(NOTE)?;
            let job = Add::apply(1, 2).to(app.queue()).on(conn)?;
            // A second connection sees neither before the commit.
            assert_eq!((notes(&database), jobs(&database)), (0, 0));
            QueryResult::Ok(job)
        }).unwrap();
        assert_eq!((notes(&database), jobs(&database)), (1, 1));
        assert!(job.is_new());
        assert!(app.queue().find(job.id()).await.unwrap().is_some());

        let mut gone = None;
        let rolled_back: QueryResult<()> = conn.transaction(|conn| {
            conn.batch_execute(NOTE)?;
            gone = Some(Add::apply(1, 2).to(app.queue()).on(conn)?);
            Err(DieselError::RollbackTransaction)
        });
        assert!(rolled_back.is_err());
        assert_eq!((notes(&database), jobs(&database)), (1, 1));
        assert!(gone.unwrap().status().await.unwrap().is_none());

        // A connection that is closed in the middle rolls back too.
        begin(&mut conn);
        conn.batch_execute(NOTE).unwrap();
        Add::apply(1, 2).to(app.queue()).on(&mut conn).unwrap();
        drop(conn);
    });
    assert_eq!((notes(&database), jobs(&database)), (1, 1));
}

#[rstest]
#[tokio::test]
async fn a_savepoint_that_is_rolled_back_takes_its_jobs_along(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let app = idle_app(&database).await;
    with_connection!(database, conn => {
        conn.transaction(|conn| {
            let many = (0..500).map(|left| Add { left, right: 0 });
            assert_eq!(app.queue().apply_many::<Add, _>(many).on(conn)?.len(), 500);
            let inner: QueryResult<()> = conn.transaction(|conn| {
                Add::apply(1, 2).to(app.queue()).on(conn)?;
                Err(DieselError::RollbackTransaction)
            });
            assert!(inner.is_err());
            // The same id twice in one transaction is one job.
            let id = JobId::new();
            assert!(Add::apply(1, 2).id(id).to(app.queue()).on(conn)?.is_new());
            assert!(!Add::apply(1, 2).id(id).to(app.queue()).no_notify().on(conn)?.is_new());
            QueryResult::Ok(())
        }).unwrap();
    });
    assert_eq!(jobs(&database), 501);
}

/// What is told comes in its order, so a word of the last insert means that none came before it.
#[cfg(feature = "postgres")]
#[tokio::test]
async fn listeners_are_told_unless_the_caller_leaves_it_out() {
    let Some(database) = Engine::Postgres.database() else { return };
    let app = idle_app(&database).await;
    let listener = taskx_tests::stores::open(&database).await;
    let (sender, mut told) = tokio::sync::mpsc::unbounded_channel();
    assert_eq!(listener.watch(sender).await, WakeSource::Messages);
    let (queue, add) = (app.queue(), || Add::apply(1, 2).to(app.queue()));
    with_connection!(database, conn => {
        add().no_notify().on(&mut conn).unwrap();
        queue.apply_many([add(), add()]).no_notify().on(&mut conn).unwrap();
        queue.apply_many([add().no_notify()]).on(&mut conn).unwrap();
        queue.apply_many([add().queue("many")]).on(&mut conn).unwrap();
        add().queue("single").on(&mut conn).unwrap();
    });
    for expected in ["many", "single"] {
        let word = loop {
            match told.recv().await.unwrap() {
                Wake::Any => {}
                word => break word,
            }
        };
        assert_eq!(word, Wake::Queue(expected.to_owned()));
    }
}

#[rstest]
#[tokio::test]
async fn a_refusal_of_taskx_comes_back_through_diesel(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let app = database.app().name("enqueue").set(|config| config.payload_limit = 20);
    let app = app.build().await.unwrap();
    with_connection!(database, conn => {
        let refused = conn.transaction(|conn| {
            Add::apply(i64::MAX, i64::MAX).to(app.queue()).on(conn)?;
            QueryResult::Ok(())
        });
        let error = error_from_diesel(refused.unwrap_err());
        assert_eq!(error.kind(), ErrorKind::Payload);
        assert!(error.to_string().contains("`payload_limit`"), "{error}");
    });
    assert_eq!(jobs(&database), 0);
}

/// Twenty transactions that commit and twenty that do not, beside a worker.
#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolled_back_job_never_runs(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let (sender, started) = channel();
    let app = database.app().name("enqueue").state(Started(sender)).build().await.unwrap();
    let worker = app.background_worker().start().await.unwrap();
    let committed = tokio::task::block_in_place(|| forty_transactions(&database, &app));
    let mut ran: Vec<_> =
        committed.iter().map(|_| started.recv_timeout(taskx_tests::SOON).unwrap().0).collect();
    worker.wait_idle().await.unwrap();
    worker.stop().await.unwrap();
    ran.sort_unstable();
    assert_eq!(ran, committed);
    assert!(started.try_recv().is_err(), "no other job has run");
    assert_eq!(jobs(&database), 20);
}

/// Answers the jobs of the transactions that committed.
fn forty_transactions(database: &Database, app: &App) -> Vec<JobId> {
    let mut committed = Vec::new();
    with_connection!(database, conn => {
        for number in 0..40 {
            let result = app.queue().transaction(&mut conn, |conn| {
                // Within taskx's own transaction the queue needs no name.
                let job = Begin::apply(number).on(conn)?;
                if number % 2 == 0 { Ok(job.id()) } else { Err(DieselError::RollbackTransaction) }
            });
            assert_eq!(result.is_ok(), number % 2 == 0, "{result:?}");
            committed.extend(result);
        }
    });
    committed.sort_unstable();
    committed
}
