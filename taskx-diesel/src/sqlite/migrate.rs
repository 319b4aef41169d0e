//! Migrating SQLite: all of it is one transaction that writes first, which is the lock too.

use diesel::{
    QueryResult, RunQueryDsl, connection::LoadConnection, sql_types::Text, sqlite::Sqlite,
};

use crate::{
    backend::{in_transaction, sealed::Migrate},
    schema::sql_types::TaskxTime,
    sqlite::busy::until_free,
    statement::{Sql, statement},
    values::DbTime,
};

statement! {
    /// The record, made by whoever comes first.
    MakeRecord() = "CREATE TABLE IF NOT EXISTS taskx_migrations (
        version TEXT PRIMARY KEY NOT NULL,
        applied_at INTEGER NOT NULL
            DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER))
    ) STRICT";
    /// Takes the only write lock. Diesel begins plain transactions, and the first statement of one
    /// may wait for the lock, whereas a later one fails once another connection has written.
    TakeLock() = "UPDATE taskx_migrations SET version = version WHERE 0";
    Applied() -> (Text, TaskxTime) = "SELECT version, applied_at FROM taskx_migrations";
    Record(version: Text) = "INSERT INTO taskx_migrations (version) VALUES (?)";
    Forget(version: Text) = "DELETE FROM taskx_migrations WHERE version = ?";
    Generation() -> Text = "SELECT value FROM taskx_meta WHERE name = 'generation'";
}

impl Migrate for Sqlite {
    fn locked<C, R>(conn: &mut C, work: impl FnOnce(&mut C) -> QueryResult<R>) -> QueryResult<R>
    where
        C: LoadConnection<Backend = Self>,
    {
        if in_transaction(conn)? {
            MakeRecord::with(()).execute(conn)?;
            return work(conn);
        }
        until_free(|| MakeRecord::with(()).execute(conn))?;
        // `work` runs at most once: only what takes the lock is repeated.
        let mut work = Some(work);
        until_free(|| {
            conn.transaction(|conn| {
                TakeLock::with(()).execute(conn)?;
                match work.take() {
                    Some(work) => work(conn),
                    None => Err(diesel::result::Error::BrokenTransactionManager),
                }
            })
        })
    }

    fn applied<C>(conn: &mut C) -> QueryResult<Vec<(String, DbTime)>>
    where
        C: LoadConnection<Backend = Self>,
    {
        Applied::with(()).load(conn)
    }

    fn record<C>(conn: &mut C, version: &str) -> QueryResult<()>
    where
        C: LoadConnection<Backend = Self>,
    {
        Record::with((version,)).execute(conn).map(drop)
    }

    fn forget<C>(conn: &mut C, version: &str) -> QueryResult<()>
    where
        C: LoadConnection<Backend = Self>,
    {
        Forget::with((version,)).execute(conn).map(drop)
    }

    fn generation<C>(conn: &mut C) -> QueryResult<i64>
    where
        C: LoadConnection<Backend = Self>,
    {
        let rows: Vec<String> = Generation::with(()).load(conn)?;
        Ok(rows.first().and_then(|value| value.parse().ok()).unwrap_or(0))
    }
}
