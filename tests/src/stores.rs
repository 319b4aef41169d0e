//! Stores opened by hand, to do what a worker would do, or would have done.

use taskx_core::store::Store;

use crate::{Database, Engine};

/// A session on a database, as a process of its own would open it.
///
/// # Panics
/// If it cannot be opened.
pub async fn open(database: &Database) -> Box<dyn Store> {
    match database.engine {
        Engine::Sqlite => {
            let options = taskx_diesel::SqliteOptions::default();
            Box::new(taskx_diesel::SqliteStore::open(&database.url, options).unwrap())
        }
        #[cfg(feature = "postgres")]
        Engine::Postgres => {
            let options = taskx_diesel::PgOptions::default();
            Box::new(taskx_diesel::PgStore::connect(&database.url, options).await.unwrap())
        }
        #[cfg(feature = "mysql")]
        Engine::Mysql => {
            let options = taskx_diesel::MysqlOptions::default();
            Box::new(taskx_diesel::MysqlStore::connect(&database.url, options).await.unwrap())
        }
        #[cfg(not(all(feature = "postgres", feature = "mysql")))]
        other => panic!("{other:?} is not compiled in"),
    }
}
