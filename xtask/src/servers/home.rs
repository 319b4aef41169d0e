//! The directory of one server: who owns it, what runs in it, its log.

use std::{
    env,
    fs::{self, File, OpenOptions, Permissions},
    hash::{BuildHasher, RandomState},
    io::{Read, Seek, SeekFrom},
    net::{Ipv4Addr, TcpListener},
    ops::Range,
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, geteuid};
use tempfile::TempDir;

use super::{
    Engine,
    watchdog::{Target, Watchdog},
};

/// `nobody` and its group, the same numbers on every Linux system: whom the servers run as when we
/// are root, since both engines refuse root.
const NOBODY: u32 = 65534;

/// The longest path of a server's directory: a Unix socket's name has 107 bytes at most, and the
/// longest that we put there is `/data/.s.PGSQL.65535.lock`.
const LONGEST_PATH: usize = 107 - 26;

/// How much of a log is shown.
const LOG_SHOWN: u64 = 8 * 1024;

/// Ports that no outgoing connection is given, so that a restarted server finds its own free again.
const PORTS: Range<u16> = 10_000..32_000;

/// A temporary directory with a log, and the watchdog over it.
#[derive(Debug)]
pub(super) struct Home {
    /// Removed when dropped; declared before the watchdog, which then finds nothing left to do.
    directory: TempDir,
    watchdog: Watchdog,
    /// Whom programs are run as; `None`: as ourselves.
    account: Option<u32>,
}

impl Home {
    pub(super) fn build(engine: Engine, parent: Option<&Path>) -> Result<Self> {
        let account = geteuid().is_root().then_some(NOBODY);
        let parent = match parent {
            Some(parent) => parent.to_owned(),
            None => reachable_temporary_directory(account),
        };
        let prefix = match engine {
            Engine::Postgres => "taskx-pg-",
            Engine::MariaDb => "taskx-my-",
        };
        let directory = tempfile::Builder::new()
            .prefix(prefix)
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(&parent)
            .with_context(|| format!("no directory can be made in {}", parent.display()))?;
        let path = directory.path();
        if path.as_os_str().len() > LONGEST_PATH {
            bail!("{} is too long a path for a Unix socket", path.display());
        }
        if account.is_some() {
            chown(path, account, account)
                .with_context(|| format!("{} cannot be given to nobody", path.display()))?;
        }
        let watchdog = Watchdog::over(path)?;
        Ok(Self { directory, watchdog, account })
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Where the data are.
    pub(super) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// A command that runs here: nothing of our environment but the `PATH`, output to the log, a
    /// process group of its own (so Ctrl-C on the terminal does not end it behind our back).
    pub(super) fn command(&self, program: &Path) -> Result<Command> {
        let log = OpenOptions::new().create(true).append(true).open(self.log_file())?;
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("LC_ALL", "C")
            .env("TMPDIR", self.path())
            .envs(env::var_os("PATH").map(|path| ("PATH", path)))
            .current_dir(self.path())
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        if let Some(account) = self.account {
            command.uid(account).gid(account);
        }
        Ok(command)
    }

    /// Runs a command of [`Home::command`] to its end.
    pub(super) fn run(&mut self, mut command: Command) -> Result<()> {
        let name = command.get_program().to_owned();
        let mut child = command.spawn().with_context(|| format!("{} fails", name.display()))?;
        self.watchdog.order(Signal::KILL, Target::Group(Pid::from_child(&child)))?;
        let status = child.wait()?;
        if !status.success() {
            bail!("{} failed ({status}); its log:\n{}", name.display(), self.log_since(0));
        }
        Ok(())
    }

    /// Says which process the watchdog shall signal when the owner of this home dies.
    pub(super) fn on_owners_death(&mut self, signal: Signal, process: Pid) -> Result<()> {
        self.watchdog.order(signal, Target::Process(process))
    }

    pub(super) fn log_file(&self) -> PathBuf {
        self.path().join("log")
    }

    /// The length of the log, in bytes.
    pub(super) fn log_length(&self) -> u64 {
        fs::metadata(self.log_file()).map_or(0, |log| log.len())
    }

    /// The log from the byte `start` on, but not more than its last 8 KiB.
    pub(super) fn log_since(&self, start: u64) -> String {
        let start = start.max(self.log_length().saturating_sub(LOG_SHOWN));
        let mut text = Vec::new();
        let read = File::open(self.log_file()).and_then(|mut log| {
            log.seek(SeekFrom::Start(start))?;
            log.read_to_end(&mut text)
        });
        match read {
            Ok(_) => String::from_utf8_lossy(&text).into_owned(),
            Err(error) => format!("(no log: {error})"),
        }
    }
}

/// The system's temporary directory, unless it is private to root and the servers would not get in.
fn reachable_temporary_directory(account: Option<u32>) -> PathBuf {
    let usual = env::temp_dir();
    let open = |directory: &Path| {
        let mode = |step: &Path| fs::metadata(step).map(|found| found.permissions().mode());
        directory.ancestors().all(|step| mode(step).is_ok_and(|mode| mode & 0o001 != 0))
    };
    if account.is_none() || open(&usual) { usual } else { PathBuf::from("/tmp") }
}

/// A port of 127.0.0.1 that is free at this moment.
pub(super) fn free_port() -> Result<u16> {
    let start = RandomState::new().hash_one("port");
    let count = PORTS.end - PORTS.start;
    for step in 0..u64::from(count) {
        let offset = u16::try_from((start.wrapping_add(step)) % u64::from(count))?;
        let port = PORTS.start + offset;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port of 127.0.0.1 between {} and {} is free", PORTS.start, PORTS.end)
}

/// The processes whose parent is `pid`.
pub(super) fn children_of(pid: u32) -> Vec<Pid> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    processes
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let number: i32 = entry.file_name().to_str()?.parse().ok()?;
            let line = fs::read_to_string(entry.path().join("stat")).ok()?;
            // `PID (NAME) STATE PARENT ...`; the name may hold spaces and brackets.
            let (_, rest) = line.rsplit_once(')')?;
            let parent: u32 = rest.split_whitespace().nth(1)?.parse().ok()?;
            (parent == pid).then(|| Pid::from_raw(number))?
        })
        .collect()
}
