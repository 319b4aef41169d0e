//! Private PostgreSQL and MariaDB servers that live in a temporary directory and vanish with it.
//!
//! Each listens on a free port of 127.0.0.1 only, needs neither docker nor a system service, and is
//! run as `nobody` when the caller is root (both engines refuse root). Nothing is left behind:
//! dropping a [`Server`] ends it and removes its directory, and a watchdog does the same
//! when the owner dies without a chance to drop (SIGKILL, abort, a second Ctrl-C).

mod home;
mod mariadb;
mod postgres;
mod program;
mod watchdog;

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use self::{home::Home, program::Programs};

/// How long a server may take to accept connections, or to stop: generous, since a recovery after
/// [`Server::kill`] on a busy machine takes its time, and a server that fails ends the wait at once.
const PATIENCE: Duration = Duration::from_secs(120);

/// The pause between two looks at a server that is starting or stopping.
const GLANCE: Duration = Duration::from_millis(10);

/// A port seen free may be taken before the server binds it; so many ports are tried.
const PORTS_TRIED: usize = 5;

/// What an orphaned backend of a killed PostgreSQL, or a stranger on our port, makes a start fail
/// with. Both pass, so a restart tries again until [`PATIENCE`] ends.
const PASSING_FAILURES: [&str; 3] =
    ["Address already in use", "is still in use", "Unable to lock ./ibdata1"];

/// A database engine that taskx is tested against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Engine {
    /// PostgreSQL, from Debian's package `postgresql`.
    Postgres,
    /// MariaDB, from Debian's package `mariadb-server-core`.
    MariaDb,
}

impl Engine {
    /// Every engine, in the order in which they are reported.
    pub const ALL: [Self; 2] = [Self::Postgres, Self::MariaDb];

    /// The Debian packages that hold the programs of the server.
    #[must_use]
    pub fn packages(self) -> &'static [&'static str] {
        match self {
            Self::Postgres => &["postgresql"],
            Self::MariaDb => &["mariadb-server-core", "mariadb-client-core"],
        }
    }

    /// The environment variable in which the tests look for the URL of such a server.
    #[must_use]
    pub fn variable(self) -> &'static str {
        match self {
            Self::Postgres => "TASKX_TEST_POSTGRES",
            Self::MariaDb => "TASKX_TEST_MYSQL",
        }
    }

    /// Whether the programs of the server are on this machine.
    #[must_use]
    pub fn is_installed(self) -> bool {
        Programs::find(self).is_ok()
    }

    /// How the server names its version, on one line.
    ///
    /// # Errors
    /// When the engine is not installed or its program cannot be run.
    pub fn version(self) -> Result<String> {
        Programs::find(self)?.version()
    }

    fn initialise(self, home: &mut Home, programs: &Programs) -> Result<()> {
        match self {
            Self::Postgres => postgres::initialise(home, programs),
            Self::MariaDb => mariadb::initialise(home, programs),
        }
    }

    fn serve(
        self,
        home: &Home,
        programs: &Programs,
        port: u16,
        durability: Durability,
    ) -> Result<Command> {
        match self {
            Self::Postgres => postgres::serve(home, programs, port, durability),
            Self::MariaDb => mariadb::serve(home, programs, port, durability),
        }
    }

    fn accepts(self, address: SocketAddr) -> bool {
        match self {
            Self::Postgres => postgres::accepts(address),
            Self::MariaDb => mariadb::accepts(address),
        }
        .unwrap_or(false)
    }

    /// The signal that asks for an orderly stop without waiting for clients to leave.
    fn polite(self) -> Signal {
        match self {
            Self::Postgres => Signal::INT,
            Self::MariaDb => Signal::TERM,
        }
    }

    /// The signal that ends the server at once, leaving no process and no shared memory behind.
    /// PostgreSQL's parent process must pass it on; MariaDB is one process.
    fn abrupt(self) -> Signal {
        match self {
            Self::Postgres => Signal::QUIT,
            Self::MariaDb => Signal::KILL,
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Postgres => "PostgreSQL",
            Self::MariaDb => "MariaDB",
        })
    }
}

/// What a commit of the server is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Durability {
    /// Nothing waits for the disk: fast, for tests. A crash may lose commits or the whole database.
    #[default]
    Off,
    /// What the engine does out of the box: a commit survives [`Server::kill`]. For fault programmes
    /// and for benches whose figures shall mean something.
    Default,
}

/// How a server is to be run.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Settings {
    /// Whether commits wait for the disk. Default: [`Durability::Off`].
    pub durability: Durability,
    /// More arguments of the server's own command line, after ours so that they win:
    /// `["-c", "max_connections=10"]` for PostgreSQL, `["--max-connections=10"]` for MariaDB.
    pub arguments: Vec<String>,
    /// More variables of the server's environment, of which it otherwise has none but the `PATH`.
    pub environment: Vec<(String, String)>,
    /// The directory in which the server's own is made, such as a small tmpfs. Default: the system's
    /// temporary directory. `nobody` must be able to reach it when the caller is root, and its
    /// path must be short: a Unix socket's name has 107 bytes at most.
    pub parent: Option<PathBuf>,
}

impl Settings {
    /// The settings of [`Server::start`].
    #[must_use]
    pub fn new(durability: Durability) -> Self {
        Self { durability, ..Self::default() }
    }
}

/// Starts PostgreSQL servers.
#[derive(Clone, Copy, Debug)]
pub struct Postgres;

impl Postgres {
    /// [`Server::start`] with [`Engine::Postgres`].
    ///
    /// # Errors
    /// See [`Server::start`].
    pub fn start(durability: Durability) -> Result<Server> {
        Server::start(Engine::Postgres, durability)
    }
}

/// Starts MariaDB servers.
#[derive(Clone, Copy, Debug)]
pub struct MariaDb;

impl MariaDb {
    /// [`Server::start`] with [`Engine::MariaDb`].
    ///
    /// # Errors
    /// See [`Server::start`].
    pub fn start(durability: Durability) -> Result<Server> {
        Server::start(Engine::MariaDb, durability)
    }
}

/// A database server of our own. Dropping it ends the server at once and removes its directory.
///
/// Its clock of the session is 5 h 45 min ahead of UTC, so that SQL which mixes up local time and UTC
/// fails in the tests. At most 300 connections; no TLS; the superuser has no password.
#[derive(Debug)]
pub struct Server {
    engine: Engine,
    settings: Settings,
    programs: Programs,
    port: u16,
    /// The running server; `None` between [`Server::stop`] or [`Server::kill`] and a restart.
    child: Option<Child>,
    /// Declared last: the directory goes only after the server that lives in it.
    home: Home,
}

impl Server {
    /// Makes a new, empty database in a temporary directory and serves it on a free port of
    /// 127.0.0.1. Returns when it accepts connections: 1 s for PostgreSQL and 2 s for MariaDB on an
    /// idle machine. Several may be started at once from several threads.
    ///
    /// # Errors
    /// When the engine is not installed (the message names the `apt-get` line), or when it does not
    /// start (the message ends with the server's log).
    pub fn start(engine: Engine, durability: Durability) -> Result<Self> {
        Self::start_with(engine, &Settings::new(durability))
    }

    /// [`Server::start`] with more [`Settings`].
    ///
    /// # Errors
    /// See [`Server::start`].
    pub fn start_with(engine: Engine, settings: &Settings) -> Result<Self> {
        let programs = Programs::find(engine)?;
        let mut home = Home::build(engine, settings.parent.as_deref())?;
        engine.initialise(&mut home, &programs)?;
        let settings = settings.clone();
        let mut server = Self { engine, settings, programs, port: 0, child: None, home };
        for _ in 1..PORTS_TRIED {
            server.port = home::free_port()?;
            match server.launch()? {
                Launch::Ready => return Ok(server),
                Launch::Ended { passing: true, .. } => {}
                Launch::Ended { status, .. } => return Err(server.failed(status)),
            }
        }
        bail!("no port of 127.0.0.1 stayed free for {engine}, {PORTS_TRIED} were tried")
    }

    /// The URL that a client connects to, as superuser: `postgres://postgres@127.0.0.1:PORT/postgres`
    /// or `mysql://root@127.0.0.1:PORT/` (no database chosen). Stays the same over restarts.
    #[must_use]
    pub fn url(&self) -> String {
        let port = self.port;
        match self.engine {
            Engine::Postgres => format!("postgres://postgres@127.0.0.1:{port}/postgres"),
            Engine::MariaDb => format!("mysql://root@127.0.0.1:{port}/"),
        }
    }

    /// The engine that this is a server of.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// The port of 127.0.0.1 that the server listens on; the same over restarts.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id of the server, or `None` when it was stopped or killed.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// The server's own directory: its data, socket and log.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.home.path()
    }

    /// The server's log, from before its first start on. It goes with the server.
    #[must_use]
    pub fn log_file(&self) -> PathBuf {
        self.home.log_file()
    }

    /// Stops the server in an orderly way: clients are cut off, nothing committed is lost even with
    /// [`Durability::Off`]. The data stay for [`Server::restart`]. Does nothing when it is not running.
    ///
    /// # Errors
    /// When the server cannot be signalled or does not end within 120 s.
    pub fn stop(&mut self) -> Result<()> {
        self.end(self.engine.polite())
    }

    /// Kills every process of the server with SIGKILL, as a power cut or the OOM killer would. The
    /// data stay for [`Server::restart`]. Does nothing when it is not running.
    ///
    /// # Errors
    /// When the server cannot be signalled.
    pub fn kill(&mut self) -> Result<()> {
        let Some(child) = &self.child else { return Ok(()) };
        // Held first: a backend that it begets after the look would live on and keep its memory.
        kill_process(Pid::from_child(child), Signal::STOP)?;
        let family = home::children_of(child.id());
        self.end(Signal::KILL)?;
        for member in family {
            // It may be gone already: PostgreSQL's backends end when their parent does.
            _ = kill_process(member, Signal::KILL);
        }
        Ok(())
    }

    /// Stops the server when it runs, and starts it again with the same data on the same port.
    /// Returns when it accepts connections, that is after its recovery from a [`Server::kill`].
    ///
    /// # Errors
    /// When it does not stop or does not start; the message ends with the server's log.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        let began = Instant::now();
        loop {
            match self.launch()? {
                Launch::Ready => return Ok(()),
                Launch::Ended { passing: true, .. } if began.elapsed() < PATIENCE => {
                    thread::sleep(GLANCE);
                }
                Launch::Ended { status, .. } => return Err(self.failed(status)),
            }
        }
    }

    /// Starts the server's process and waits until it accepts connections or has ended.
    fn launch(&mut self) -> Result<Launch> {
        let log_start = self.home.log_length();
        let (engine, durability) = (self.engine, self.settings.durability);
        let mut command = engine.serve(&self.home, &self.programs, self.port, durability)?;
        command.args(&self.settings.arguments);
        command.envs(self.settings.environment.iter().cloned());
        let child = command.spawn().with_context(|| format!("{engine} cannot be run"))?;
        let child = self.child.insert(child);
        self.home.on_owners_death(engine.abrupt(), Pid::from_child(child))?;

        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Some(status) = child.try_wait()? {
                self.child = None;
                let log = self.home.log_since(log_start);
                let passing = PASSING_FAILURES.iter().any(|failure| log.contains(failure));
                return Ok(Launch::Ended { status, passing });
            }
            if engine.accepts(address) {
                return Ok(Launch::Ready);
            }
            thread::sleep(GLANCE);
        }
        bail!(
            "{engine} did not accept connections within {PATIENCE:?}; its log:\n{}",
            self.home.log_since(0)
        )
    }

    fn failed(&self, status: ExitStatus) -> anyhow::Error {
        anyhow::anyhow!(
            "{} did not start ({status}); its log:\n{}",
            self.engine,
            self.home.log_since(0)
        )
    }

    /// Signals the server and waits until it has ended.
    fn end(&mut self, signal: Signal) -> Result<()> {
        let Some(child) = &mut self.child else { return Ok(()) };
        let engine = self.engine;
        kill_process(Pid::from_child(child), signal)
            .with_context(|| format!("{engine} cannot be signalled"))?;
        let began = Instant::now();
        while child.try_wait()?.is_none() {
            if began.elapsed() > PATIENCE {
                bail!(
                    "{engine} did not stop within {PATIENCE:?}; its log:\n{}",
                    self.home.log_since(0)
                );
            }
            thread::sleep(GLANCE);
        }
        self.child = None;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its data are about to be removed: no reason to have them written out first.
        if self.end(self.engine.abrupt()).is_err()
            && let Some(mut child) = self.child.take()
        {
            // The watchdog removes what is left of the directory.
            _ = child.kill();
            _ = child.wait();
        }
    }
}

/// What became of a server's process.
enum Launch {
    /// It accepts connections.
    Ready,
    /// It ended before that; `passing` when the same start may succeed later or on another port.
    Ended { status: ExitStatus, passing: bool },
}
