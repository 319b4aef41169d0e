//! An example as a process of its own.

use std::{
    env, fs,
    io::{BufRead, BufReader, Lines},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::NamedTempFile;

/// How long anything may take on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// A running example; killed if the test ends before it.
pub(crate) struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    stderr: NamedTempFile,
}

impl Program {
    /// Starts an example in a folder, on a database or on its default one, with arguments.
    pub(crate) fn start(name: &str, folder: &Path, url: Option<&str>, words: &[&str]) -> Self {
        let stderr = NamedTempFile::new().unwrap();
        let mut command = Command::new(built(name));
        command.args(words).current_dir(folder).env_remove("DATABASE_URL");
        match url {
            Some(url) => command.env("TASKX_DATABASE_URL", url),
            None => command.env_remove("TASKX_DATABASE_URL"),
        };
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.stderr(stderr.reopen().unwrap()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines, stderr }
    }

    /// What it has written to stderr.
    pub(crate) fn complaints(&self) -> String {
        fs::read_to_string(self.stderr.path()).unwrap()
    }

    /// The next line that it prints.
    pub(crate) fn line(&mut self) -> String {
        let line = self.lines.next().transpose().unwrap();
        line.unwrap_or_else(|| panic!("the program ended: {}", self.complaints()))
    }

    /// Asks it to stop, as the system does.
    pub(crate) fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        eventually("the program's end", || self.child.try_wait().unwrap())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Looks again and again until there is an answer.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = look() {
            return answer;
        }
        assert!(began.elapsed() < LIMIT, "{what}: not within {LIMIT:?}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// The example's executable. Cargo builds all examples for the tests of this package, unless it is
/// told which targets to build: then this is missing, or an older one.
fn built(name: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let folder = test.parent().unwrap().parent().unwrap().join("examples");
    let path = folder.join(format!("{name}{}", env::consts::EXE_SUFFIX));
    assert!(
        path.exists(),
        "{} is missing; `cargo test -p taskx-examples`, without a target, builds it",
        path.display()
    );
    path
}
