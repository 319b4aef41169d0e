//! The same change to many jobs: counted, consented to, done in steps.

use serde::Serialize;
use taskx_commands::{Exit, Failure, Output, actor};
use taskx_core::{
    app::App,
    inspect::{Actor, Cancelled, Inspect, JobFilter, Page},
    job::JobId,
};

use crate::terminal;

/// The most ids of one question.
const PAGE: u32 = 10_000;

/// The most jobs of one change, so that others are not held up.
const STEP: usize = 1_000;

/// What is done to jobs.
#[derive(Debug)]
pub(crate) enum Change {
    /// Made available again.
    Retry,
    /// Made available before their time.
    RunNow,
    /// Cancelled, or asked to stop.
    Cancel,
    /// Given up, for a reason.
    Discard(String),
    /// Deleted.
    Delete,
}

impl Change {
    fn verb(&self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::RunNow => "run-now",
            Self::Cancel => "cancel",
            Self::Discard(_) => "discard",
            Self::Delete => "delete",
        }
    }

    /// Whether it is asked about even for jobs that were named one by one.
    fn is_destructive(&self) -> bool {
        matches!(self, Self::Discard(_) | Self::Delete)
    }

    async fn apply(&self, ids: &[JobId], by: &Actor, app: &App) -> Result<usize, Failure> {
        let queue = app.queue();
        Ok(match self {
            Self::Retry | Self::RunNow => queue.retry(ids, by).await?,
            Self::Discard(reason) => queue.discard(ids, reason, by).await?,
            Self::Delete => queue.delete(ids, by).await?,
            Self::Cancel => {
                let mut count = 0;
                for id in ids {
                    let done = queue.cancel(*id, by).await?;
                    count +=
                        usize::from(matches!(done, Cancelled::Cancelled | Cancelled::Requested));
                }
                count
            }
        })
    }
}

/// A change to all jobs that fit.
#[derive(Debug)]
pub(crate) struct Bulk {
    /// Which jobs.
    pub(crate) filter: JobFilter,
    /// What is done to them.
    pub(crate) change: Change,
    /// Whether it has been consented to.
    pub(crate) yes: bool,
}

/// What was done.
#[derive(Debug, Serialize)]
struct Done {
    verb: &'static str,
    /// How many jobs fitted.
    matched: usize,
    /// How many of them were changed; the others had moved on.
    changed: usize,
}

impl Bulk {
    /// Counts the jobs, asks, and changes just those.
    ///
    /// # Errors
    /// If the database does not answer, nobody consents, or jobs named by id were not changed.
    pub(crate) async fn run(&self, app: &App, out: &mut Output) -> Result<(), Failure> {
        let (verb, named) = (self.change.verb(), !self.filter.ids.is_empty());
        let ids = self.ids(app).await?;
        if !ids.is_empty() && !self.yes && (!named || self.change.is_destructive()) {
            terminal::consent(&format!("{verb} {}?", jobs(ids.len())))?;
        }
        let bar = terminal::progress(verb, ids.len());
        let (by, mut changed) = (actor(), 0);
        for step in ids.chunks(STEP) {
            changed += self.change.apply(step, &by, app).await?;
            bar.inc(u64::try_from(step.len()).unwrap_or(0));
        }
        bar.finish_and_clear();
        let done = Done { verb, matched: ids.len(), changed };
        if out.is_json() {
            out.json(&done)?;
        } else {
            out.line(format_args!("{verb}: {changed} of {} changed", jobs(done.matched)))?;
        }
        let missed = named && changed < self.filter.ids.len();
        if missed { Err(self.why(out)) } else { Ok(()) }
    }

    /// The ids of all jobs that fit, as of now: what is shown is what is changed.
    async fn ids(&self, app: &App) -> Result<Vec<JobId>, Failure> {
        let spinner = terminal::spinner("counted");
        let (mut ids, mut before) = (Vec::new(), None);
        loop {
            let page = app.queue().ids(&self.filter, Page { before, limit: PAGE }).await?;
            before = page.last().copied();
            let is_last = page.len() < PAGE as usize;
            ids.extend(page);
            spinner.set_position(u64::try_from(ids.len()).unwrap_or(u64::MAX));
            if is_last {
                spinner.finish_and_clear();
                return Ok(ids);
            }
        }
    }

    /// Why jobs that were named were left as they are.
    fn why(&self, out: &Output) -> Failure {
        if out.is_json() {
            return Failure::silent(Exit::Failed);
        }
        let why = match self.change {
            Change::Retry => "it waits already, is running, has completed, or is not there",
            Change::RunNow => {
                "it does not wait for a time: it is available, runs, has finished (`taskx jobs \
                 retry` runs it again), or is not there"
            }
            Change::Cancel => "it has finished, or is not there",
            Change::Discard(_) => "it is running or has finished, or is not there",
            Change::Delete => "it is running, or is not there",
        };
        Failure::failed(format!("a job was left as it is: {why}"))
            .mend("`taskx jobs show ID` tells where it stands")
    }
}

fn jobs(count: usize) -> String {
    format!("{count} {}", if count == 1 { "job" } else { "jobs" })
}
