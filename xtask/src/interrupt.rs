//! Ctrl-C and its kin: what runs is told to end, and everything of ours is dropped in order.

use std::{
    io,
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

/// The one listener for SIGINT, SIGTERM and SIGHUP, and the one place where programs are run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The first signal that arrived.
    signal: Option<i32>,
    /// The process group of the program that is running.
    running: Option<Pid>,
}

impl Interrupt {
    /// Begins to listen. From here on the signals no longer end the process by themselves.
    pub(crate) fn listen() -> io::Result<Self> {
        let interrupt = Self::default();
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let listener = interrupt.clone();
        thread::spawn(move || {
            for signal in signals.forever() {
                let mut state = listener.state();
                state.signal.get_or_insert(signal);
                forward(&state);
                listener.shared.arrived.notify_all();
            }
        });
        Ok(interrupt)
    }

    /// The signal that arrived, if any.
    pub(crate) fn signal(&self) -> Option<i32> {
        self.state().signal
    }

    /// Fails when a signal has arrived: to be asked before anything is begun.
    pub(crate) fn check(&self) -> Result<()> {
        match self.signal() {
            None => Ok(()),
            Some(signal) => bail!("ended by signal {signal}"),
        }
    }

    /// Sleeps until a signal arrives.
    pub(crate) fn wait(&self) {
        let mut state = self.state();
        while state.signal.is_none() {
            state = self.shared.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Runs a program to its end, without input.
    ///
    /// # Errors
    /// When it cannot be run or a signal arrived meanwhile; not by what it exits with.
    pub(crate) fn run(&self, command: &mut Command) -> Result<ExitStatus> {
        self.run_reading(command, |_| Ok(()))
    }

    /// [`Interrupt::run`] which hands the started child over, to have its piped output read.
    pub(crate) fn run_reading(
        &self,
        command: &mut Command,
        read: impl FnOnce(&mut Child) -> Result<()>,
    ) -> Result<ExitStatus> {
        self.check()?;
        // A group of its own: a signal then reaches cargo and all below it exactly once, by us,
        // whether it came from a terminal or from a supervisor that knows only our process.
        command.process_group(0).stdin(Stdio::null());
        let name = command.get_program().to_owned();
        let mut child =
            command.spawn().with_context(|| format!("{} cannot be run", name.display()))?;
        {
            let mut state = self.state();
            state.running = Some(Pid::from_child(&child));
            if state.signal.is_some() {
                forward(&state);
            }
        }
        let outcome = read(&mut child);
        let status = child.wait();
        self.state().running = None;
        self.check()?;
        outcome?;
        Ok(status?)
    }

    /// [`Interrupt::run_reading`] that kills the program and all it started after `limit`.
    pub(crate) fn run_at_most(
        &self,
        limit: Duration,
        command: &mut Command,
        read: impl FnOnce(&mut Child) -> Result<()>,
    ) -> Result<ExitStatus> {
        let (ended, end) = mpsc::channel::<()>();
        let mut timer = None;
        let status = self.run_reading(command, |child| {
            let group = Pid::from_child(child);
            timer = Some(thread::spawn(move || {
                let late = end.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout);
                // Fails only when the program ended in this very moment.
                late && kill_process_group(group, Signal::KILL).is_ok()
            }));
            read(child)
        });
        drop(ended);
        if let Some(timer) = timer
            && timer.join().is_ok_and(|killed| killed)
        {
            bail!("still running after {limit:?}, killed");
        }
        status
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Passes the signal on to what is running.
fn forward(state: &State) {
    let signal = match state.signal {
        Some(SIGINT) => Signal::INT,
        Some(SIGHUP) => Signal::HUP,
        _ => Signal::TERM,
    };
    if let Some(group) = state.running {
        // It fails when the program has just ended, which is what we want.
        _ = kill_process_group(group, signal);
    }
}
