//! `taskx tasks`: what is linked into the program.

use serde::Serialize;
use taskx_core::task::{TaskDef, registered};

use crate::{
    failure::Failure,
    output::{Output, Table},
};

/// Which tasks.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  taskx tasks
  taskx tasks --json | jq -r '.[].name'")]
pub struct Args {}

/// A task as it is shown.
#[derive(Debug, Serialize)]
struct Shown {
    name: &'static str,
    aliases: &'static [&'static str],
    app: Option<&'static str>,
    queue: &'static str,
    max_attempts: u16,
    arguments: Vec<Argument>,
    schedules: Vec<Schedule>,
    place: String,
    doc: &'static str,
}

#[derive(Debug, Serialize)]
struct Argument {
    name: &'static str,
    r#type: &'static str,
    optional: bool,
}

#[derive(Debug, Serialize)]
struct Schedule {
    name: &'static str,
    trigger: String,
    description: String,
}

impl From<&'static TaskDef> for Shown {
    fn from(def: &'static TaskDef) -> Self {
        let arguments = def.arguments.iter().map(|argument| Argument {
            name: argument.name,
            r#type: argument.type_name,
            optional: argument.default,
        });
        let schedules = def.schedules.iter().map(|schedule| {
            let trigger = (schedule.trigger)();
            Schedule {
                name: schedule.name,
                trigger: trigger.to_string(),
                description: trigger.describe(),
            }
        });
        Self {
            name: def.name,
            aliases: def.aliases,
            app: def.app,
            queue: def.options.queue,
            max_attempts: def.options.max_attempts,
            arguments: arguments.collect(),
            schedules: schedules.collect(),
            place: def.place(),
            doc: def.doc,
        }
    }
}

/// Lists the tasks that are linked into this program, of every App, by name.
///
/// # Errors
/// If there is none.
pub fn linked(_args: &Args, out: &mut Output) -> Result<(), Failure> {
    let mut tasks: Vec<Shown> = registered().map(Shown::from).collect();
    if tasks.is_empty() {
        return Err(Failure::usage("no task is linked into this program").mend(
            "tasks of a library that the program never names are left out by the linker: write \
             `use my_tasks as _;` in its main file",
        ));
    }
    tasks.sort_by_key(|task| (task.app, task.name));
    if out.is_json() {
        return out.json(&tasks);
    }
    let mut table = Table::new(&["task", "queue", "arguments", "fires", "about"]);
    for task in &tasks {
        let arguments = task.arguments.iter().map(|argument| {
            let mark = if argument.optional { "?" } else { "" };
            format!("{}{mark}: {}", argument.name, argument.r#type)
        });
        let fires = task.schedules.iter().map(|schedule| schedule.description.as_str());
        table.row([
            task.name,
            task.queue,
            &arguments.collect::<Vec<_>>().join(", "),
            &fires.collect::<Vec<_>>().join("; "),
            task.doc.lines().next().unwrap_or_default(),
        ]);
    }
    out.table(&table)
}
