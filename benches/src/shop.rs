//! A caller's own connection, by Diesel: each transaction writes a row of the caller's, and a job.

use anyhow::Result;
use diesel::{
    Connection, ExpressionMethods, QueryResult, RunQueryDsl, SqliteConnection,
    connection::SimpleConnection,
};
use diesel_async::{
    AsyncConnection, AsyncMysqlConnection, AsyncPgConnection, RunQueryDsl as AsyncRunQueryDsl,
    SimpleAsyncConnection,
};
use taskx::prelude::*;
use taskx_measure::{Job, ORDERS};

use crate::tasks::Nothing;

diesel::table! {
    bench_orders {
        id -> BigInt,
    }
}

pub(crate) enum Shop {
    Sqlite(SqliteConnection),
    Postgres(Box<AsyncPgConnection>),
    Mysql(AsyncMysqlConnection),
}

/// One transaction on a connection of diesel-async.
macro_rules! place {
    ($conn:expr, $id:expr, $job:expr) => {
        $conn
            .transaction(async |conn| {
                let row = diesel::insert_into(bench_orders::table).values(bench_orders::id.eq($id));
                AsyncRunQueryDsl::execute(row, conn).await?;
                $job.on_async(conn).await?;
                QueryResult::Ok(())
            })
            .await?
    };
}

impl Shop {
    /// Connects, and makes the caller's table.
    pub(crate) async fn open(url: &str) -> Result<Self> {
        if let Some(path) = url.strip_prefix("sqlite://") {
            let mut conn = SqliteConnection::establish(path)?;
            conn.batch_execute("PRAGMA busy_timeout = 5000; PRAGMA synchronous = FULL")?;
            conn.batch_execute(ORDERS)?;
            return Ok(Self::Sqlite(conn));
        }
        if url.starts_with("postgres") {
            let mut conn = AsyncPgConnection::establish(url).await?;
            conn.batch_execute(ORDERS).await?;
            return Ok(Self::Postgres(Box::new(conn)));
        }
        let mut conn = AsyncMysqlConnection::establish(url).await?;
        conn.batch_execute(ORDERS).await?;
        Ok(Self::Mysql(conn))
    }

    /// Writes the row and the job, and commits both.
    pub(crate) async fn place(&mut self, Job { order, customer, note }: Job) -> Result<()> {
        let id = i64::try_from(order)?;
        match self {
            Self::Sqlite(conn) => tokio::task::block_in_place(|| {
                conn.immediate_transaction(|conn| {
                    let row =
                        diesel::insert_into(bench_orders::table).values(bench_orders::id.eq(id));
                    RunQueryDsl::execute(row, conn)?;
                    Nothing::apply(order, customer, note).on(conn)?;
                    QueryResult::Ok(())
                })
            })?,
            Self::Postgres(conn) => place!(conn, id, Nothing::apply(order, customer, note)),
            Self::Mysql(conn) => place!(conn, id, Nothing::apply(order, customer, note)),
        }
        Ok(())
    }
}
