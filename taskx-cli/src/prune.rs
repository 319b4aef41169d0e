//! `taskx prune`: what workers do every minute, done now.

use serde_json::json;
use taskx_commands::{Failure, Output};
use taskx_core::app::App;

use crate::terminal;

/// The most jobs that are deleted at once, so that others are not held up.
const STEP: u32 = 1_000;

/// What to prune.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  taskx prune
  taskx jobs delete --state completed --older-than 1d    before their time")]
pub(crate) struct Args {}

/// Deletes finished jobs whose retention has passed.
///
/// # Errors
/// If the database does not answer.
pub(crate) async fn prune(_args: &Args, app: &App, out: &mut Output) -> Result<(), Failure> {
    let spinner = terminal::spinner("pruned");
    let mut count = 0;
    loop {
        let pruned = app.queue().prune(STEP).await?;
        count += pruned.jobs;
        spinner.set_position(u64::try_from(count).unwrap_or(u64::MAX));
        if !pruned.more {
            break;
        }
    }
    spinner.finish_and_clear();
    if out.is_json() {
        return out.json(&json!({ "pruned": count }));
    }
    out.line(format_args!("{count} finished jobs were past their retention and are deleted"))
}
