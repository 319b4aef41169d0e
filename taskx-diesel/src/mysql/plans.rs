//! How much the statements of a worker at rest read.

#[path = "../../tests/mysql_database/mod.rs"]
mod mysql_database;

use std::time::Duration;

use diesel::sql_types::Text;
use taskx_core::{
    job::{NewJob, RunAt},
    store::Store,
};

use self::mysql_database::Database;
use super::{
    run::{Run, Session},
    statements::{
        upkeep::{FirstTasks, NextDue},
        workers::LookAround,
    },
};
use crate::{
    MysqlOptions, MysqlStore,
    statement::{Sql, statement},
};

statement! {
    /// How many rows this session has read by going on in an index.
    RowsRead() -> (Text, Text) = "SHOW SESSION STATUS LIKE 'Handler_read_next'";
}

async fn rows_read(session: &mut Session) -> u64 {
    let status: Vec<(String, String)> = session.load(RowsRead::with(())).await.unwrap();
    status[0].1.parse().unwrap()
}

#[tokio::test]
async fn mysql_reads_neither_what_is_due_later_nor_what_waits() {
    let Some(database) = Database::create() else {
        eprintln!("left out: TASKX_TEST_MYSQL is not set");
        return;
    };
    let store = MysqlStore::connect(&database.url, MysqlOptions::default()).await.unwrap();
    store.migrate().await.unwrap();
    let later = RunAt::In(Duration::from_secs(3_600));
    let jobs: Vec<_> = (0..1_000)
        .map(|n| NewJob {
            run_at: if n % 2 == 0 { later } else { RunAt::Now },
            ..NewJob::new("mail", "send", "[]".to_owned())
        })
        .collect();
    store.insert(&jobs).await.unwrap();
    let mut session = store.target.open().await.unwrap();
    let before = rows_read(&mut session).await;
    let next: Vec<i64> = session.load(NextDue::with(())).await.unwrap();
    let told: Vec<(Option<i64>, Option<i64>, Option<String>)> =
        session.load(LookAround::with(("taskx.none", r#"["mail"]"#))).await.unwrap();
    let first: Vec<(crate::DbId, String)> =
        session.load(FirstTasks::with(("mail", 1))).await.unwrap();
    assert_eq!((next.len(), told.len(), first.len()), (1, 2, 1));
    let read = rows_read(&mut session).await - before;
    assert!(read < 50, "{read} rows");
}
