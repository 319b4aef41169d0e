//! Columns of waiting jobs that somebody edited by hand.

use diesel::connection::SimpleConnection;
use rstest::rstest;
use taskx::{
    App, JobId,
    inspect::{Inspect, JobFilter, Page},
};
use taskx_tests::{Database, Engine, SOON, with_connection};

use crate::Add;

/// Every column of a job but its id.
const COLUMNS: [&str; 32] = [
    "queue",
    "task",
    "state",
    "priority",
    "attempt",
    "max_attempts",
    "fence",
    "owner",
    "payload",
    "payload_format",
    "task_version",
    "inserted_at",
    "run_at",
    "claimed_at",
    "solo",
    "crash_count",
    "crash_group",
    "snooze_count",
    "cancel_requested_at",
    "progress",
    "reason",
    "tags",
    "meta",
    "trace",
    "parent_id",
    "batch_id",
    "schedule_id",
    "slot",
    "expires_at",
    "unique_key",
    "concurrency_key",
    "tenant",
];

/// What is written there, where the engine lets it: nothing, wrong words, bytes, the ends of each
/// size of number, the ends of time.
const VALUES: [&str; 18] = [
    "NULL",
    "''",
    "'no such thing'",
    "'{\"'",
    "x'00'",
    "x'ffffffffffffffffffffffffffffffffffffffff'",
    "'00000000-0000-0000-0000-000000000000'",
    "-1",
    "99",
    "32767",
    "-32768",
    "2147483647",
    "-2147483648",
    "9223372036854775807",
    "-9223372036854775807",
    "'infinity'",
    "'0000-00-00 00:00:00'",
    "'9999-12-31 23:59:59.999999'",
];

/// The id as the engine writes it in SQL.
fn literal(engine: Engine, id: JobId) -> String {
    match engine {
        Engine::Postgres => format!("'{id}'"),
        Engine::Sqlite | Engine::Mysql => format!("x'{}'", id.as_uuid().simple()),
    }
}

/// One waiting job for each column and value that the engine takes.
async fn edited(database: &Database, app: &App) -> Vec<(JobId, String)> {
    let mut edits = Vec::new();
    for column in COLUMNS {
        for value in VALUES {
            edits.push((Add::apply(1, 2).to(app.queue()).await.unwrap().id(), column, value));
        }
    }
    let mut edited = Vec::new();
    with_connection!(database, conn => for (id, column, value) in edits {
        let id_there = literal(database.engine, id);
        let sql = format!("UPDATE taskx_jobs SET {column} = {value} WHERE id = {id_there}");
        if conn.batch_execute(&sql).is_ok() {
            edited.push((id, format!("{column} = {value}")));
        }
    });
    edited
}

/// Whatever stands in a row, the worker lives, all other jobs are done, and the row is to be seen.
#[rstest]
#[tokio::test]
async fn a_row_that_was_edited_by_hand_harms_no_other(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let app = database.app().name("known").debug(false).build().await.unwrap();
    let edited = edited(&database, &app).await;
    assert!(edited.len() > COLUMNS.len() * 3, "only {} edits were taken", edited.len());
    let worker = app.background_worker().start().await.unwrap();
    for n in 0..20 {
        let job = Add::apply(n, 1).to(app.queue()).await.unwrap();
        assert_eq!(job.wait(SOON).await.unwrap(), n + 1);
    }
    let page = Page { before: None, limit: 1_000 };
    let listed = app.queue().list(&JobFilter::default(), page).await.unwrap();
    for (id, edit) in edited {
        assert!(listed.iter().any(|job| job.id == id), "{edit}: not listed");
        let job = app.queue().find(id).await.unwrap();
        assert!(job.is_some(), "{edit}: not found");
    }
    worker.stop().await.unwrap();
    app.shutdown().await.unwrap();
}
