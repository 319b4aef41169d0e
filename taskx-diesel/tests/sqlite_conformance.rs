//! The contract of a store, for SQLite: each rule on a file of its own.
#![cfg(feature = "sqlite")]
#![expect(clippy::expect_used, reason = "these are tests")]

use async_trait::async_trait;
use taskx_core::{error::Result, store::Store, testing::conformance::Fixture};
use taskx_diesel::{SqliteOptions, SqliteStore};

struct File {
    store: SqliteStore,
    /// Removed after the store.
    folder: tempfile::TempDir,
}

#[async_trait]
impl Fixture for File {
    fn store(&self) -> &dyn Store {
        &self.store
    }

    async fn reopen(&self) -> Result<Box<dyn Store>> {
        let path = self.folder.path().join("jobs.db");
        Ok(Box::new(SqliteStore::open(&path.to_string_lossy(), SqliteOptions::default())?))
    }
}

/// SQLite is always at hand: a store that does not open fails the test and is not left out.
async fn open() -> Option<File> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("jobs.db");
    let store = SqliteStore::open(&path.to_string_lossy(), SqliteOptions::default())
        .expect("the store opens");
    store.migrate().await.expect("the schema is made");
    Some(File { store, folder })
}

taskx_core::conformance!(open);
