//! A schema for one test, dropped with it.

use std::thread;

use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};

/// A schema of a random name on the server that `TASKX_TEST_POSTGRES` names.
pub(crate) struct Schema {
    server: String,
    name: String,
    /// A URL whose `search_path` is this schema.
    pub(crate) url: String,
}

impl Schema {
    /// Makes one; `None` if there is no server for tests.
    pub(crate) fn create() -> Option<Self> {
        let server = std::env::var("TASKX_TEST_POSTGRES").ok()?;
        let name = format!("taskx_test_{}", uuid::Uuid::new_v4().simple());
        ask(server.clone(), format!("CREATE SCHEMA {name}"));
        let sign = if server.contains('?') { '&' } else { '?' };
        let url = format!("{server}{sign}options=-c%20search_path%3D{name}");
        Some(Self { server, name, url })
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        ask(self.server.clone(), format!("DROP SCHEMA {} CASCADE", self.name));
    }
}

/// Runs a statement on a thread of its own, since a test's runtime may be about to end.
pub(crate) fn ask(url: String, statement: String) {
    let asking = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut conn = AsyncPgConnection::establish(&url).await.unwrap();
            conn.batch_execute(&statement).await.unwrap();
        });
    });
    assert!(asking.join().is_ok(), "the server for tests refuses; see above");
}
