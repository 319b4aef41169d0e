//! MySQL and MariaDB, by the pure-Rust driver mysql_async under diesel-async.
//!
//! `connect`, `tls`, `pool` connections of our own making · `run` statements on ours and a caller's
//! · `statements` the SQL · `insert`, `claim`, `settle` the path · `workers`, `presence` who lives ·
//! `upkeep`, `schedules`, `inspect`, `operate` the rest · `transactions` tasks that work in one ·
//! `seam` all of it as [`Store`].
//!
//! READ COMMITTED everywhere, rows locked by primary key and in the order of their keys: what
//! measured fewest deadlocks. Those that remain are tried again inside.

mod backend;
mod batch;
mod claim;
mod connect;
mod insert;
mod inspect;
mod migrate;
mod operate;
#[cfg(test)]
mod plans;
mod pool;
mod presence;
mod run;
mod schedules;
mod seam;
mod settle;
mod statements;
mod tls;
mod transactions;
mod upkeep;
mod workers;

use std::{
    fmt,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use diesel_async::AsyncMysqlConnection;
use taskx_core::{error::Result, store::Store};

pub use self::transactions::MysqlConn;
use self::{connect::Target, pool::Pools, presence::Presence, transactions::Transactions};

/// How a [`MysqlStore`] connects. Start from `MysqlOptions::default()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MysqlOptions {
    /// The most connections of the path (enqueue, claim, settle, upkeep), for each tokio runtime
    /// that calls the store; most have one. At least 1, default 6.
    pub connections: usize,
    /// The most connections of operators' questions, for each runtime. At least 1, default 2.
    pub readers: usize,
    /// The most tasks at once that work in a transaction of taskx; each has a connection. At least
    /// 1, default 8.
    pub transactions: usize,
    /// How long opening a connection may take. Default 5 s.
    pub connect_timeout: Duration,
    /// How long one statement of the path may take, and the wait for a free connection. It is also
    /// how a silent network is noticed. Default 5.25 s.
    pub statement_timeout: Duration,
    /// How long one of an operator's questions may take. Default 30 s.
    pub reader_timeout: Duration,
}

impl Default for MysqlOptions {
    fn default() -> Self {
        Self {
            connections: 6,
            readers: 2,
            transactions: 8,
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_millis(5_250),
            reader_timeout: Duration::from_secs(30),
        }
    }
}

/// The store in a MySQL (8) or MariaDB (10.6 and later) database.
///
/// It must be called on a tokio runtime with I/O and time enabled.
pub struct MysqlStore {
    target: Arc<Target>,
    pool: Pools,
    readers: Pools,
    presence: Presence,
    transactions: Transactions,
    /// Whether the last claim found nothing.
    rests: AtomicBool,
}

impl MysqlStore {
    /// Connects to the database of a URL: `mysql://user:password@host:3306/database`, or
    /// `mariadb://..`; `?sslmode=disable|prefer|require|verify-full` and `sslrootcert=<file>` say
    /// how TLS is used, other parameters are the driver's. One connection is opened at once, so
    /// that a wrong URL is told here.
    ///
    /// The schema is not touched: see [`migrate`](Store::migrate).
    ///
    /// # Errors
    /// `Config` for a URL that cannot be read or asks for TLS without the feature `tls`, a wrong
    /// password, a database that is not there; `Transient` if the server does not answer.
    pub async fn connect(url: &str, options: MysqlOptions) -> Result<Self> {
        let target = Arc::new(Target::parse(url, &options)?);
        let store = Self {
            pool: Pools::new(&target, options.connections, options.statement_timeout),
            readers: Pools::new(&target, options.readers, options.reader_timeout),
            presence: Presence::new(Arc::clone(&target)),
            transactions: Transactions::new(Arc::clone(&target), options.transactions),
            rests: AtomicBool::default(),
            target,
        };
        store.now().await?;
        Ok(store)
    }

    /// Another connection to the same database with taskx's settings (READ COMMITTED, UTC,
    /// utf8mb4), outside of the pools: the caller's own.
    ///
    /// # Errors
    /// `Transient`; `Config` for what no repetition mends.
    pub async fn connection(&self) -> Result<AsyncMysqlConnection> {
        Ok(self.target.open().await?.conn)
    }
}

impl fmt::Debug for MysqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the URL: it holds a password.
        f.debug_struct("MysqlStore").finish_non_exhaustive()
    }
}
