//! Drivers: what connects to a database of some kind. taskx-diesel submits one for each of its
//! engines that is compiled in.

use std::{path::Path, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;

use crate::{
    config::{Config, Driver},
    error::{Error, ErrorKind, Result},
    store::{Engine, Store},
};

/// What a driver needs to connect.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConnectOptions {
    /// The URL, or a bare path for SQLite.
    pub url: String,
    /// How long a worker's lease runs: statements must give up well before.
    pub lease: Duration,
    /// Whether a missing database file may be made.
    pub create: bool,
}

/// A way to connect.
#[derive(Debug, Clone, Copy)]
pub struct DriverDef {
    /// Which database.
    pub engine: Engine,
    /// Connects; called on the App's I/O thread.
    pub connect: fn(ConnectOptions) -> Connecting,
}

/// A store that is being connected.
pub type Connecting = BoxFuture<'static, Result<Arc<dyn Store>>>;

inventory::collect!(DriverDef);

/// Where the database is if nothing says it.
pub const DEFAULT_URL: &str = "sqlite://taskx.db";

/// The driver and the options that a configuration asks for.
/// A database file that is missing may be made.
pub(crate) fn choose(config: &Config) -> Result<(&'static DriverDef, ConnectOptions)> {
    let url = config.database_url.clone().unwrap_or_else(|| DEFAULT_URL.to_owned());
    let place = config.place_of_url();
    let engine = engine_of(&url, place)?;
    if let Some(driver) = config.driver
        && engine_of_driver(driver) != engine
    {
        return Err(Error::new(
            ErrorKind::Config,
            format!(
                "{}: {driver:?} was asked for, but {place} names {engine}",
                config.place_of_driver()
            ),
        ));
    }
    let driver = inventory::iter::<DriverDef>
        .into_iter()
        .find(|driver| driver.engine == engine)
        .ok_or_else(|| {
            let feature = engine.to_string().to_lowercase().replace("postgresql", "postgres");
            let missing = if config.database_url.is_some() {
                format!("{place} names {engine}, whose driver is not compiled in:")
            } else {
                "no database is configured, and the default, SQLite, is not compiled in: \
                 set DATABASE_URL, or"
                    .to_owned()
            };
            Error::new(
                ErrorKind::Config,
                format!("{missing} add the feature `{feature}` to taskx in Cargo.toml"),
            )
        })?;
    Ok((driver, ConnectOptions { url, lease: config.lease, create: true }))
}

fn engine_of_driver(driver: Driver) -> Engine {
    match driver {
        Driver::Sqlite => Engine::Sqlite,
        Driver::Postgres => Engine::Postgres,
        Driver::Mysql => Engine::Mysql,
    }
}

fn engine_of(url: &str, place: &str) -> Result<Engine> {
    let refuse = |why: String| Err(Error::new(ErrorKind::Config, format!("{place}: {why}")));
    match url.split_once(':').map(|(scheme, _)| scheme) {
        _ if url.is_empty() => refuse("is empty".to_owned()),
        Some("sqlite" | "file" | "") => Ok(Engine::Sqlite),
        Some("postgres" | "postgresql") => Ok(Engine::Postgres),
        Some("mysql" | "mariadb") => Ok(Engine::Mysql),
        Some(scheme) if url.contains("://") => refuse(format!(
            "`{scheme}://` is no database that taskx knows; write sqlite://, postgres:// or mysql://"
        )),
        // A path may have them too; then it is written as a URL.
        _ if url.rsplit_once('@').is_some_and(|(user, _)| user.contains(':')) => refuse(
            "has a user and a password, but starts as no URL does; write postgres:// or mysql://, \
             or sqlite:// before a path"
                .to_owned(),
        ),
        // A bare path.
        _ if Path::new(url).components().next().is_some() => Ok(Engine::Sqlite),
        _ => refuse("is no URL and no path".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_its_engine_and_a_bare_path_is_sqlite() {
        for (url, engine) in [
            ("sqlite://taskx.db", Engine::Sqlite),
            (":memory:", Engine::Sqlite),
            ("data/jobs.db", Engine::Sqlite),
            ("postgres://u@h/d", Engine::Postgres),
            ("postgresql://u@h/d", Engine::Postgres),
            ("mysql://u@h/d", Engine::Mysql),
            ("mariadb://u@h/d", Engine::Mysql),
        ] {
            assert_eq!(engine_of(url, "").unwrap(), engine, "{url}");
        }
        let text = engine_of("redis://u:secret@h", "").unwrap_err().to_string();
        assert!(text.contains("`redis://`") && !text.contains("secret"), "{text}");
        for slip in ["postgres//u:secret@h/d", "u:secret@h/d"] {
            let text = engine_of(slip, "").unwrap_err().to_string();
            assert!(text.contains("starts as no URL") && !text.contains("secret"), "{text}");
        }
    }

    #[test]
    fn a_missing_driver_names_its_feature() {
        let config = Config {
            database_url: Some("postgres://u:secret@h/d".to_owned()),
            ..Config::default()
        };
        let text = choose(&config).unwrap_err().to_string();
        assert!(text.contains("feature `postgres`") && !text.contains("secret"), "{text}");
    }

    #[test]
    fn a_missing_default_asks_for_a_url() {
        let text = choose(&Config::default()).unwrap_err().to_string();
        assert!(text.contains("set DATABASE_URL, or add the feature `sqlite`"), "{text}");
    }
}
