//! The commands that an application's own binary answers: `myapp taskx run`, `myapp taskx status`.
//!
//! An application reaches this crate by the feature `cli` of `taskx`; the package taskx-cli puts the
//! same commands, and those that need no application, into a program of its own.
//!
//! # Layout
//! One file a command, each with its `Args` (what clap reads, with examples) and a function that
//! does it. A new command is a new file and a variant of [`Command`]. `output` is what is shown,
//! `failure` what went wrong and with which exit code, `protocol` the launcher's handshake,
//! `intercept` the door of an application.
//!
//! # Exit codes
//! 0 done; 1 it failed, or trouble was found; 2 the command line or a setting is wrong.

pub mod cron;
pub mod doctor;
pub mod enqueue;
pub mod failure;
mod intercept;
pub mod migrate;
pub mod output;
pub mod protocol;
pub mod run;
pub mod schedules;
pub mod span;
pub mod status;
pub mod tasks;

use clap::Subcommand;
use taskx_core::{
    app::{App, Opening},
    inspect::Actor,
};

pub use self::{
    failure::{Exit, Failure},
    intercept::{Answer, Asked, Request, asked, intercept},
    output::{Output, Table},
};

/// What an application's own binary answers.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the worker: the whole application, or its worker alone
    Run(run::Args),
    /// Show queues, workers, schedules, and what is wrong
    Status(status::Args),
    /// List the tasks that are linked into this program
    Tasks(tasks::Args),
    /// Enqueue a job by the name of its task
    Enqueue(enqueue::Args),
    /// Show when a trigger fires, and what it means
    Cron(cron::Args),
    /// List, pause, resume, run, add and remove schedules
    Schedules(schedules::Args),
    /// Bring the database's tables up to date
    Migrate(migrate::Args),
    /// Look for what is wrong, and say what mends it
    Doctor(doctor::Args),
}

impl Command {
    /// What building the App may do to the database for this command; `None` if it needs no App.
    fn opening(&self) -> Option<Opening> {
        match self {
            Self::Tasks(_) | Self::Cron(_) => None,
            Self::Run(_) | Self::Enqueue(_) | Self::Schedules(_) => Some(Opening::AsConfigured),
            Self::Status(_) | Self::Doctor(_) => Some(Opening::Existing),
            Self::Migrate(args) => Some(args.opening()),
        }
    }

    /// Does a command that needs no App.
    fn answer_alone(&self, out: &mut Output) -> Option<Result<(), Failure>> {
        match self {
            Self::Tasks(args) => Some(tasks::linked(args, out)),
            Self::Cron(args) => Some(cron::cron(args, out)),
            _ => None,
        }
    }

    /// Does a command.
    async fn answer(&self, app: &App, out: &mut Output) -> Result<Answer, Failure> {
        match self {
            Self::Run(args) => return run::run(args, app).await,
            Self::Status(args) => status::status(args, app, out).await,
            Self::Tasks(args) => tasks::linked(args, out),
            Self::Enqueue(args) => enqueue::enqueue(args, app, out).await,
            Self::Cron(args) => cron::cron(args, out),
            Self::Schedules(args) => schedules::schedules(args, app, out).await,
            Self::Migrate(args) => migrate::migrate(args, app, out, || ()).await,
            Self::Doctor(args) => doctor::doctor(args, app, out).await,
        }?;
        Ok(Answer::Exit(Exit::Done))
    }
}

/// Who changes something by a command: `cli:ada`, by the name of the user.
#[must_use]
pub fn actor() -> Actor {
    let user = ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| std::env::var(name).ok());
    Actor(format!("cli:{}", user.as_deref().unwrap_or("unknown")))
}
