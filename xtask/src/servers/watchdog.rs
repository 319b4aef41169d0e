//! Ends a server and removes its directory when the process that owns it dies without doing so.
//!
//! A shell that sleeps on a pipe: the kernel closes the other end however the owner dies, SIGKILL
//! included. `PR_SET_PDEATHSIG` (`setpriv --pdeathsig`) would not do: it fires when the *thread* that
//! started the server ends, and it removes no directory.

use std::{
    io::Write,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal};

/// Reads orders, one a line, `SIGNAL PID` with a negative PID for a process group; the last one
/// counts. At the end of the input the process is ended, but only while its command line names our
/// directory, lest a reused PID hit a stranger; then the directory goes.
const SCRIPT: &str = r#"
trap '' INT TERM HUP QUIT
directory=$1 signal= target=
while read -r word number; do signal=$word target=$number; done
lives() { tr '\0' ' ' <"/proc/${target#-}/cmdline" | grep -qF -- "$directory"; }
if [ -n "$target" ] && lives; then
    kill -s "$signal" -- "$target"
    tries=0
    while lives && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
    lives && kill -s KILL -- "$target"
fi
tries=0
until rm -rf -- "$directory" || [ $tries -ge 100 ]; do sleep 0.1; tries=$((tries + 1)); done
"#;

/// A watchdog over one directory. It acts when dropped, too: by then there should be nothing to do.
#[derive(Debug)]
pub(super) struct Watchdog {
    shell: Child,
    /// Closing it is the signal to act; `None` only while being dropped.
    orders: Option<ChildStdin>,
}

impl Watchdog {
    pub(super) fn over(directory: &Path) -> Result<Self> {
        let mut shell = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "taskx-watchdog"])
            .arg(directory)
            .current_dir("/")
            // Out of the way of Ctrl-C, which reaches the whole group of the terminal.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("/bin/sh cannot be run as the watchdog of a server")?;
        let orders = shell.stdin.take();
        Ok(Self { shell, orders })
    }

    /// Tells what to signal when the owner dies; replaces what was said before.
    pub(super) fn order(&mut self, signal: Signal, process: Target) -> Result<()> {
        let Some(orders) = &mut self.orders else { return Ok(()) };
        let name = match signal {
            Signal::QUIT => "QUIT",
            _ => "KILL",
        };
        let target = match process {
            Target::Process(pid) => pid.as_raw_nonzero().get(),
            Target::Group(pid) => -pid.as_raw_nonzero().get(),
        };
        writeln!(orders, "{name} {target}").context("the watchdog of a server is gone")
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.orders.take());
        _ = self.shell.wait();
    }
}

/// Whom a signal is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target {
    Process(Pid),
    /// The process with this id and all that it started in its group.
    Group(Pid),
}
