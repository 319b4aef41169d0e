//! `taskx workers` and `taskx tasks`: who runs, and what they have told of.

use taskx_commands::{Failure, Output, Table, span::from_now, status::worker_table};
use taskx_core::{app::App, inspect::Inspect};

/// Which workers.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  taskx workers
  taskx workers --json | jq '.[] | {host, pid, running}'")]
pub(crate) struct Args {}

/// Lists the workers.
///
/// # Errors
/// If the database does not answer.
pub(crate) async fn workers(_args: &Args, app: &App, out: &mut Output) -> Result<(), Failure> {
    let workers = app.queue().workers().await?;
    if out.is_json() {
        return out.json(&workers);
    }
    if workers.is_empty() {
        return out.line("no worker runs");
    }
    out.table(&worker_table(&workers, app.queue().now().await?))
}

/// Which tasks.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  taskx tasks
  taskx app -- tasks      those that are linked into the application")]
pub(crate) struct TaskArgs {}

/// Lists the tasks that workers have told of, and those that only jobs name.
///
/// # Errors
/// If the database does not answer.
pub(crate) async fn tasks(_args: &TaskArgs, app: &App, out: &mut Output) -> Result<(), Failure> {
    let tasks = app.queue().tasks().await?;
    if out.is_json() {
        return out.json(&tasks);
    }
    let now = app.queue().now().await?;
    let mut table =
        Table::new(&["task", "service", "arguments", "workers", "jobs", "last told of"]);
    for task in &tasks {
        table.row([
            task.name.clone(),
            task.owner.clone().unwrap_or_else(|| "nobody".to_owned()),
            task.arguments.as_deref().map(arguments).unwrap_or_default(),
            task.workers.to_string(),
            task.live.to_string(),
            task.last_seen.map(|at| from_now(at, now)).unwrap_or_default(),
        ]);
    }
    out.table(&table)
}

/// Names and types of arguments, from the JSON in the table of tasks.
fn arguments(text: &str) -> String {
    #[derive(serde::Deserialize)]
    struct Argument {
        name: String,
        #[serde(default)]
        r#type: String,
    }
    let arguments: Vec<Argument> = serde_json::from_str(text).unwrap_or_default();
    let shown: Vec<_> = arguments.iter().map(|a| format!("{}: {}", a.name, a.r#type)).collect();
    shown.join(", ")
}
