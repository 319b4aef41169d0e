//! `taskx dead`: the jobs that gave up or were set aside.

use clap::Subcommand;
use taskx_commands::{Failure, Output};
use taskx_core::{app::App, job::JobState};

use crate::jobs::{
    bulk::{Bulk, Change},
    filter::{Filter, Paging},
    list,
};

/// The states of dead letters.
const DEAD: [JobState; 2] = [JobState::Discarded, JobState::Quarantined];

/// What to do with dead letters.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List them, newest first, with why they died
    #[command(
        after_help = "Examples:\n  taskx dead list\n  taskx dead list --task email_task --json"
    )]
    List {
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        paging: Paging,
    },
    /// Bring them back: available at once, their attempts counted anew
    #[command(after_help = "\
Examples:
  taskx dead redrive --task email_task --yes
  taskx dead redrive 0190a3b2-7c1d-7e2f-9a3b-4c5d6e7f8091
  taskx dead redrive --all")]
    Redrive {
        #[command(flatten)]
        filter: Filter,
        /// All of them
        #[arg(long)]
        all: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// Does what was asked with dead letters.
///
/// # Errors
/// If the database does not answer, or nobody consents.
pub(crate) async fn dead(args: Args, app: &App, out: &mut Output) -> Result<(), Failure> {
    match args.verb {
        Verb::List { filter, paging } => {
            list::list(&filter.among(&DEAD).read(app).await?, &paging, app, out).await
        }
        Verb::Redrive { filter, all, yes } => {
            let filter = filter.required(all)?.within(&DEAD).read(app).await?;
            Bulk { filter, change: Change::Retry, yes }.run(app, out).await
        }
    }
}
