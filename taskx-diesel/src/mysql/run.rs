//! One way to run statements on our own connections and on a caller's, async or not.
//!
//! What inserts and settles is written once, over [`Run`]. On a sync connection every future is
//! ready when it is first polled.

use std::{future::Future, num::NonZeroU32, time::Duration};

use diesel::{
    QueryResult,
    connection::{LoadConnection, TransactionManagerStatus},
    deserialize::FromSqlRow,
    expression::QueryMetadata,
    mysql::Mysql,
    query_builder::{Query, QueryFragment, QueryId},
    query_dsl::CompatibleType,
    result::{DatabaseErrorKind, Error as DieselError},
};
use diesel_async::{
    AnsiTransactionManager, AsyncConnection, AsyncMysqlConnection, SimpleAsyncConnection,
    TransactionManager,
};
use futures_util::FutureExt;
use tokio::task::JoinSet;

/// Something that runs statements.
pub(super) trait Run: Send {
    /// Runs a statement; answers how many rows it found (also those that it left as they were).
    fn execute<Q>(&mut self, query: Q) -> impl Future<Output = QueryResult<usize>> + Send
    where
        Q: QueryFragment<Mysql> + QueryId + Send;

    /// Runs a statement and reads its rows.
    fn load<U, Q, ST>(&mut self, query: Q) -> impl Future<Output = QueryResult<Vec<U>>> + Send
    where
        Q: Query + QueryFragment<Mysql> + QueryId + Send,
        Q::SqlType: CompatibleType<U, Mysql, SqlType = ST>,
        Mysql: QueryMetadata<Q::SqlType>,
        U: FromSqlRow<ST, Mysql> + Send + 'static,
        ST: 'static;
}

/// A connection of ours: each statement has a time limit.
pub(super) struct Session {
    pub(super) conn: AsyncMysqlConnection,
    pub(super) limit: Duration,
    /// A task that never ends by itself on the runtime that drives the socket, if that is not one of
    /// the App's: it ends with that runtime.
    pub(super) life: JoinSet<()>,
}

/// Waits for one round trip, but not for ever: a silent network says nothing. Whoever gets this
/// error must close the connection, for the answer may still come.
async fn in_time<T>(limit: Duration, trip: impl Future<Output = QueryResult<T>>) -> QueryResult<T> {
    tokio::time::timeout(limit, trip).await.unwrap_or_else(|_| {
        Err(DieselError::DatabaseError(
            DatabaseErrorKind::ClosedConnection,
            Box::new(format!("statement timeout: no answer within {limit:?}")),
        ))
    })
}

/// A connection that was idle for so long is asked for a word before it is used. Longer than the
/// pauses of an idle worker's looks, each of which would else be two statements.
pub(super) const STALE: Duration = Duration::from_secs(10);

/// How long that word may take.
const PATIENCE: Duration = Duration::from_secs(2);

impl Session {
    /// Begins a transaction.
    pub(super) async fn begin(&mut self) -> QueryResult<()> {
        in_time(self.limit, AnsiTransactionManager::begin_transaction(&mut self.conn)).await
    }

    /// Commits it.
    pub(super) async fn commit(&mut self) -> QueryResult<()> {
        in_time(self.limit, AnsiTransactionManager::commit_transaction(&mut self.conn)).await
    }

    /// Rolls it back.
    pub(super) async fn roll_back(&mut self) -> QueryResult<()> {
        in_time(self.limit, AnsiTransactionManager::rollback_transaction(&mut self.conn)).await
    }

    /// How many transactions are open in one another; `None` if the connection is broken.
    pub(super) fn depth(&mut self) -> Option<u32> {
        match AnsiTransactionManager::transaction_manager_status_mut(&mut self.conn) {
            TransactionManagerStatus::Valid(status) => {
                Some(status.transaction_depth().map_or(0, NonZeroU32::get))
            }
            TransactionManagerStatus::InError => None,
        }
    }

    /// Whether the server still answers.
    pub(super) async fn answers(&mut self) -> bool {
        in_time(PATIENCE, self.conn.batch_execute("DO 0")).await.is_ok()
    }

    /// Runs SQL that has no binds and gives no rows.
    pub(super) async fn plain(&mut self, text: &str) -> QueryResult<()> {
        in_time(self.limit, self.conn.batch_execute(text)).await
    }
}

impl Run for Session {
    async fn execute<Q>(&mut self, query: Q) -> QueryResult<usize>
    where
        Q: QueryFragment<Mysql> + QueryId + Send,
    {
        in_time(self.limit, Theirs(&mut self.conn).execute(query)).await
    }

    async fn load<U, Q, ST>(&mut self, query: Q) -> QueryResult<Vec<U>>
    where
        Q: Query + QueryFragment<Mysql> + QueryId + Send,
        Q::SqlType: CompatibleType<U, Mysql, SqlType = ST>,
        Mysql: QueryMetadata<Q::SqlType>,
        U: FromSqlRow<ST, Mysql> + Send + 'static,
        ST: 'static,
    {
        in_time(self.limit, Theirs(&mut self.conn).load(query)).await
    }
}

/// A caller's connection of diesel-async, without a limit of ours.
pub(super) struct Theirs<'c, C>(pub(super) &'c mut C);

impl<C: AsyncConnection<Backend = Mysql>> Run for Theirs<'_, C> {
    async fn execute<Q>(&mut self, query: Q) -> QueryResult<usize>
    where
        Q: QueryFragment<Mysql> + QueryId + Send,
    {
        diesel_async::methods::ExecuteDsl::<C>::execute(query, self.0).await
    }

    async fn load<U, Q, ST>(&mut self, query: Q) -> QueryResult<Vec<U>>
    where
        Q: Query + QueryFragment<Mysql> + QueryId + Send,
        Q::SqlType: CompatibleType<U, Mysql, SqlType = ST>,
        Mysql: QueryMetadata<Q::SqlType>,
        U: FromSqlRow<ST, Mysql> + Send + 'static,
        ST: 'static,
    {
        use futures_util::TryStreamExt;
        let rows = diesel_async::methods::LoadQuery::<C, U>::internal_load(query, self.0).await?;
        rows.try_collect().await
    }
}

/// A caller's sync connection.
pub(super) struct Blocking<'c, C>(pub(super) &'c mut C);

impl<C: LoadConnection<Backend = Mysql>> Run for Blocking<'_, C> {
    async fn execute<Q>(&mut self, query: Q) -> QueryResult<usize>
    where
        Q: QueryFragment<Mysql> + QueryId + Send,
    {
        self.0.execute_returning_count(&query)
    }

    async fn load<U, Q, ST>(&mut self, query: Q) -> QueryResult<Vec<U>>
    where
        Q: Query + QueryFragment<Mysql> + QueryId + Send,
        Q::SqlType: CompatibleType<U, Mysql, SqlType = ST>,
        Mysql: QueryMetadata<Q::SqlType>,
        U: FromSqlRow<ST, Mysql> + Send + 'static,
        ST: 'static,
    {
        let rows = self.0.load(query)?;
        let read = |row: QueryResult<C::Row<'_, '_>>| {
            U::build_from_row(&row?).map_err(DieselError::DeserializationError)
        };
        rows.map(read).collect()
    }
}

/// The value of a future over [`Blocking`], which never waits.
///
/// # Errors
/// The future's; `BrokenTransactionManager` if it waited after all.
pub(super) fn at_once<T>(work: impl Future<Output = QueryResult<T>>) -> QueryResult<T> {
    work.now_or_never().unwrap_or(Err(DieselError::BrokenTransactionManager))
}
