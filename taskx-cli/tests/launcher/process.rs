//! A process that is watched line by line and told to stop by signals.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::apps::environment;

/// How long anything may take. Building taskx for the first application is the longest.
const PATIENCE: Duration = Duration::from_secs(600);

/// A running process; ended with the test.
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Process {
    /// Starts `taskx` with these words in a folder.
    pub(crate) fn taskx(
        folder: &Path,
        database: &Path,
        line: &[&str],
        says: &[(&str, &str)],
    ) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_taskx"));
        command.current_dir(folder).args(line).envs(says.iter().copied());
        for (name, value) in environment(database) {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        Self::start(command)
    }

    /// Starts a command; its output and its complaints are read together.
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let output = child.stdout.take().map(|out| Box::new(out) as Box<dyn std::io::Read + Send>);
        let complaints =
            child.stderr.take().map(|err| Box::new(err) as Box<dyn std::io::Read + Send>);
        for stream in [output, complaints].into_iter().flatten() {
            let sender = sender.clone();
            thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    let _ = sender.send(line);
                }
            });
        }
        Self { child, lines, seen: Vec::new() }
    }

    /// Waits for a line with these words in it, or finds it among those that were said: there is no
    /// order between its output and its complaints.
    pub(crate) fn wait_for(&mut self, words: &str) {
        let began = Instant::now();
        while !self.seen.iter().any(|line| line.contains(words)) {
            let left = PATIENCE.saturating_sub(began.elapsed());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("`{words}` was not said, but this:\n{}", self.seen.join("\n"));
            };
            self.seen.push(line);
        }
    }

    /// Sends a signal to just this process.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for its end: its exit code and all that it said.
    pub(crate) fn end(&mut self) -> (i32, String) {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(began.elapsed() < PATIENCE, "it did not end:\n{}", self.seen.join("\n"));
            thread::sleep(Duration::from_millis(5));
        };
        self.seen.extend(self.lines.iter());
        (status.code().unwrap_or(-1), self.seen.join("\n"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
