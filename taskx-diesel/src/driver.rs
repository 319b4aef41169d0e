//! The drivers that are compiled in, submitted to the core, which connects by URL.

use std::sync::Arc;
#[cfg(any(feature = "postgres", feature = "mysql"))]
use std::time::Duration;

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
        let settings = SqliteOptions { create: options.create, ..SqliteOptions::default() };
        let store = SqliteStore::open(&options.url, settings)?;
        Ok(Arc::new(store) as Arc<dyn Store>)
    })
}

#[cfg(feature = "postgres")]
inventory::submit!(DriverDef { engine: Engine::Postgres, connect: postgres });

#[cfg(feature = "postgres")]
fn postgres(options: ConnectOptions) -> Connecting {
    use crate::{PgOptions, PgStore};

    Box::pin(async move {
        let settings =
            PgOptions { statement_timeout: limit(options.lease), ..PgOptions::default() };
        let store = PgStore::connect(&options.url, settings).await?;
        Ok(Arc::new(store) as Arc<dyn Store>)
    })
}

#[cfg(feature = "mysql")]
inventory::submit!(DriverDef { engine: Engine::Mysql, connect: mysql });

#[cfg(feature = "mysql")]
fn mysql(options: ConnectOptions) -> Connecting {
    use crate::{MysqlOptions, MysqlStore};

    Box::pin(async move {
        let settings =
            MysqlOptions { statement_timeout: limit(options.lease), ..MysqlOptions::default() };
        let store = MysqlStore::connect(&options.url, settings).await?;
        Ok(Arc::new(store) as Arc<dyn Store>)
    })
}

/// How long a statement may take: it gives up well before the lease that it may have to renew.
#[cfg(any(feature = "postgres", feature = "mysql"))]
fn limit(lease: Duration) -> Duration {
    (lease / 3).clamp(Duration::from_secs(1), Duration::from_secs(30))
}
