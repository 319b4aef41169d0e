//! Processes that a test starts, listens to, signals, and ends.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{self, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};

/// A running program; killed when this is dropped.
#[derive(Debug)]
pub struct Child {
    process: process::Child,
    lines: Receiver<String>,
}

impl Child {
    /// Starts a program without the environment of the tests; `prepare` adds what it shall have.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(program: &str, prepare: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("TASKX_") || text == "DATABASE_URL" {
                command.env_remove(&name);
            }
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        prepare(&mut command);
        let mut process = command.spawn().expect("the program starts");
        let output = BufReader::new(process.stdout.take().expect("its output is piped"));
        let (sender, lines) = channel();
        thread::spawn(move || {
            // Ends with the program, or with the test.
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { process, lines }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits for a line that starts with `start`, and gives it; others before it are passed over.
    ///
    /// # Panics
    /// If none comes within a minute, or the program ends before.
    pub fn line(&self, start: &str) -> String {
        let deadline = Instant::now() + crate::SOON;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left);
            let line = line.unwrap_or_else(|e| panic!("no line `{start}..`: {e}"));
            if line.starts_with(start) {
                return line;
            }
        }
    }

    /// Writes a line to its input.
    ///
    /// # Panics
    /// If it does not listen any more.
    pub fn tell(&mut self, line: &str) {
        let input = self.process.stdin.as_mut().expect("its input is piped");
        writeln!(input, "{line}").expect("it listens");
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// If it has ended and was waited for.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.id()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).expect("the signal is sent");
    }

    /// Waits until it ends, at most `limit`.
    ///
    /// # Panics
    /// If it goes on.
    pub fn end(&mut self, limit: Duration) -> ExitStatus {
        let status = self.ended_within(limit);
        status.unwrap_or_else(|| panic!("the program goes on after {limit:?}"))
    }

    /// Waits until it ends, at most `limit`; `None` if it goes on.
    ///
    /// # Panics
    /// If it cannot be waited for.
    pub fn ended_within(&mut self, limit: Duration) -> Option<ExitStatus> {
        let started = Instant::now();
        loop {
            let status = self.process.try_wait().expect("it can be waited for");
            if status.is_some() || started.elapsed() >= limit {
                return status;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Asks it by SIGTERM to end, and checks that it ends well within a minute.
    ///
    /// # Panics
    /// If it does not.
    pub fn stop(mut self) {
        self.signal(Signal::TERM);
        let status = self.end(crate::SOON);
        assert!(status.success(), "the program ended with {status}");
    }

    /// Kills it as `kill -9` does.
    ///
    /// # Panics
    /// If it cannot be killed.
    pub fn kill(mut self) {
        self.process.kill().expect("it is killed");
        self.process.wait().expect("it is waited for");
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Appends a line to a file by one write, so that many processes may share it.
///
/// # Panics
/// If the file cannot be written.
pub fn append(file: &Path, line: &str) {
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.append(true).create(true).open(file).expect("the file opens");
    file.write_all(format!("{line}\n").as_bytes()).expect("the line is written");
}

/// The lines of a file that [`append`] wrote; none if there is no file.
///
/// # Panics
/// If it is no text.
#[must_use]
pub fn lines(file: &Path) -> Vec<String> {
    match std::fs::read_to_string(file) {
        Ok(text) => text.lines().map(ToOwned::to_owned).collect(),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(e) => panic!("{}: {e}", file.display()),
    }
}
