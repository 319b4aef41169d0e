//! `taskx jobs`: find jobs, and do something to one, some, or all that fit.

pub(crate) mod bulk;
mod edit;
pub(crate) mod filter;
pub(crate) mod list;
mod show;

use clap::Subcommand;
use taskx_commands::{Failure, Output};
use taskx_core::{
    app::App,
    job::{JobId, JobState},
};

use self::{
    bulk::{Bulk, Change},
    filter::{Filter, Paging},
};

/// What to do to jobs.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List jobs, newest first
    #[command(after_help = "\
Examples:
  taskx jobs list --state running
  taskx jobs list --task email_task --arg 'to=\"ada@example.com\"' --older-than 1h
  taskx jobs list --queue mail --attempts 3 --json | jq '.[] | {id, reason}'")]
    List {
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        paging: Paging,
    },
    /// Show all that is known of a job: arguments, failed attempts, result
    #[command(after_help = "Examples:\n  taskx jobs show 0190a3b2-7c1d-7e2f-9a3b-4c5d6e7f8091")]
    Show {
        /// Its id
        id: JobId,
    },
    /// Make jobs available again: those that failed, gave up, were cancelled or set aside
    #[command(after_help = "\
Examples:
  taskx jobs retry 0190a3b2-7c1d-7e2f-9a3b-4c5d6e7f8091
  taskx jobs retry --task email_task --state discarded --yes")]
    Retry(Which),
    /// Cancel jobs: those that wait at once; those that run are asked to stop
    #[command(after_help = "\
Examples:
  taskx jobs cancel 0190a3b2-7c1d-7e2f-9a3b-4c5d6e7f8091
  taskx jobs cancel --tag import-7 --yes")]
    Cancel(Which),
    /// Give up on jobs that wait; they become dead letters
    #[command(after_help = "\
Examples:
  taskx jobs discard --task old_task --reason 'no longer needed' --yes")]
    Discard {
        #[command(flatten)]
        which: Which,
        /// Why
        #[arg(long, default_value = "discarded by hand")]
        reason: String,
    },
    /// Delete jobs that do not run, with all that is known of them
    #[command(after_help = "\
Examples:
  taskx jobs delete --state completed --older-than 1d --yes")]
    Delete(Which),
    /// Run jobs now that wait for a time or for their next attempt
    #[command(after_help = "\
Examples:
  taskx jobs run-now 0190a3b2-7c1d-7e2f-9a3b-4c5d6e7f8091
  taskx jobs run-now --queue reports --state scheduled --yes")]
    RunNow(Which),
    /// Change the arguments of a job that is neither running nor completed
    #[command(after_help = "\
Examples:
  taskx jobs edit 0190a3b2-7c1d-7e2f-9a3b-4c5d6e7f8091                      in $EDITOR
  taskx jobs edit 0190a3b2-7c1d-7e2f-9a3b-4c5d6e7f8091 --args '{\"to\": \"ada@example.com\"}'
Then `taskx jobs retry` runs a dead one with its new arguments.")]
    Edit {
        /// Its id
        id: JobId,
        /// The new arguments: a JSON object
        #[arg(long, value_name = "JSON")]
        args: Option<String>,
    },
}

/// The jobs that a verb is for.
#[derive(Debug, clap::Args)]
struct Which {
    #[command(flatten)]
    filter: Filter,
    /// Every job that the verb is for
    #[arg(long)]
    all: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

impl Which {
    /// Changes the jobs that fit; without `--state`, those among `states`. By id a job is changed in
    /// whatever state the store allows; but what is run now waits for its time, and a dead one that
    /// runs again is another wish.
    async fn change(
        self,
        states: &[JobState],
        change: Change,
        app: &App,
        out: &mut Output,
    ) -> Result<(), Failure> {
        let filter = self.filter.required(self.all)?;
        let filter = match change {
            Change::RunNow => filter.within(states),
            _ => filter.among(states),
        };
        let filter = filter.read(app).await?;
        Bulk { filter, change, yes: self.yes }.run(app, out).await
    }
}

/// Does what was asked to jobs.
///
/// # Errors
/// If the database does not answer, nothing fits, or nobody consents.
pub(crate) async fn jobs(args: Args, app: &App, out: &mut Output) -> Result<(), Failure> {
    use JobState::{
        Available, Cancelled, Completed, Discarded, Parked, Quarantined, Retryable, Running,
        Scheduled,
    };
    match args.verb {
        Verb::List { filter, paging } => {
            list::list(&filter.read(app).await?, &paging, app, out).await
        }
        Verb::Show { id } => show::show(id, app, out).await,
        Verb::Edit { id, args } => edit::edit(id, args.as_deref(), app, out).await,
        Verb::Retry(which) => {
            let failed = [Retryable, Parked, Cancelled, Discarded, Quarantined];
            which.change(&failed, Change::Retry, app, out).await
        }
        Verb::RunNow(which) => {
            which.change(&[Scheduled, Retryable, Parked], Change::RunNow, app, out).await
        }
        Verb::Cancel(which) => {
            let live = [Available, Running, Scheduled, Retryable, Parked];
            which.change(&live, Change::Cancel, app, out).await
        }
        Verb::Discard { which, reason } => {
            let waiting = [Available, Scheduled, Retryable, Parked];
            which.change(&waiting, Change::Discard(reason), app, out).await
        }
        Verb::Delete(which) => {
            let still = [
                Available,
                Scheduled,
                Retryable,
                Parked,
                Completed,
                Cancelled,
                Discarded,
                Quarantined,
            ];
            which.change(&still, Change::Delete, app, out).await
        }
    }
}
