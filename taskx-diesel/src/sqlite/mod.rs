//! SQLite: one writer thread, a few readers.
//!
//! Of one store, one connection writes (`writer`) and a few only read (`readers`); several
//! processes may share a file. Each other file is one verb's SQL: `insert`, `claim`, `settle`,
//! `workers` (register, renew, rescue, retire), `upkeep` (promote, park, prune), `schedules`,
//! `inspect` (what is asked), `operate` (what operators change).

mod ahead;
mod alike;
mod backend;
mod busy;
mod claim;
mod clock;
mod conditions;
mod connect;
mod insert;
mod inspect;
mod migrate;
mod operate;
mod presence;
mod readers;
mod schedules;
mod seam;
mod settle;
mod transact;
mod upkeep;
mod workers;
mod writer;

use std::{fmt, path::Path, sync::Arc};

use diesel::SqliteConnection;
use taskx_core::error::Result;

use self::{
    ahead::Ahead, claim::Calm, clock::Clock, connect::Location, presence::Presence,
    readers::Readers, writer::Writer,
};
use crate::error::Doing;

/// How a [`SqliteStore`] is opened. Start from `SqliteOptions::default()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SqliteOptions {
    /// Connections that only read, each with a thread of its own. At least 1, default 2.
    pub readers: usize,
    /// What a commit survives. Default [`Durability::Full`].
    pub durability: Durability,
    /// Whether a missing file is made. Default yes; `?mode=rw` in the URL says no too.
    pub create: bool,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self { readers: 2, durability: Durability::Full, create: true }
    }
}

/// What a commit survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Durability {
    /// A lost power supply: every commit waits for the disk (`synchronous = FULL`).
    #[default]
    Full,
    /// A killed process; a lost power supply may take the last commits with it
    /// (`synchronous = NORMAL`).
    Normal,
    /// A killed process; a lost power supply may damage the file (`synchronous = OFF`). For tests.
    None,
}

/// The store in a SQLite file.
///
/// Dropping it waits for the writes that were accepted.
pub struct SqliteStore {
    /// Before the location: threads end before a private file is removed.
    writer: Writer,
    readers: Readers,
    clock: Arc<Clock>,
    calm: Arc<Calm>,
    ahead: Ahead,
    presence: Presence,
    location: Arc<Location>,
}

impl SqliteStore {
    /// Opens the database at a path or URL: `app.db`, `sqlite://app.db`, `sqlite:///var/app.db`,
    /// `file:app.db?mode=rw`. A missing file is made, but for `?mode=rw`; once opened it is never
    /// made anew. `:memory:` is a private database that goes with the store.
    ///
    /// The schema is not touched: see [`migrate`](taskx_core::store::Store::migrate).
    ///
    /// # Errors
    /// `Config` if the text names no file, its folder is missing, or it is no SQLite database;
    /// `Transient` if SQLite does not open it.
    pub fn open(url: &str, options: SqliteOptions) -> Result<Self> {
        let location = Arc::new(Location::open(url, &options)?);
        let (clock, calm) = (Arc::new(Clock::new()), Arc::<Calm>::default());
        let mut conn = location.connect()?;
        // There is nothing to recall before the first migration.
        drop(clock.recall(&mut conn));
        Ok(Self {
            presence: Presence::new(location.lock_folder()),
            writer: Writer::start(
                Arc::clone(&location),
                Arc::clone(&clock),
                Arc::clone(&calm),
                conn,
            )?,
            readers: Readers::start(&location, options.readers)?,
            clock,
            calm,
            ahead: Ahead::default(),
            location,
        })
    }

    /// The absolute path of the database file.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.location.path()
    }

    /// Another connection to the same file that may write, with taskx's settings: for a task that
    /// works in a transaction of its own ([`TaskxBackend::settle_on`](crate::TaskxBackend)). Begin
    /// with [`immediate_transaction`](SqliteConnection::immediate_transaction): while it is open,
    /// every other write waits. It waits 30 s for the write lock itself.
    ///
    /// # Errors
    /// `Store` if the file is gone, `Transient` if SQLite does not open it.
    pub fn connect(&self) -> Result<SqliteConnection> {
        use diesel::connection::SimpleConnection;

        let mut conn = self.location.connect()?;
        conn.batch_execute("PRAGMA busy_timeout = 30000").doing("set up the SQLite connection")?;
        Ok(conn)
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.location.path()).finish_non_exhaustive()
    }
}
