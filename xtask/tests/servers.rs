//! The throw-away servers: each starts, greets, survives what it promises to, and leaves nothing.
//!
//! Needs both engines installed; `cargo xtask test` sees to that.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use xtask::servers::{Durability, Engine, MariaDb, Postgres, Server, Settings};

/// How long something may take that takes a fraction of a second on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn listens(port: u16) -> bool {
    TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), PATIENCE).is_ok()
}

/// Whether the process lives; one that has ended and waits to be collected does not.
fn lives(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    status.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Runs SQL by the engine's own client and returns what it prints.
fn sql(server: &Server, statement: &str) -> String {
    let port = server.port().to_string();
    let mut client = match server.engine() {
        Engine::Postgres => {
            let mut psql = Command::new("psql");
            psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &server.url()]);
            psql.args(["-c", statement]);
            psql
        }
        Engine::MariaDb => {
            let mut mariadb = Command::new("mariadb");
            mariadb.args(["--no-defaults", "-N", "-B", "-h", "127.0.0.1", "-u", "root"]);
            mariadb.args(["-P", &port, "-e", statement]);
            mariadb
        }
    };
    let output = client.stdin(Stdio::null()).output().expect("the engine's client");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{statement}: {errors}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// What each engine promises, whichever it is.
fn starts_serves_and_vanishes(server: Server, scheme: &str) {
    let (port, directory) = (server.port(), server.directory().to_owned());
    let pid = server.pid().unwrap();
    assert!(server.url().starts_with(&format!("{scheme}@127.0.0.1:{port}/")), "{}", server.url());
    assert!(listens(port));
    assert_eq!(sql(&server, "SELECT 40 + 2"), "42");
    assert!(directory.join("data").is_dir());

    drop(server);
    assert!(!directory.exists(), "{} is left", directory.display());
    assert!(!listens(port));
    assert!(!lives(pid));
}

#[test]
fn postgres_starts_serves_and_vanishes() {
    starts_serves_and_vanishes(Postgres::start(Durability::Off).unwrap(), "postgres://postgres");
}

#[test]
fn mariadb_starts_serves_and_vanishes() {
    starts_serves_and_vanishes(MariaDb::start(Durability::Off).unwrap(), "mysql://root");
}

/// SQL that confuses local time with UTC shall fail in the tests, so no session is in UTC.
#[test]
fn sessions_are_not_in_utc() {
    let postgres = Postgres::start(Durability::Off).unwrap();
    assert_eq!(sql(&postgres, "SELECT extract(timezone FROM now())::int"), "20700");
    let mariadb = MariaDb::start(Durability::Off).unwrap();
    assert_eq!(sql(&mariadb, "SELECT TIMEDIFF(NOW(), UTC_TIMESTAMP())"), "05:45:00");
}

#[test]
fn durability_is_what_was_asked_for() {
    let shown = |server: &Server| match server.engine() {
        Engine::Postgres => sql(server, "SHOW fsync") + &sql(server, "SHOW synchronous_commit"),
        Engine::MariaDb => sql(server, "SELECT @@innodb_flush_log_at_trx_commit"),
    };
    assert_eq!(shown(&Postgres::start(Durability::Off).unwrap()), "offoff");
    assert_eq!(shown(&Postgres::start(Durability::Default).unwrap()), "onon");
    assert_eq!(shown(&MariaDb::start(Durability::Off).unwrap()), "0");
    assert_eq!(shown(&MariaDb::start(Durability::Default).unwrap()), "1");
}

fn commits_survive_a_kill(engine: Engine, create: &str, table: &str) {
    let mut server = Server::start(engine, Durability::Default).unwrap();
    let url = server.url();
    sql(&server, create);
    for round in 1..=3 {
        sql(&server, &format!("INSERT INTO {table} VALUES ({round})"));
        let pid = server.pid().unwrap();
        server.kill().unwrap();
        assert!(server.pid().is_none());
        assert!(!lives(pid));
        assert!(!listens(server.port()));

        server.restart().unwrap();
        assert_ne!(server.pid(), Some(pid));
        assert_eq!(server.url(), url);
        assert_eq!(sql(&server, &format!("SELECT count(*) FROM {table}")), round.to_string());
    }
}

#[test]
fn postgres_keeps_commits_over_a_kill() {
    commits_survive_a_kill(Engine::Postgres, "CREATE TABLE kept (n int)", "kept");
}

#[test]
fn mariadb_keeps_commits_over_a_kill() {
    let create = "CREATE DATABASE d; CREATE TABLE d.kept (n int) ENGINE=InnoDB";
    commits_survive_a_kill(Engine::MariaDb, create, "d.kept");
}

#[test]
fn a_stopped_server_starts_again_with_its_data() {
    for engine in Engine::ALL {
        let mut server = Server::start(engine, Durability::Off).unwrap();
        sql(&server, "CREATE SCHEMA kept");
        server.stop().unwrap();
        assert!(!listens(server.port()));
        server.stop().unwrap();
        server.restart().unwrap();
        // It fails when the schema is not there.
        sql(&server, "DROP SCHEMA kept");
        server.restart().unwrap();
        sql(&server, "CREATE SCHEMA kept");
    }
}

#[test]
fn our_arguments_and_directory_are_used() {
    let parent = tempfile::Builder::new().prefix("taskx-parent-").tempdir().unwrap();
    open_to_all(parent.path());
    let mut settings = Settings::new(Durability::Off);
    settings.parent = Some(parent.path().to_owned());
    settings.arguments = vec!["-c".to_owned(), "max_connections=17".to_owned()];
    let server = Server::start_with(Engine::Postgres, &settings).unwrap();
    assert!(server.directory().starts_with(parent.path()));
    assert_eq!(sql(&server, "SHOW max_connections"), "17");
}

fn open_to_all(directory: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_server_that_cannot_start_says_why_and_leaves_nothing() {
    let parent = tempfile::Builder::new().prefix("taskx-parent-").tempdir().unwrap();
    open_to_all(parent.path());
    for engine in Engine::ALL {
        let mut settings = Settings::new(Durability::Off);
        settings.parent = Some(parent.path().to_owned());
        settings.arguments = vec!["--nonsense=1".to_owned()];
        let error = Server::start_with(engine, &settings).unwrap_err().to_string();
        assert!(error.contains(&format!("{engine} did not start")), "{error}");
        assert!(error.contains("nonsense"), "{error}");
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }
}

/// `cargo xtask db` in a temporary directory of its own.
struct Db {
    program: Child,
    temporary: tempfile::TempDir,
    ports: Vec<u16>,
    servers: Vec<u32>,
}

impl Db {
    fn start() -> Self {
        let temporary = tempfile::Builder::new().prefix("taskx-db-").tempdir().unwrap();
        open_to_all(temporary.path());
        let mut program = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["db", "--no-install"])
            .env("TMPDIR", temporary.path())
            .env_remove("TASKX_TEST_POSTGRES")
            .env_remove("TASKX_TEST_MYSQL")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(program.stdout.take().unwrap());
        let lines: Vec<String> = output.lines().take(2).map(Result::unwrap).collect();
        let ports = ["export TASKX_TEST_POSTGRES=postgres://", "export TASKX_TEST_MYSQL=mysql://"]
            .iter()
            .zip(&lines)
            .map(|(start, line)| {
                assert!(line.starts_with(start), "{line}");
                let (_, port) = line.split_once("@127.0.0.1:").unwrap();
                port.split('/').next().unwrap().parse().unwrap()
            })
            .collect();
        let servers = servers_in(temporary.path());
        assert_eq!(servers.len(), 2, "{lines:?}");
        Self { program, temporary, ports, servers }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.program), signal).unwrap();
    }

    fn is_gone(&self) -> bool {
        let left = fs::read_dir(self.temporary.path()).unwrap().count();
        left == 0
            && !self.ports.iter().any(|&port| listens(port))
            && !self.servers.iter().any(|&pid| lives(pid))
    }
}

/// The ids of the servers that live below `directory`, as their own files tell them.
fn servers_in(directory: &Path) -> Vec<u32> {
    let homes = fs::read_dir(directory).unwrap().map(|home| home.unwrap().path());
    let files = homes.flat_map(|home| [home.join("data/postmaster.pid"), home.join("pid")]);
    let first_line = |file: PathBuf| {
        let mut text = String::new();
        fs::File::open(file).ok()?.read_to_string(&mut text).ok()?;
        text.lines().next()?.trim().parse().ok()
    };
    files.filter_map(first_line).collect()
}

#[test]
fn a_signal_ends_the_servers_before_the_program_ends() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut db = Db::start();
        db.signal(signal);
        assert_eq!(db.program.wait().unwrap().code(), Some(code));
        assert!(db.is_gone());
    }
}

#[test]
fn the_servers_end_when_their_owner_is_killed() {
    let mut db = Db::start();
    db.signal(Signal::KILL);
    assert!(db.program.wait().unwrap().code().is_none());
    wait_until("the servers and their directories are gone", || db.is_gone());
}
