//! The cases: what is prepared, what is measured, and what it is held against.

mod bulk;
mod callers;
mod crowd;
mod drain;
mod fleet;
mod idle;
mod in_transaction;
mod latency;
mod one_by_one;
pub(crate) mod peers;
mod snapshot;

use std::{path::PathBuf, time::Duration};

use taskx_measure::{Handler, Setting, Work};

use crate::site::Engine;

/// One case: one row of the table of each of its engines.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// What it is called on the command line and in the table.
    pub(crate) name: String,
    /// Who is measured.
    pub(crate) program: Program,
    /// On what.
    pub(crate) engines: &'static [Engine],
    /// What is done before, unmeasured.
    pub(crate) before: Vec<Work>,
    /// What is measured.
    pub(crate) work: Work,
    /// The bytes of JSON that a job carries, unless the run has them.
    pub(crate) payload: Option<usize>,
    /// What is there meanwhile.
    pub(crate) beside: Beside,
    /// What its rate is held against.
    pub(crate) bars: Vec<Bar>,
    /// In how many of the pairs it takes part at most: what takes minutes, in few.
    pub(crate) most_pairs: usize,
}

/// Who is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Program {
    /// taskx, by its public interface.
    Taskx,
    /// Plain SQL on taskx's schema.
    Raw,
    /// Another job queue, by its program.
    Peer(PathBuf),
}

/// What is there while a case is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beside {
    /// Nothing.
    Nothing,
    /// A session that has held a snapshot since before the jobs were enqueued.
    Snapshot,
    /// A worker in another process, which is told apart from the measured caller.
    Worker,
    /// So many processes of the same work.
    Others(usize),
}

/// "At least so much of the other case's rate in the same pair."
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bar {
    pub(crate) against: String,
    pub(crate) least: f64,
}

impl Case {
    fn new(name: impl Into<String>, work: Work) -> Self {
        Self {
            name: name.into(),
            program: Program::Taskx,
            engines: &Engine::ALL,
            before: Vec::new(),
            work,
            payload: None,
            beside: Beside::Nothing,
            bars: Vec::new(),
            most_pairs: usize::MAX,
        }
    }

    fn raw(self) -> Self {
        Self { program: Program::Raw, name: format!("raw {}", self.name), ..self }
    }

    fn before(mut self, work: Work) -> Self {
        self.before.push(work);
        self
    }

    fn beside(self, beside: Beside) -> Self {
        Self { beside, ..self }
    }

    fn at_least(mut self, least: f64, against: &str) -> Self {
        self.bars.push(Bar { against: against.to_owned(), least });
        self
    }

    /// A drain that may not end in time ends after 12 s.
    fn stopped_early(mut self) -> Self {
        if let Work::Drain { at_most, .. } = &mut self.work {
            *at_most = Some(Duration::from_secs(12));
        }
        self
    }

    fn of_bytes(self, bytes: usize) -> Self {
        Self { payload: Some(bytes), ..self }
    }

    fn most_pairs(self, most_pairs: usize) -> Self {
        Self { most_pairs, ..self }
    }
}

/// Every case; with `share`, of so many jobs less.
pub(crate) fn all(share: u64) -> Vec<Case> {
    let size = |jobs: u64| (jobs / share).max(100);
    [
        one_by_one::cases(&size),
        in_transaction::cases(&size),
        callers::cases(&size),
        bulk::cases(&size),
        drain::cases(&size),
        latency::cases(&size),
        crowd::cases(&size),
        fleet::cases(&size),
        snapshot::cases(&size),
        idle::cases(share),
    ]
    .concat()
}

/// Jobs that wait to be drained.
fn fill(jobs: u64, handler: Handler) -> Work {
    Work::Fill { jobs, elsewhere: false, later: false, handler }
}

fn drain(jobs: u64, setting: Setting) -> Work {
    Work::Drain { jobs, setting, at_most: None, shared: false }
}

const fn newcomer(concurrency: usize) -> Setting {
    Setting::Default { concurrency }
}
