//! What differs between the engines where a caller brings its own connection.

use std::future::Future;

use diesel::{
    QueryResult,
    backend::Backend,
    connection::{Connection, LoadConnection},
};
use diesel_async::AsyncConnection;
use taskx_core::{
    job::NewJob,
    outcome::Settlement,
    store::{Engine, Inserted, Settled},
};

/// Keeps [`TaskxBackend`] to the engines of this crate.
pub(crate) mod sealed {
    use diesel::{QueryResult, connection::LoadConnection};

    /// How an engine migrates; see [`crate::migrate`].
    pub trait Migrate: diesel::backend::Backend {
        /// Makes the table `taskx_migrations` if there is none, and runs `work` so that only one
        /// caller at a time is in it. Where the engine can, all of it is one transaction.
        #[doc(hidden)]
        fn locked<C, R>(
            conn: &mut C,
            work: impl FnOnce(&mut C) -> QueryResult<R>,
        ) -> QueryResult<R>
        where
            C: LoadConnection<Backend = Self>;

        /// The versions that were applied and when, in no order; an error where there is no record.
        #[doc(hidden)]
        fn applied<C>(conn: &mut C) -> QueryResult<Vec<(String, crate::DbTime)>>
        where
            C: LoadConnection<Backend = Self>;

        /// Notes that `version` was applied.
        #[doc(hidden)]
        fn record<C>(conn: &mut C, version: &str) -> QueryResult<()>
        where
            C: LoadConnection<Backend = Self>;

        /// Notes that `version` is no longer applied.
        #[doc(hidden)]
        fn forget<C>(conn: &mut C, version: &str) -> QueryResult<()>
        where
            C: LoadConnection<Backend = Self>;

        /// The schema's generation by `taskx_meta`; 0 where none is noted.
        #[doc(hidden)]
        fn generation<C>(conn: &mut C) -> QueryResult<i64>
        where
            C: LoadConnection<Backend = Self>;
    }
}

/// A Diesel backend that taskx can keep its jobs in: `Sqlite`, `Pg`, `Mysql`.
///
/// The functions work inside a transaction that the caller began, on a connection of the caller's.
/// taskx's own refusals come as [`QueryBuilderError`](diesel::result::Error::QueryBuilderError);
/// [`error_from_diesel`](crate::error_from_diesel) gives them back. Sealed.
pub trait TaskxBackend: Backend + sealed::Migrate {
    /// Which engine it is.
    const ENGINE: Engine;

    /// Inserts jobs; the answers come in the order of `jobs`. They are seen by nobody else before
    /// the caller's transaction commits. `notify`: whether PostgreSQL tells listeners with the
    /// commit.
    ///
    /// # Errors
    /// The database's; a repeated id without `check_id`; none of the rows is stored then.
    fn insert_on<C>(conn: &mut C, jobs: &[NewJob], notify: bool) -> QueryResult<Vec<Inserted>>
    where
        C: LoadConnection<Backend = Self>;

    /// [`insert_on`](Self::insert_on) for a connection of diesel-async.
    ///
    /// # Errors
    /// The same.
    fn insert_on_async<C>(
        conn: &mut C,
        jobs: &[NewJob],
        notify: bool,
    ) -> impl Future<Output = QueryResult<Vec<Inserted>>> + Send
    where
        C: AsyncConnection<Backend = Self>;

    /// Writes how one attempt ended. Whoever gets [`Settled::Lost`] must roll back.
    ///
    /// # Errors
    /// The database's.
    fn settle_on<C>(conn: &mut C, settlement: &Settlement) -> QueryResult<Settled>
    where
        C: LoadConnection<Backend = Self>;

    /// [`settle_on`](Self::settle_on) for a connection of diesel-async.
    ///
    /// # Errors
    /// The same.
    fn settle_on_async<C>(
        conn: &mut C,
        settlement: &Settlement,
    ) -> impl Future<Output = QueryResult<Settled>> + Send
    where
        C: AsyncConnection<Backend = Self>;
}

/// Whether the connection is inside a transaction that someone began.
pub(crate) fn in_transaction<C: Connection>(conn: &mut C) -> QueryResult<bool> {
    use diesel::connection::{TransactionManager, TransactionManagerStatus};
    match C::TransactionManager::transaction_manager_status_mut(conn) {
        TransactionManagerStatus::Valid(status) => Ok(status.transaction_depth().is_some()),
        TransactionManagerStatus::InError => Err(diesel::result::Error::BrokenTransactionManager),
    }
}
