//! `taskx queues`: list, pause, resume and empty them.

use clap::Subcommand;
use serde_json::json;
use taskx_commands::{Failure, Output, actor, output::say, status::Status};
use taskx_core::{
    app::App,
    inspect::{Inspect, JobFilter},
    job::JobState,
};

use crate::jobs::bulk::{Bulk, Change};

/// What to do to queues.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the queues with their depth
    #[command(
        after_help = "Examples:\n  taskx queues list\n  taskx queues list --json | jq '.[].name'"
    )]
    List,
    /// Let no worker claim from a queue until it is resumed; what runs goes on
    #[command(
        after_help = "Examples:\n  taskx queues pause mail --reason 'the mail server is down'"
    )]
    Pause {
        /// Its name
        name: String,
        /// Why, for the others
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// End a pause
    #[command(after_help = "Examples:\n  taskx queues resume mail")]
    Resume {
        /// Its name
        name: String,
    },
    /// Delete all jobs of a queue that wait; what runs goes on
    #[command(after_help = "Examples:\n  taskx queues purge mail\n  taskx queues purge mail --yes")]
    Purge {
        /// Its name
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// Does what was asked to queues.
///
/// # Errors
/// If the database does not answer, or nobody consents.
pub(crate) async fn queues(args: &Args, app: &App, out: &mut Output) -> Result<(), Failure> {
    match &args.verb {
        Verb::List => {
            let status = Status::read(app).await?;
            if out.is_json() { out.json(&status.queues) } else { out.table(&status.queue_table()) }
        }
        Verb::Pause { name, reason } => {
            if !is_known(name, app).await? {
                say(format_args!("no job is or was in a queue `{name}`; is that its name?"));
            }
            app.queue().pause(name, reason, &actor()).await?;
            tell(name, "paused", out)
        }
        Verb::Resume { name } => {
            let was_paused = app.queue().resume(name, &actor()).await?;
            tell(name, if was_paused { "resumed" } else { "was not paused" }, out)
        }
        Verb::Purge { name, yes } => {
            use JobState::{Available, Parked, Retryable, Scheduled};
            let filter = JobFilter {
                queues: vec![name.clone()],
                states: vec![Available, Scheduled, Retryable, Parked],
                ..JobFilter::default()
            };
            Bulk { filter, change: Change::Delete, yes: *yes }.run(app, out).await
        }
    }
}

/// Whether anything is known of a queue. One that will be used only later may be paused all the same.
async fn is_known(name: &str, app: &App) -> Result<bool, Failure> {
    let has_jobs = app.queue().count().await?.iter().any(|entry| entry.queue == name);
    Ok(has_jobs || app.queue().queues().await?.iter().any(|queue| queue.name == name))
}

fn tell(name: &str, what: &str, out: &mut Output) -> Result<(), Failure> {
    if out.is_json() {
        return out.json(&json!({ "queue": name, "done": what }));
    }
    out.line(format_args!("{name}: {what}"))
}
