//! A chore of several steps: all are run, each is timed, and the failed ones are named at the end.

use std::{
    process::ExitStatus,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use crate::interrupt::Interrupt;

/// What became of the steps so far.
#[derive(Debug)]
pub(crate) struct Report {
    interrupt: Interrupt,
    steps: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    name: String,
    took: Duration,
    failure: Option<String>,
}

impl Report {
    pub(crate) fn new(interrupt: &Interrupt) -> Self {
        Self { interrupt: interrupt.clone(), steps: Vec::new() }
    }

    /// Runs one step. A failure is kept for the end, so that one run shows everything that is wrong.
    ///
    /// # Errors
    /// Only when a signal has arrived: then nothing more is to be begun.
    pub(crate) fn step(&mut self, name: &str, run: impl FnOnce() -> Result<()>) -> Result<()> {
        self.interrupt.check()?;
        eprintln!("\n==> {name}");
        let began = Instant::now();
        let failure = run().err().map(|error| format!("{error:#}"));
        let took = began.elapsed();
        match &failure {
            None => eprintln!("==> {name}: ok in {:.1} s", took.as_secs_f64()),
            Some(failure) => eprintln!("==> {name}: FAILED: {failure}"),
        }
        self.steps.push(Step { name: name.to_owned(), took, failure });
        self.interrupt.check()
    }

    /// Prints one line a step, and again what was wrong: a reader of a long log looks at its end.
    ///
    /// # Errors
    /// When any step failed.
    pub(crate) fn finish(self) -> Result<()> {
        eprintln!();
        for Step { name, took, failure } in &self.steps {
            let verdict = if failure.is_none() { "ok    " } else { "FAILED" };
            eprintln!("{verdict} {:>7.1} s  {name}", took.as_secs_f64());
            if let Some(failure) = failure {
                eprintln!("    {failure}");
            }
        }
        let failed: Vec<&str> = self
            .steps
            .iter()
            .filter(|step| step.failure.is_some())
            .map(|step| step.name.as_str())
            .collect();
        if failed.is_empty() {
            return Ok(());
        }
        bail!("failed: {}", failed.join(", "))
    }
}

/// Makes a program's exit by anything but 0 a failure.
pub(crate) fn succeeded(status: ExitStatus) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    bail!("{status}")
}
