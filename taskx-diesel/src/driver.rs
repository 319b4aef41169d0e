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
        let mut settings = PgOptions::default();
        settings.path_timeout = within(options.lease, settings.path_timeout);
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
        let mut settings = MysqlOptions::default();
        settings.statement_timeout = within(options.lease, settings.statement_timeout);
        let store = MysqlStore::connect(&options.url, settings).await?;
        Ok(Arc::new(store) as Arc<dyn Store>)
    })
}

/// A statement gives up well before the lease that it may have to renew.
#[cfg(any(feature = "postgres", feature = "mysql"))]
fn within(lease: Duration, usual: Duration) -> Duration {
    (lease / 3).clamp(Duration::from_secs(1), usual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_engine_has_one_driver() {
        let engines: Vec<Engine> = inventory::iter::<DriverDef>().map(|def| def.engine).collect();
        for (place, engine) in engines.iter().enumerate() {
            assert!(!engines[..place].contains(engine), "two drivers for {engine}");
        }
        assert_eq!(engines.contains(&Engine::Sqlite), cfg!(feature = "sqlite"));
        assert_eq!(engines.contains(&Engine::Postgres), cfg!(feature = "postgres"));
        assert_eq!(engines.contains(&Engine::Mysql), cfg!(feature = "mysql"));
    }
}
