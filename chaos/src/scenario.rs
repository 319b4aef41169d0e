//! What is broken, how often, and what must hold.

mod clock;
mod cut;
mod disk;
mod kill;
mod mixed;
mod poison;
mod readonly;
mod restart;
mod silent;
mod stop;

use std::{fmt, time::Duration};

use anyhow::Result;

use crate::{engine::Engine, ledger::Verdict};

/// How much of everything is done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) kills: usize,
    pub(crate) stops: usize,
    pub(crate) terms: usize,
    pub(crate) restarts: usize,
    pub(crate) terminations: usize,
    pub(crate) cuts: usize,
    pub(crate) outage: Duration,
    /// How long several kinds of processes share one file.
    pub(crate) mixed: Duration,
    /// Every kind of poison, every disk; and a missed figure fails the run.
    pub(crate) everything: bool,
}

impl Size {
    /// For every change: a few minutes for all engines.
    pub(crate) const GATE: Self = Self {
        kills: 100,
        stops: 2,
        terms: 10,
        restarts: 1,
        terminations: 20,
        cuts: 20,
        outage: Duration::from_secs(5),
        mixed: Duration::from_secs(8),
        everything: false,
    };

    /// For a release: an hour or two.
    pub(crate) const FULL: Self = Self {
        kills: 1_000,
        stops: 200,
        terms: 200,
        restarts: 30,
        terminations: 500,
        cuts: 200,
        outage: Duration::from_secs(45),
        mixed: Duration::from_secs(600),
        everything: true,
    };
}

/// What came of a scenario.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// What was done and measured.
    pub(crate) done: String,
    pub(crate) violations: Vec<String>,
    /// Figures that were missed.
    pub(crate) missed: Vec<String>,
}

impl Outcome {
    pub(crate) fn of(done: impl fmt::Display, verdict: Verdict) -> Self {
        let done = format!("{done}; {verdict}");
        Self { done, violations: verdict.violations, missed: Vec::new() }
    }

    /// What must hold on any machine.
    pub(crate) fn require(&mut self, holds: bool, what: impl fmt::Display) {
        if !holds {
            self.violations.push(what.to_string());
        }
    }

    /// A figure that a busy machine can miss: it is told, and fails only a full run.
    pub(crate) fn aim(&mut self, holds: bool, what: impl fmt::Display) {
        if !holds {
            self.missed.push(what.to_string());
        }
    }
}

type Scenario = fn(Engine, Size, u64) -> Result<Option<Outcome>>;

/// Every scenario by its name. `None` where an engine has no such thing.
pub(crate) const ALL: [(&str, Scenario); 14] = [
    ("kill", kill::kill),
    ("stop", stop::stop),
    ("term", stop::term),
    ("restart", restart::restart),
    ("terminate", cut::terminate),
    ("cut", cut::cut),
    ("outage", cut::outage),
    ("readonly", readonly::readonly),
    ("disk", disk::full),
    ("mixed", mixed::mixed),
    ("poison", poison::poison),
    ("silent", silent::silent),
    ("clock", clock::worker),
    ("time", clock::database),
];

/// What takes a minute for little in a short run, and so is done only in a full one or when it is
/// asked for.
pub(crate) const LEFT_OUT: [&str; 3] = ["silent", "clock", "time"];
