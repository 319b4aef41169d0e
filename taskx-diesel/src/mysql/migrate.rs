//! Migrating MySQL: under GET_LOCK, for its DDL commits by itself. Each migration is one statement
//! that may be repeated, so one that was cut short is run again.

use diesel::{
    QueryResult, RunQueryDsl,
    connection::LoadConnection,
    mysql::Mysql,
    result::Error as DieselError,
    sql_types::{BigInt, Nullable, Text},
};
use taskx_core::error::{Error, ErrorKind};

use crate::{
    backend::{in_transaction, sealed::Migrate},
    error::to_diesel,
    schema::sql_types::TaskxTime,
    statement::{Sql, statement},
    values::DbTime,
};

statement! {
    /// The record, made by whoever comes first.
    MakeRecord() =
        "CREATE TABLE IF NOT EXISTS taskx_migrations (
            version VARCHAR(190) NOT NULL,
            applied_at DATETIME(6) NOT NULL,
            PRIMARY KEY (version)
        ) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";

    /// Locks have one name for all databases of a server.
    TakeLock() -> Nullable<BigInt> =
        "SELECT GET_LOCK(CONCAT('taskx.migrate.', MD5(DATABASE())), 20)";
    FreeLock() -> Nullable<BigInt> =
        "SELECT RELEASE_LOCK(CONCAT('taskx.migrate.', MD5(DATABASE())))";

    Applied() -> (Text, TaskxTime) = "SELECT version, applied_at FROM taskx_migrations";

    Record(version: Text) =
        "INSERT INTO taskx_migrations (version, applied_at) VALUES (?, UTC_TIMESTAMP(6))
         ON DUPLICATE KEY UPDATE version = taskx_migrations.version";

    Forget(version: Text) = "DELETE FROM taskx_migrations WHERE version = ?";

    Generation() -> Text = "SELECT value FROM taskx_meta WHERE name = 'generation'";
}

impl Migrate for Mysql {
    fn locked<C, R>(conn: &mut C, work: impl FnOnce(&mut C) -> QueryResult<R>) -> QueryResult<R>
    where
        C: LoadConnection<Backend = Self>,
    {
        // The first CREATE TABLE would commit what the caller began.
        if in_transaction(conn)? {
            return Err(DieselError::AlreadyInTransaction);
        }
        let taken: Vec<Option<i64>> = TakeLock::with(()).load(conn)?;
        if taken != [Some(1)] {
            return Err(to_diesel(Error::new(
                ErrorKind::Transient,
                "another program is migrating this database",
            )));
        }
        let answer = MakeRecord::with(()).execute(conn).and_then(|_| work(conn));
        // Of both errors the first says why; the lock goes with the connection at the latest.
        let freed: QueryResult<Vec<Option<i64>>> = FreeLock::with(()).load(conn);
        answer.and_then(|value| freed.map(|_| value))
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
