//! The connections that a transactional task can take.

use taskx_core::store::Engine;

/// A PostgreSQL connection for sync Diesel code, over the driver in pure Rust: no libpq.
#[cfg(feature = "postgres")]
pub type PgConn =
    diesel_async::async_connection_wrapper::AsyncConnectionWrapper<diesel_async::AsyncPgConnection>;

/// A MySQL or MariaDB connection for sync Diesel code, over the driver in pure Rust.
#[cfg(feature = "mysql")]
pub type MysqlConn = diesel_async::async_connection_wrapper::AsyncConnectionWrapper<
    diesel_async::AsyncMysqlConnection,
>;

/// A SQLite connection for async Diesel code.
#[cfg(feature = "sqlite")]
pub type AsyncSqliteConn =
    diesel_async::sync_connection_wrapper::SyncConnectionWrapper<diesel::SqliteConnection>;

mod sealed {
    pub trait Sealed {}
}

/// A connection that a task can take by `&mut`: its writes and the job's completion are one
/// transaction on the queue's own database (I6). Sealed.
///
/// | in a plain fn | in an async fn |
/// |---|---|
/// | `&mut SqliteConnection` | `&mut taskx::AsyncSqliteConn` |
/// | `&mut taskx::PgConn` | `&mut AsyncPgConnection` |
/// | `&mut taskx::MysqlConn` | `&mut AsyncMysqlConnection` |
#[diagnostic::on_unimplemented(
    message = "a task cannot take `&mut {Self}`",
    label = "no connection of taskx",
    note = "in a plain fn take `&mut SqliteConnection`, `&mut taskx::PgConn` or `&mut taskx::MysqlConn`",
    note = "in an async fn take `&mut taskx::AsyncSqliteConn`, `&mut AsyncPgConnection` or `&mut AsyncMysqlConnection`",
    note = "the engine's feature of taskx must be on"
)]
pub trait TaskConnection: sealed::Sealed + Send + 'static {
    /// The database that it speaks to.
    const ENGINE: Engine;
    /// Whether it is for async functions.
    const IS_ASYNC: bool;
}

macro_rules! task_connections {
    ($($feature:literal $Connection:ty: $engine:ident, $is_async:literal;)*) => {$(
        #[cfg(feature = $feature)]
        impl sealed::Sealed for $Connection {}

        // The trait's own note lists them by the names that users write.
        #[cfg(feature = $feature)]
        #[diagnostic::do_not_recommend]
        impl TaskConnection for $Connection {
            const ENGINE: Engine = Engine::$engine;
            const IS_ASYNC: bool = $is_async;
        }
    )*};
}

task_connections! {
    "sqlite" diesel::SqliteConnection: Sqlite, false;
    "sqlite" AsyncSqliteConn: Sqlite, true;
    "postgres" PgConn: Postgres, false;
    "postgres" diesel_async::AsyncPgConnection: Postgres, true;
    "mysql" MysqlConn: Mysql, false;
    "mysql" diesel_async::AsyncMysqlConnection: Mysql, true;
}
