//! Connections of our own making: the URL's settings, time-outs that a silent network cannot
//! outlast, and a task that drives each connection and knows when it has ended.
//!
//! diesel-async's own `establish` has no TLS and cannot tell a dead connection before it is used.

use std::{
    future::poll_fn,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use taskx_core::error::{Error, ErrorKind, Result};
use tokio::sync::{mpsc, watch};
use tokio_postgres::{
    AsyncMessage, Client, Config, Connection, Notification, Socket,
    config::SslMode,
    tls::{MakeTlsConnect, TlsStream},
};

use crate::{
    error::Doing,
    postgres::{PgOptions, tls::Tls},
    redial::Redial,
};

/// After so long without an answer to sent data the kernel gives the connection up. Without it a
/// cut cable is noticed after a quarter of an hour: keepalives stop while data is unanswered.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(5);

/// An idle connection is probed after so long, and given up after three probes.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(3);

/// What every session of ours is set to. The last lines make the *server* notice a lost client, so
/// that its locks (of rows, and of presence) do not outlive it for hours.
const COMMON: &str = "\
    SET client_min_messages = warning;\
    SET default_transaction_isolation = 'read committed';\
    SET idle_in_transaction_session_timeout = '15s';\
    SET jit = off;\
    SET tcp_keepalives_idle = 10;\
    SET tcp_keepalives_interval = 3;\
    SET tcp_keepalives_count = 3;\
    SET tcp_user_timeout = '10s';";

/// A database to connect to.
pub(super) struct Target {
    config: Config,
    tls: Tls,
    connect_timeout: Duration,
    statement_timeout: Duration,
    redial: Redial,
}

/// A connection with the knowledge whether it has ended.
pub(super) struct Session {
    pub(super) conn: AsyncPgConnection,
    pub(super) life: Life,
}

/// Whether a connection lives.
#[derive(Clone)]
pub(super) struct Life {
    ended: Arc<AtomicBool>,
    end: watch::Receiver<()>,
}

impl Life {
    /// Whether it has ended.
    pub(super) fn ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Waits for its end.
    pub(super) async fn end(&mut self) {
        // The driver never sends; it drops its sender when it ends.
        while self.end.changed().await.is_ok() {}
    }
}

impl Target {
    /// The database of a URL, with our time-outs where the URL sets none.
    ///
    /// # Errors
    /// `Config` for a URL that cannot be read, or that asks for TLS that this build lacks. Never
    /// with the URL's text, which holds a password.
    pub(super) fn parse(url: &str, options: &PgOptions) -> Result<Self> {
        if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
            return Err(Error::new(
                ErrorKind::Config,
                "a PostgreSQL URL starts with `postgres://` or `postgresql://`",
            ));
        }
        let (url, tls) = Tls::split(url)?;
        let mut config = Config::from_str(&url).map_err(|error| {
            Error::new(ErrorKind::Config, "the PostgreSQL URL cannot be read").with_source(error)
        })?;
        config.ssl_mode(if tls.wanted() { tls.ssl_mode() } else { SslMode::Disable });
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(TCP_USER_TIMEOUT);
        }
        config.keepalives(true);
        config.keepalives_idle(KEEPALIVE_IDLE);
        config.keepalives_interval(KEEPALIVE_INTERVAL);
        config.keepalives_retries(3);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(options.connect_timeout);
        }
        if config.get_application_name().is_none() {
            config.application_name(&options.application_name);
        }
        Ok(Self {
            config,
            tls,
            connect_timeout: options.connect_timeout,
            statement_timeout: options.statement_timeout,
            redial: Redial::default(),
        })
    }

    /// Opens a session and applies `settings` (more `SET`s, each ended by a semicolon).
    ///
    /// # Errors
    /// `Transient`, or `Config` for what no repetition mends (a wrong password, no such database).
    pub(super) async fn open(&self, settings: &str) -> Result<Session> {
        self.open_heard(settings, None).await
    }

    /// [`open`](Self::open), with what the server tells unasked sent to `heard`.
    pub(super) async fn open_heard(
        &self,
        settings: &str,
        heard: Option<mpsc::UnboundedSender<Notification>>,
    ) -> Result<Session> {
        let opening = tokio::time::timeout(self.connect_timeout, self.try_open(settings, heard));
        let opening = async {
            opening.await.unwrap_or_else(|_| {
                Err(Error::new(
                    ErrorKind::Transient,
                    format!("connect to PostgreSQL: no answer within {:?}", self.connect_timeout),
                ))
            })
        };
        self.redial.dial(Box::pin(opening)).await
    }

    async fn try_open(
        &self,
        settings: &str,
        heard: Option<mpsc::UnboundedSender<Notification>>,
    ) -> Result<Session> {
        let (client, life) = self.tls.connect(&self.config, heard).await?;
        let mut conn = AsyncPgConnection::try_from(client).await.map_err(|error| {
            Error::new(ErrorKind::Transient, "set up a connection to PostgreSQL").with_source(error)
        })?;
        let timeout = self.statement_timeout.as_millis();
        conn.batch_execute(&format!("{COMMON}SET statement_timeout = {timeout};{settings}"))
            .await
            .doing("set up a connection to PostgreSQL")?;
        Ok(Session { conn, life })
    }
}

/// Connects with a TLS maker (or none) and starts to drive the connection.
pub(super) async fn connect<T>(
    config: &Config,
    tls: T,
    heard: Option<mpsc::UnboundedSender<Notification>>,
) -> Result<(Client, Life)>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: TlsStream + Unpin + Send + 'static,
{
    let (client, connection) = config.connect(tls).await.map_err(refused)?;
    Ok((client, drive(connection, heard)))
}

/// Drives a connection until it ends, by its client's drop or by an error.
fn drive<S>(
    mut connection: Connection<Socket, S>,
    heard: Option<mpsc::UnboundedSender<Notification>>,
) -> Life
where
    S: TlsStream + Unpin + Send + 'static,
{
    let ended = Arc::new(AtomicBool::new(false));
    let (sender, end) = watch::channel(());
    let life = Life { ended: Arc::clone(&ended), end };
    let end = End { ended, _sender: sender };
    tokio::spawn(async move {
        let _end = end;
        loop {
            match poll_fn(|cx| connection.poll_message(cx)).await {
                Some(Ok(AsyncMessage::Notification(notification))) => {
                    if let Some(heard) = &heard {
                        // Whoever listened is gone; the client's drop will end this loop.
                        let _ = heard.send(notification);
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    tracing::debug!(%error, "a connection to PostgreSQL was lost");
                    break;
                }
                None => break,
            }
        }
    });
    life
}

/// Tells of a connection's end when it is dropped: by its driver's end, or with the runtime that the
/// driver ran on.
struct End {
    ended: Arc<AtomicBool>,
    _sender: watch::Sender<()>,
}

impl Drop for End {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
    }
}

/// A refused connection. Wrong words are lasting; all else may pass.
fn refused(error: tokio_postgres::Error) -> Error {
    use tokio_postgres::error::SqlState;
    let lasting = error.code().is_some_and(|code| {
        [
            SqlState::INVALID_PASSWORD,
            SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
            SqlState::UNDEFINED_DATABASE,
            SqlState::INVALID_CATALOG_NAME,
        ]
        .contains(code)
    });
    let kind = if lasting { ErrorKind::Config } else { ErrorKind::Transient };
    Error::new(kind, "connect to PostgreSQL").with_source(error)
}
