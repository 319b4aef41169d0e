//! The databases, and plain SQL on them for what the ledger needs.
#![expect(clippy::disallowed_methods, reason = "each statement is run once")]

use std::{fmt, str::FromStr};

use anyhow::{Result, bail};
use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection, sql_types::BigInt};
use taskx::{MysqlConn, PgConn};
use xtask::servers;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
    Mysql,
}

impl Engine {
    pub(crate) const ALL: [Self; 3] = [Self::Sqlite, Self::Postgres, Self::Mysql];

    /// The server of the engine; SQLite has none.
    pub(crate) fn server(self) -> Option<servers::Engine> {
        match self {
            Self::Sqlite => None,
            Self::Postgres => Some(servers::Engine::Postgres),
            Self::Mysql => Some(servers::Engine::MariaDb),
        }
    }

    /// Runs statements on a connection of its own.
    pub(crate) fn execute(self, url: &str, statements: &[&str]) -> Result<()> {
        for statement in statements {
            let query = diesel::sql_query(*statement);
            match self {
                Self::Sqlite => query.execute(&mut sqlite(url)?)?,
                Self::Postgres => query.execute(&mut PgConn::establish(url)?)?,
                Self::Mysql => query.execute(&mut MysqlConn::establish(url)?)?,
            };
        }
        Ok(())
    }

    /// Runs a statement that gives two numbers, `a` and `b`, a row.
    pub(crate) fn pairs(self, url: &str, statement: &str) -> Result<Vec<(i64, i64)>> {
        #[derive(QueryableByName)]
        struct Pair {
            #[diesel(sql_type = BigInt)]
            a: i64,
            #[diesel(sql_type = BigInt)]
            b: i64,
        }
        let query = diesel::sql_query(statement);
        let rows: Vec<Pair> = match self {
            Self::Sqlite => query.load(&mut sqlite(url)?)?,
            Self::Postgres => query.load(&mut PgConn::establish(url)?)?,
            Self::Mysql => query.load(&mut MysqlConn::establish(url)?)?,
        };
        Ok(rows.into_iter().map(|Pair { a, b }| (a, b)).collect())
    }
}

fn sqlite(url: &str) -> Result<SqliteConnection> {
    let path = url.trim_start_matches("sqlite://");
    let mut conn = SqliteConnection::establish(path)?;
    diesel::sql_query("PRAGMA busy_timeout = 30000").execute(&mut conn)?;
    Ok(conn)
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
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
            None => bail!("`{text}` is no engine: sqlite, postgres or mysql"),
        }
    }
}
