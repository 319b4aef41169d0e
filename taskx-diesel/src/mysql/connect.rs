//! Connections of our own making: the URL's words, TLS, time limits, and one setting of the session
//! for all of them.

use std::time::Duration;

use diesel::ConnectionError;
use diesel_async::AsyncMysqlConnection;
use mysql_async::{Conn, DriverError, Opts, OptsBuilder};
use taskx_core::error::{Error, ErrorKind, Result};
use tokio::task::JoinSet;

use super::{MysqlOptions, run::Session, tls::Tls};
use crate::redial::Redial;

/// An idle connection is probed after so many milliseconds.
const KEEPALIVE: u32 = 10_000;

/// What every session of ours is set to. Messages are English so that a deadlock can be told by
/// its words; a lock is waited for less long than a statement, so that the wait ends with the
/// server's word and not with a lost connection.
const SETTINGS: [&str; 3] = [
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "SET NAMES utf8mb4 COLLATE utf8mb4_bin",
    "SET autocommit = 1, time_zone = '+00:00', lc_messages = 'en_US', innodb_lock_wait_timeout = 5,
        sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION', sql_safe_updates = 0,
        sql_select_limit = DEFAULT",
];

/// A database to connect to.
pub(super) struct Target {
    opts: OptsBuilder,
    tls: Tls,
    connect_timeout: Duration,
    /// How long one statement may take.
    statement_timeout: Duration,
    redial: Redial,
}

impl Target {
    /// The database of a URL.
    ///
    /// # Errors
    /// `Config` for a URL that cannot be read, that names no database, or that asks for TLS which
    /// this build lacks. Never with the URL's text, which holds a password.
    pub(super) fn parse(url: &str, options: &MysqlOptions) -> Result<Self> {
        let rest = ["mysql://", "mariadb://"].iter().find_map(|scheme| url.strip_prefix(scheme));
        let Some(rest) = rest else {
            return Err(refuse("a MySQL URL starts with `mysql://` or `mariadb://`"));
        };
        let (url, tls) = Tls::split(&format!("mysql://{rest}"))?;
        let opts = Opts::from_url(&url)
            .map_err(|error| refuse("the MySQL URL cannot be read").with_source(error))?;
        if opts.db_name().is_none() {
            return Err(refuse(
                "the MySQL URL names no database: write mysql://user@host/database",
            ));
        }
        let mut builder = OptsBuilder::from_opts(opts.clone())
            // diesel-async keeps the prepared statements.
            .stmt_cache_size(0)
            // As all of Diesel: an UPDATE counts the rows that it found, not those it changed.
            .client_found_rows(true)
            .init(SETTINGS.map(str::to_owned).to_vec());
        if opts.tcp_keepalive().is_none() {
            builder = builder.tcp_keepalive(Some(KEEPALIVE));
        }
        if !url.contains("prefer_socket=") {
            // The driver would leave a loopback address for the server's socket, past any proxy.
            builder = builder.prefer_socket(false);
        }
        let builder = tls.apply(builder, opts.ssl_opts().is_some());
        Ok(Self {
            opts: builder,
            tls,
            connect_timeout: options.connect_timeout,
            statement_timeout: options.statement_timeout,
            redial: Redial::default(),
        })
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// `Transient`, or `Config` for what no repetition mends (a wrong password, no such database).
    pub(super) async fn open(&self) -> Result<Session> {
        let opening = tokio::time::timeout(self.connect_timeout, self.try_open());
        let opening = async {
            opening.await.unwrap_or_else(|_| {
                Err(Error::new(
                    ErrorKind::Transient,
                    format!("connect to MySQL: no answer within {:?}", self.connect_timeout),
                ))
            })
        };
        self.redial.dial(Box::pin(opening)).await
    }

    async fn try_open(&self) -> Result<Session> {
        let conn = match Conn::new(self.opts.clone()).await {
            Err(mysql_async::Error::Driver(DriverError::NoClientSslFlagFromServer))
                if self.tls.may_be_plain() =>
            {
                Conn::new(self.opts.clone().ssl_opts(None)).await
            }
            other => other,
        };
        let conn = conn.map_err(refused)?;
        let conn = AsyncMysqlConnection::try_from(conn).await.map_err(|error| {
            let error: Box<dyn std::error::Error + Send + Sync> = match error {
                ConnectionError::CouldntSetupConfiguration(error) => Box::new(error),
                other => Box::new(other),
            };
            Error::new(ErrorKind::Transient, "set up a connection to MySQL").with_source(error)
        })?;
        Ok(Session { conn, limit: self.statement_timeout, life: JoinSet::new() })
    }
}

/// A refused connection. Wrong words are lasting; all else may pass.
fn refused(error: mysql_async::Error) -> Error {
    // Access denied (for the user, for the database), no such database.
    const LASTING: [u16; 4] = [1044, 1045, 1049, 1698];
    let lasting = match &error {
        mysql_async::Error::Server(server) => LASTING.contains(&server.code),
        mysql_async::Error::Url(_) => true,
        _ => false,
    };
    let kind = if lasting { ErrorKind::Config } else { ErrorKind::Transient };
    Error::new(kind, "connect to MySQL").with_source(error)
}

pub(super) fn refuse(why: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Config, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Target> {
        Target::parse(url, &MysqlOptions::default())
    }

    #[test]
    fn a_url_names_a_database() {
        for url in ["mysql://root@127.0.0.1:3306/app", "mariadb://a:b%20c@h/d?sslmode=disable"] {
            assert!(parse(url).is_ok(), "{url}");
        }
        for url in
            ["mysql://root@127.0.0.1", "mysql://root@127.0.0.1:3306/", "mysql:", "postgres://h/d"]
        {
            assert_eq!(
                parse(url).err().map(|error| error.kind()),
                Some(ErrorKind::Config),
                "{url}"
            );
        }
    }

    #[test]
    fn a_password_is_in_no_error() {
        for url in
            ["mysql://u:secret@h:port/d", "mysql://u:secret@h/d?what=ever", "mysql://u:secret@h"]
        {
            let error = parse(url).err().unwrap();
            let text = format!("{error:?} {}", taskx_core::error::chain(&error));
            assert!(!text.contains("secret"), "{text}");
        }
    }
}
