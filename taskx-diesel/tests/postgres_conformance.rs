//! The rules of every store, kept by PostgreSQL. Without `TASKX_TEST_POSTGRES` (the URL of a
//! superuser, `postgres://postgres@127.0.0.1:5432/postgres`) each rule says that it was left out.
#![cfg(feature = "postgres")]
#![expect(clippy::unwrap_used, reason = "these are tests")]

mod postgres_schema;

use async_trait::async_trait;
use postgres_schema::Schema;
use taskx_core::{error::Result, store::Store, testing::conformance::Fixture};
use taskx_diesel::{PgOptions, PgStore};

/// A migrated schema of its own, with a session.
struct Postgres {
    store: PgStore,
    schema: Schema,
}

#[async_trait]
impl Fixture for Postgres {
    fn store(&self) -> &dyn Store {
        &self.store
    }

    async fn reopen(&self) -> Result<Box<dyn Store>> {
        Ok(Box::new(PgStore::connect(&self.schema.url, PgOptions::default()).await?))
    }
}

async fn open() -> Option<Postgres> {
    let schema = Schema::create()?;
    let store = PgStore::connect(&schema.url, PgOptions::default()).await.unwrap();
    store.migrate().await.unwrap();
    Some(Postgres { store, schema })
}

taskx_core::conformance!(open);
