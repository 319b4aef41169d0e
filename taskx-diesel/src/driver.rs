//! The drivers that are compiled in, submitted to the core, which connects by URL.

use std::sync::Arc;

use taskx_core::{
    driver::{ConnectOptions, Connecting, DriverDef},
    store::{Engine, Store},
};

#[cfg(feature = "sqlite")]
inventory::submit!(DriverDef { engine: Engine::Sqlite, connect: sqlite });

#[cfg(feature = "sqlite")]
fn sqlite(options: ConnectOptions) -> Connecting {
    use crate::{SqliteOptions, SqliteStore};

    Box::pin(async move {
        let store = SqliteStore::open(&options.url, SqliteOptions::default())?;
        Ok(Arc::new(store) as Arc<dyn Store>)
    })
}

#[cfg(feature = "postgres")]
inventory::submit!(DriverDef { engine: Engine::Postgres, connect: postgres });

#[cfg(feature = "postgres")]
fn postgres(options: ConnectOptions) -> Connecting {
    use crate::{PgOptions, PgStore};

    Box::pin(async move {
        let store = PgStore::connect(&options.url, PgOptions::default()).await?;
        Ok(Arc::new(store) as Arc<dyn Store>)
    })
}

#[cfg(feature = "mysql")]
inventory::submit!(DriverDef { engine: Engine::Mysql, connect: mysql });

#[cfg(feature = "mysql")]
fn mysql(options: ConnectOptions) -> Connecting {
    use crate::{MysqlOptions, MysqlStore};

    Box::pin(async move {
        let store = MysqlStore::connect(&options.url, MysqlOptions::default()).await?;
        Ok(Arc::new(store) as Arc<dyn Store>)
    })
}
