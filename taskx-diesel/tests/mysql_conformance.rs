//! The rules of every store, kept by MySQL. Without `TASKX_TEST_MYSQL` (the URL of a server without
//! a database, `mysql://root@127.0.0.1:3306/`) each rule says that it was left out.
#![cfg(feature = "mysql")]
#![expect(clippy::unwrap_used, reason = "these are tests")]

mod mysql_database;

use async_trait::async_trait;
use mysql_database::Database;
use taskx_core::{error::Result, store::Store, testing::conformance::Fixture};
use taskx_diesel::{MysqlOptions, MysqlStore};

/// A migrated database of its own, with a session.
struct Mysql {
    store: MysqlStore,
    database: Database,
}

#[async_trait]
impl Fixture for Mysql {
    fn store(&self) -> &dyn Store {
        &self.store
    }

    async fn reopen(&self) -> Result<Box<dyn Store>> {
        let store = MysqlStore::connect(&self.database.url, MysqlOptions::default()).await?;
        Ok(Box::new(store))
    }
}

async fn open() -> Option<Mysql> {
    let database = Database::create()?;
    let store = MysqlStore::connect(&database.url, MysqlOptions::default()).await.unwrap();
    store.migrate().await.unwrap();
    Some(Mysql { store, database })
}

taskx_core::conformance!(open);
