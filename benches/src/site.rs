//! Where is measured: a fresh database for each run, and what its server counts.

mod mysql;
mod postgres;

use std::{fmt, fs, path::PathBuf, str::FromStr};

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

/// The engines that can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
    Mysql,
}

impl Engine {
    pub(crate) const ALL: [Self; 3] = [Self::Sqlite, Self::Postgres, Self::Mysql];

    /// The variable that holds the URL of its server; SQLite has none.
    fn variable(self) -> Option<&'static str> {
        match self {
            Self::Sqlite => None,
            Self::Postgres => Some("TASKX_TEST_POSTGRES"),
            Self::Mysql => Some("TASKX_TEST_MYSQL"),
        }
    }

    /// The URL of its server, if one is named.
    fn server(self) -> Option<String> {
        self.variable().and_then(|name| std::env::var(name).ok()).filter(|url| !url.is_empty())
    }

    /// Whether it can be measured: SQLite always, a server where its URL is named.
    pub(crate) fn is_at_hand(self) -> bool {
        self.variable().is_none() || self.server().is_some()
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
        })
    }
}

impl FromStr for Engine {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match Self::ALL.into_iter().find(|engine| engine.to_string() == text) {
            Some(engine) => Ok(engine),
            None => bail!("`{text}` is none of sqlite, postgres, mysql"),
        }
    }
}

/// What a server has counted so far.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Counters {
    /// CPU seconds of all its processes; 0 for SQLite, which has none.
    pub(crate) cpu: f64,
    /// Bytes of its log.
    pub(crate) log: u64,
    /// Commits.
    pub(crate) commits: u64,
    /// Row versions that updates and deletes left behind.
    pub(crate) dead: u64,
}

impl Counters {
    /// What was counted since `before`.
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            cpu: self.cpu - before.cpu,
            log: self.log.saturating_sub(before.log),
            commits: self.commits.saturating_sub(before.commits),
            dead: self.dead.saturating_sub(before.dead),
        }
    }
}

/// A database that nobody else uses.
pub(crate) enum Database {
    Sqlite(Files),
    Postgres(postgres::Database),
    Mysql(mysql::Database),
}

/// The files of an SQLite database; they go with it.
pub(crate) struct Files {
    folder: TempDir,
}

impl Database {
    /// A fresh one.
    pub(crate) async fn make(engine: Engine) -> Result<Self> {
        Ok(match (engine, engine.server()) {
            (Engine::Sqlite, _) => {
                let folder = tempfile::Builder::new().prefix("taskx-bench-").tempdir()?;
                Self::Sqlite(Files { folder })
            }
            (Engine::Postgres, Some(url)) => Self::Postgres(postgres::Database::make(&url).await?),
            (Engine::Mysql, Some(url)) => Self::Mysql(mysql::Database::make(&url).await?),
            (engine, None) => bail!("no server of {engine} is named"),
        })
    }

    /// The URL that programs connect to.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(files) => format!("sqlite://{}", files.path().display()),
            Self::Postgres(database) => database.url(),
            Self::Mysql(database) => database.url(),
        }
    }

    /// What its server has counted so far.
    pub(crate) async fn counters(&mut self) -> Result<Counters> {
        match self {
            Self::Sqlite(_) => Ok(Counters::default()),
            Self::Postgres(database) => database.counters().await,
            Self::Mysql(database) => database.counters().await,
        }
    }

    /// Lets what earlier work has left to be done come to rest.
    pub(crate) async fn settle(&mut self) -> Result<()> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(database) => database.settle().await,
            Self::Mysql(database) => database.settle().await,
        }
    }

    /// Holds a snapshot open until the answer is dropped.
    pub(crate) async fn hold_snapshot(&self) -> Result<postgres::Snapshot> {
        match self {
            Self::Postgres(database) => database.hold_snapshot().await,
            _ => bail!("only PostgreSQL is measured under a held snapshot"),
        }
    }

    /// Removes it.
    pub(crate) async fn remove(self) -> Result<()> {
        match self {
            Self::Sqlite(files) => Ok(files.folder.close()?),
            Self::Postgres(database) => database.remove().await,
            Self::Mysql(database) => database.remove().await,
        }
    }
}

impl Files {
    fn path(&self) -> PathBuf {
        self.folder.path().join("bench.db")
    }
}

/// What the server of an engine calls itself, for the head of the table.
pub(crate) async fn version(engine: Engine) -> Result<String> {
    match (engine, engine.server()) {
        (Engine::Sqlite, _) => Ok(format!("SQLite {}", rusqlite::version())),
        (Engine::Postgres, Some(url)) => postgres::version(&url).await,
        (Engine::Mysql, Some(url)) => mysql::version(&url).await,
        (engine, None) => bail!("no server of {engine} is named"),
    }
}

/// The parent of a process.
fn parent(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}
