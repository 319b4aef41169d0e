//! Migrating PostgreSQL: all of it is one transaction under an advisory lock.

use diesel::{QueryResult, RunQueryDsl, connection::LoadConnection, pg::Pg, sql_types::Text};

use crate::{
    backend::{in_transaction, sealed::Migrate},
    schema::sql_types::TaskxTime,
    statement::{Sql, statement},
    values::DbTime,
};

statement! {
    /// Lets one caller at a time migrate this schema. Taken before the record is made: two
    /// `CREATE TABLE IF NOT EXISTS` at once may still collide.
    TakeLock() = "SELECT pg_advisory_xact_lock(1952539500, hashtext(current_schema()))";
    /// The record, made by whoever comes first.
    MakeRecord() = "CREATE TABLE IF NOT EXISTS taskx_migrations (
        version text COLLATE \"C\" PRIMARY KEY,
        applied_at timestamptz NOT NULL DEFAULT now()
    )";
    Applied() -> (Text, TaskxTime) = "SELECT version, applied_at FROM taskx_migrations";
    Record(version: Text) = "INSERT INTO taskx_migrations (version) VALUES ($1)";
    Forget(version: Text) = "DELETE FROM taskx_migrations WHERE version = $1";
    Generation() -> Text = "SELECT value FROM taskx_meta WHERE name = 'generation'";
}

impl Migrate for Pg {
    fn locked<C, R>(conn: &mut C, work: impl FnOnce(&mut C) -> QueryResult<R>) -> QueryResult<R>
    where
        C: LoadConnection<Backend = Self>,
    {
        let locked = |conn: &mut C| {
            TakeLock::with(()).execute(conn)?;
            MakeRecord::with(()).execute(conn)?;
            work(conn)
        };
        if in_transaction(conn)? { locked(conn) } else { conn.transaction(locked) }
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
