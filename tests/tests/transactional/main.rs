//! Tasks that take a connection: what they write and the job's completion are one transaction, on
//! every connection that a task can take.
//!
//! Each connection is a module made by the same macro: an App with the same tasks on it.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test")]

#[macro_use]
mod tasks;
mod proofs;

use rstest::rstest;
use serde::{Deserialize, Serialize};
use taskx_tests::Engine;

/// What a task does after it has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Then {
    Succeed,
    Fail,
    FailOnce,
    Panic,
    Snooze,
    Enqueue,
    EnqueueAndFail,
    WaitForGate,
}

sync_tasks! { sqlite_sync, "sqlite-sync", ::diesel::SqliteConnection }
async_tasks! { sqlite_async, "sqlite-async", ::taskx::AsyncSqliteConn }
#[cfg(feature = "postgres")]
sync_tasks! { postgres_sync, "postgres-sync", ::taskx::PgConn }
#[cfg(feature = "postgres")]
async_tasks! { postgres_async, "postgres-async", ::diesel_async::AsyncPgConnection }
#[cfg(feature = "mysql")]
sync_tasks! { mysql_sync, "mysql-sync", ::taskx::MysqlConn }
#[cfg(feature = "mysql")]
async_tasks! { mysql_async, "mysql-async", ::diesel_async::AsyncMysqlConnection }

/// Makes a test of each proof on each connection.
macro_rules! on_each_connection {
    ($($proof:ident)*) => {$(
        #[rstest]
        #[case::sqlite(Engine::Sqlite)]
        #[case::postgres(Engine::Postgres)]
        #[case::mysql(Engine::Mysql)]
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $proof(#[case] engine: Engine) {
            match engine {
                Engine::Sqlite => {
                    proofs::$proof(engine, &sqlite_sync::TASKS).await;
                    proofs::$proof(engine, &sqlite_async::TASKS).await;
                }
                #[cfg(feature = "postgres")]
                Engine::Postgres => {
                    proofs::$proof(engine, &postgres_sync::TASKS).await;
                    proofs::$proof(engine, &postgres_async::TASKS).await;
                }
                #[cfg(feature = "mysql")]
                Engine::Mysql => {
                    proofs::$proof(engine, &mysql_sync::TASKS).await;
                    proofs::$proof(engine, &mysql_async::TASKS).await;
                }
                #[cfg(not(all(feature = "postgres", feature = "mysql")))]
                other => assert!(other.database().is_none()),
            }
        }
    )*};
}

on_each_connection! {
    effects_and_completion_are_seen_together
    a_failure_rolls_both_back
    a_second_attempt_writes_once
    what_it_enqueues_goes_with_it
    a_stolen_job_leaves_nothing
    a_timeout_rolls_back
    a_snooze_rolls_back_and_uses_no_attempt
    a_layers_verdict_decides_the_transaction
}
