//! A fresh, empty database for one test, dropped with it: a SQLite file, a PostgreSQL schema, a
//! MySQL database.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    sync::Once,
};

use diesel::{Connection, RunQueryDsl, SqliteConnection, connection::SimpleConnection};
use taskx::{App, AppBuilder, Config};
use tempfile::TempDir;

use crate::{with_connection, with_connection_at};

/// The engines, each with a server of its own but for SQLite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// A file.
    Sqlite,
    /// The server that `TASKX_TEST_POSTGRES` names.
    Postgres,
    /// The server that `TASKX_TEST_MYSQL` names.
    Mysql,
}

impl Engine {
    /// An empty database; `None`, said aloud, without a server or the engine's feature.
    #[must_use]
    pub fn database(self) -> Option<Database> {
        let made = match self {
            Self::Sqlite => Some(Database::sqlite()),
            Self::Postgres => {
                cfg!(feature = "postgres").then(|| Database::postgres(self)).flatten()
            }
            Self::Mysql => cfg!(feature = "mysql").then(|| Database::mysql(self)).flatten(),
        };
        if made.is_none() {
            left_out(self);
        }
        made
    }
}

/// Says it once in a process, past the test runner, which keeps what a passing test prints.
fn left_out(engine: Engine) {
    static POSTGRES: Once = Once::new();
    static MYSQL: Once = Once::new();
    let said = if engine == Engine::Mysql { &MYSQL } else { &POSTGRES };
    said.call_once(|| {
        // Who cannot be told is not told.
        let _ = writeln!(
            io::stderr(),
            "LEFT OUT: all on {engine:?}, which is not at hand; `cargo xtask test` brings it"
        );
    });
}

/// A database of one test.
#[derive(Debug)]
pub struct Database {
    /// Which engine.
    pub engine: Engine,
    /// The URL for taskx; Diesel's own connections take it too, but for SQLite's.
    pub url: String,
    /// The file of a SQLite database.
    pub path: PathBuf,
    /// A folder for the test's files, also where the database is none of them.
    folder: TempDir,
    /// The server, and the statement that removes the database.
    at_end: Option<(String, String)>,
}

impl Database {
    fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("jobs.db");
        let url = format!("sqlite://{}", path.display());
        Self { engine: Engine::Sqlite, url, path, folder, at_end: None }
    }

    fn postgres(engine: Engine) -> Option<Self> {
        let server = std::env::var("TASKX_TEST_POSTGRES").ok()?;
        let name = format!("taskx_test_{}", uuid::Uuid::new_v4().simple());
        let sign = if server.contains('?') { '&' } else { '?' };
        let url = format!("{server}{sign}options=-c%20search_path%3D{name}");
        let at_end = (server.clone(), format!("DROP SCHEMA {name} CASCADE"));
        execute_at(engine, &server, &format!("CREATE SCHEMA {name}"));
        Some(Self::on_server(engine, url, at_end))
    }

    fn mysql(engine: Engine) -> Option<Self> {
        let server = std::env::var("TASKX_TEST_MYSQL").ok()?;
        let server = server.trim_end_matches('/').to_owned();
        let name = format!("taskx_test_{}", uuid::Uuid::new_v4().simple());
        let home = format!("{server}/mysql");
        execute_at(engine, &home, &format!("CREATE DATABASE {name}"));
        let at_end = (home, format!("DROP DATABASE {name}"));
        Some(Self::on_server(engine, format!("{server}/{name}"), at_end))
    }

    fn on_server(engine: Engine, url: String, at_end: (String, String)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self { engine, url, path: PathBuf::new(), folder, at_end: Some(at_end) }
    }

    /// An App on this database that looks at no environment and no file.
    pub fn app(&self) -> AppBuilder {
        App::builder().config(Config::default()).database_url(&self.url)
    }

    /// A file of this name in a folder of the test's own.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What Diesel's own connections are opened with.
    #[must_use]
    pub fn diesel_url(&self) -> String {
        match self.engine {
            Engine::Sqlite => self.path.display().to_string(),
            Engine::Postgres | Engine::Mysql => self.url.clone(),
        }
    }

    /// Runs SQL on a connection of its own.
    pub fn execute(&self, sql: &str) {
        execute_at(self.engine, &self.diesel_url(), sql);
    }

    /// Asks for a whole number on a connection of its own.
    #[must_use]
    pub fn number(&self, question: &str) -> i64 {
        let number = diesel::dsl::sql::<diesel::sql_types::BigInt>(&format!("({question})"));
        let question = diesel::select(number);
        with_connection!(self, conn => question.get_result(&mut conn).unwrap())
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some((server, statement)) = &self.at_end {
            execute_at(self.engine, server, statement);
        }
    }
}

fn execute_at(engine: Engine, url: &str, sql: &str) {
    with_connection_at!(engine, url, conn => conn.batch_execute(sql).unwrap());
}

/// A SQLite connection as an application opens it beside taskx.
///
/// # Panics
/// If it cannot be opened.
#[must_use]
pub fn sqlite_connection(path: &str) -> SqliteConnection {
    let mut conn = SqliteConnection::establish(path).expect("the file opens");
    conn.batch_execute("PRAGMA busy_timeout = 30000").expect("a setting");
    conn
}

/// Runs the same code on Diesel's own connection to a [`Database`] of any engine.
#[macro_export]
macro_rules! with_connection {
    ($database:expr, $conn:ident => $body:expr) => {
        $crate::with_connection_at!($database.engine, &$database.diesel_url(), $conn => $body)
    };
}

/// [`with_connection!`] by engine and URL.
#[macro_export]
macro_rules! with_connection_at {
    ($engine:expr, $url:expr, $conn:ident => $body:expr) => {
        match $engine {
            $crate::Engine::Sqlite => {
                let mut $conn = $crate::database::sqlite_connection($url);
                $body
            }
            #[cfg(feature = "postgres")]
            $crate::Engine::Postgres => {
                let mut $conn =
                    <::diesel::PgConnection as ::diesel::Connection>::establish($url).unwrap();
                $body
            }
            #[cfg(feature = "mysql")]
            $crate::Engine::Mysql => {
                let mut $conn =
                    <::diesel::MysqlConnection as ::diesel::Connection>::establish($url).unwrap();
                $body
            }
            #[cfg(not(all(feature = "postgres", feature = "mysql")))]
            other => panic!("{other:?} is not compiled in"),
        }
    };
}

/// Runs the same code on diesel-async's connection to a [`Database`] of any engine.
#[macro_export]
macro_rules! with_async_connection {
    ($database:expr, $conn:ident => $body:expr) => {
        match $database.engine {
            $crate::Engine::Sqlite => {
                let sync = $crate::database::sqlite_connection(&$database.diesel_url());
                let mut $conn = ::taskx::AsyncSqliteConn::new(sync);
                $body
            }
            #[cfg(feature = "postgres")]
            $crate::Engine::Postgres => {
                let mut $conn = <::diesel_async::AsyncPgConnection as ::diesel_async::AsyncConnection>::establish(&$database.url).await.unwrap();
                $body
            }
            #[cfg(feature = "mysql")]
            $crate::Engine::Mysql => {
                let mut $conn = <::diesel_async::AsyncMysqlConnection as ::diesel_async::AsyncConnection>::establish(&$database.url).await.unwrap();
                $body
            }
            #[cfg(not(all(feature = "postgres", feature = "mysql")))]
            other => panic!("{other:?} is not compiled in"),
        }
    };
}
