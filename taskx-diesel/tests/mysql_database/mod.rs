//! A database for one test, dropped with it.

use std::thread;

use diesel_async::{AsyncConnection, AsyncMysqlConnection, SimpleAsyncConnection};

/// A database of a random name on the server that `TASKX_TEST_MYSQL` names.
pub(crate) struct Database {
    server: String,
    name: String,
    /// Its URL.
    pub(crate) url: String,
}

impl Database {
    /// Makes one; `None` if there is no server for tests.
    pub(crate) fn create() -> Option<Self> {
        let server = std::env::var("TASKX_TEST_MYSQL").ok()?;
        let server = server.trim_end_matches('/').to_owned();
        let name = format!("taskx_test_{}", uuid::Uuid::new_v4().simple());
        ask(server.clone(), format!("CREATE DATABASE {name}"));
        Some(Self { url: format!("{server}/{name}"), server, name })
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        ask(self.server.clone(), format!("DROP DATABASE {}", self.name));
    }
}

/// Runs a statement on a thread of its own, since a test's runtime may be about to end.
pub(crate) fn ask(server: String, statement: String) {
    let asking = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut conn = AsyncMysqlConnection::establish(&server).await.unwrap();
            conn.batch_execute(&statement).await.unwrap();
        });
    });
    assert!(asking.join().is_ok(), "the server for tests refuses; see above");
}
