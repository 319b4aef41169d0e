//! A database for one test, dropped with it.

use tempfile::TempDir;

/// A fresh database.
pub(crate) struct Database {
    pub(crate) url: String,
    /// The server and the statement that removes it there.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    removal: Option<(Server, String)>,
    /// Holds the file of SQLite's.
    _folder: TempDir,
}

impl Database {
    /// A file of SQLite's.
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            url: format!("sqlite://{}", folder.path().join("test.db").display()),
            #[cfg(any(feature = "postgres", feature = "mysql"))]
            removal: None,
            _folder: folder,
        }
    }

    /// A schema on the server of `TASKX_TEST_POSTGRES`; `None` if there is none.
    #[cfg(feature = "postgres")]
    pub(crate) fn postgres() -> Option<Self> {
        let server = Server::named("TASKX_TEST_POSTGRES")?;
        let name = name();
        server.ask(&format!("CREATE SCHEMA {name}"));
        let sign = if server.url.contains('?') { '&' } else { '?' };
        let url = format!("{}{sign}options=-c%20search_path%3D{name}", server.url);
        Some(Self::on_server(url, server, format!("DROP SCHEMA {name} CASCADE")))
    }

    /// A database on the server of `TASKX_TEST_MYSQL`; `None` if there is none.
    #[cfg(feature = "mysql")]
    pub(crate) fn mysql() -> Option<Self> {
        let server = Server::named("TASKX_TEST_MYSQL")?;
        let name = name();
        server.ask(&format!("CREATE DATABASE {name}"));
        let url = format!("{}/{name}", server.url.trim_end_matches('/'));
        Some(Self::on_server(url, server, format!("DROP DATABASE {name}")))
    }

    #[cfg(any(feature = "postgres", feature = "mysql"))]
    fn on_server(url: String, server: Server, removal: String) -> Self {
        Self { url, removal: Some((server, removal)), _folder: tempfile::tempdir().unwrap() }
    }
}

#[cfg(any(feature = "postgres", feature = "mysql"))]
impl Drop for Database {
    fn drop(&mut self) {
        if let Some((server, removal)) = &self.removal {
            server.ask(removal);
        }
    }
}

#[cfg(any(feature = "postgres", feature = "mysql"))]
fn name() -> String {
    format!("taskx_test_{}", uuid::Uuid::new_v4().simple())
}

/// A server for tests.
#[cfg(any(feature = "postgres", feature = "mysql"))]
struct Server {
    url: String,
}

#[cfg(any(feature = "postgres", feature = "mysql"))]
impl Server {
    #[expect(clippy::print_stdout, reason = "who runs the tests has to see what they left out")]
    fn named(variable: &str) -> Option<Self> {
        let url = std::env::var(variable).ok().filter(|url| !url.is_empty());
        if url.is_none() {
            println!("LEFT OUT: {variable} names no server");
        }
        url.map(|url| Self { url })
    }

    fn ask(&self, statement: &str) {
        use diesel_async::{AsyncConnection, SimpleAsyncConnection};

        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            #[cfg(feature = "postgres")]
            if self.url.starts_with("postgres") {
                let mut conn = diesel_async::AsyncPgConnection::establish(&self.url).await.unwrap();
                return conn.batch_execute(statement).await.unwrap();
            }
            #[cfg(feature = "mysql")]
            if self.url.starts_with("mysql") {
                let mut conn =
                    diesel_async::AsyncMysqlConnection::establish(&self.url).await.unwrap();
                return conn.batch_execute(statement).await.unwrap();
            }
            panic!("no driver for {}", self.url);
        });
    }
}
