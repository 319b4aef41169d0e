//! `taskx schedules`: what fires by itself, and what an operator does to it.

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Subcommand;
use serde_json::{Map, Value, json};
use taskx_core::{app::App, inspect::Inspect, schedule::ScheduleInfo};
use taskx_schedule::{Misfire, Trigger};

use crate::{
    actor,
    enqueue::{check_told, newest, payload, told},
    failure::Failure,
    output::{Output, Table, say},
    span::from_now,
};

/// What to do to schedules.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List all schedules
    #[command(
        after_help = "Examples:\n  taskx schedules list\n  taskx schedules list --json | jq -r '.[].name'"
    )]
    List,
    /// Show the next fire times of a schedule
    #[command(
        after_help = "Examples:\n  taskx schedules next newsletter\n  taskx schedules next newsletter -n 3 --json"
    )]
    Next {
        /// Its name
        name: String,
        /// How many fire times
        #[arg(long, short = 'n', default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1_000))]
        count: u16,
    },
    /// Fire nothing of a schedule until it is resumed
    #[command(after_help = "Examples:\n  taskx schedules pause newsletter")]
    Pause {
        /// Its name
        name: String,
    },
    /// End a pause
    #[command(after_help = "Examples:\n  taskx schedules resume newsletter")]
    Resume {
        /// Its name
        name: String,
    },
    /// Enqueue a job of a schedule now, beside its fire times
    #[command(after_help = "Examples:\n  taskx schedules run-now newsletter")]
    RunNow {
        /// Its name
        name: String,
    },
    /// Add a schedule, or replace one that was added so
    #[command(after_help = "\
Examples:
  taskx schedules add nightly report '0 3 * * *' --args '{\"days\": 1}'
  taskx schedules add pulse heartbeat 'interval(minutes = 10)'
  taskx schedules add launch greet 'date(run_date = \"2030-01-31 09:00:00\")'")]
    Add(Add),
    /// Remove a schedule that was added at run time
    #[command(after_help = "Examples:\n  taskx schedules remove nightly")]
    Remove {
        /// Its name
        name: String,
    },
}

#[derive(Debug, clap::Args)]
struct Add {
    /// Its name
    name: String,
    /// The task's name
    task: String,
    /// Crontab text, or `cron(..)`, `date(..)`, `interval(..)`
    trigger: Trigger,
    /// The arguments of its jobs: a JSON object, or @FILE, or @- for the standard input
    #[arg(long, value_name = "JSON", default_value = "{}")]
    args: String,
    /// The queue of its jobs. Default: the task's, if it is linked into this program, else that of
    /// its newest job, else `default`
    #[arg(long)]
    queue: Option<String>,
    /// Of the times missed during a stop: skip, latest, all, or all(50) for the newest 50
    #[arg(long, value_name = "POLICY")]
    misfire: Option<Misfire>,
}

/// Does what was asked to schedules.
///
/// # Errors
/// A schedule that is not there or belongs to the code, a database that does not answer.
pub async fn schedules(args: &Args, app: &App, out: &mut Output) -> Result<(), Failure> {
    let (schedules, by) = (app.queue().schedules(), actor());
    let done = |out: &mut Output, name: &str, what: &str| {
        if out.is_json() {
            return out.json(&json!({ "schedule": name, "done": what }));
        }
        out.line(format_args!("{name}: {what}"))
    };
    match &args.verb {
        Verb::List => return list(app, out).await,
        Verb::Next { name, count } => return next(app, name, (*count).into(), out).await,
        Verb::Pause { name } => {
            schedules.pause(name, &by).await?;
            done(out, name, "paused")
        }
        Verb::Resume { name } => {
            schedules.resume(name, &by).await?;
            done(out, name, "resumed")
        }
        Verb::RunNow { name } => {
            let id = schedules.enqueue_now(name).await?;
            if out.is_json() {
                return out.json(&json!({ "schedule": name, "id": id }));
            }
            out.line(id)
        }
        Verb::Add(add) => {
            self::add(add, app).await?;
            done(out, &add.name, "added")
        }
        Verb::Remove { name } => {
            schedules.remove(name, &by).await?;
            done(out, name, "removed")
        }
    }
}

async fn add(add: &Add, app: &App) -> Result<(), Failure> {
    add.trigger.check_fires()?;
    let (text, arguments) = payload(&add.args)?;
    let def = app
        .tasks()
        .unwrap_or_default()
        .into_iter()
        .find(|def| def.names().any(|name| name == add.task));
    let queue = match def {
        Some(def) => {
            (def.accepts)(&text)?;
            Some(def.options.queue.to_owned())
        }
        None => by_database(add, &arguments, app).await?,
    };
    let schedules = app.queue().schedules();
    let mut new = schedules.add_task(&add.name, &add.task, add.trigger.clone(), text);
    if let Some(queue) = add.queue.clone().or(queue) {
        new = new.queue(queue);
    }
    if let Some(misfire) = add.misfire {
        new = new.misfire(misfire);
    }
    Ok(new.save(&actor()).await?)
}

/// Checks a schedule against what workers have told of its task; answers the queue of the task's
/// newest job. A schedule may be added before its task is deployed, so what nobody knows is said and
/// not refused.
async fn by_database(
    add: &Add,
    arguments: &Map<String, Value>,
    app: &App,
) -> Result<Option<String>, Failure> {
    let tasks = app.queue().tasks().await?;
    match told(&tasks, &add.task) {
        Some(task) => check_told(task, arguments)?,
        None => {
            let task = &add.task;
            say(format_args!("no worker has ever told of a task `{task}`; is that its name?"));
        }
    }
    let queue = newest(app, &add.task).await?.map(|job| job.queue);
    if queue.is_none() && add.queue.is_none() {
        say("its jobs go into the queue `default`, since none tells another; --queue names one");
    }
    Ok(queue)
}

async fn list(app: &App, out: &mut Output) -> Result<(), Failure> {
    let schedules = app.queue().schedules().list().await?;
    if out.is_json() {
        return out.json(&schedules);
    }
    let now = app.queue().now().await?;
    let mut table = Table::new(&["schedule", "task", "fires", "next", "last", "state"]);
    for schedule in &schedules {
        table.row(cells(schedule, now));
    }
    out.table(&table)
}

fn cells(schedule: &ScheduleInfo, now: DateTime<Utc>) -> [String; 6] {
    let fires = schedule
        .trigger
        .parse::<Trigger>()
        .map_or_else(|_| schedule.trigger.clone(), |trigger| trigger.describe());
    let when = |time: Option<DateTime<Utc>>| time.map_or_else(String::new, |at| from_now(at, now));
    [
        schedule.name.clone(),
        schedule.task.clone(),
        fires,
        when(schedule.next_slot),
        when(schedule.last_slot),
        state(schedule).to_owned(),
    ]
}

/// Where a schedule stands, in a word.
pub(crate) fn state(schedule: &ScheduleInfo) -> &'static str {
    if schedule.dropped_at.is_some() {
        "no longer declared"
    } else if schedule.paused_at.is_some() {
        "paused"
    } else {
        "active"
    }
}

async fn next(app: &App, name: &str, count: usize, out: &mut Output) -> Result<(), Failure> {
    let schedule = app.queue().schedules().get(name).await?;
    let next = app.queue().schedules().next(name, count).await?;
    let zone = schedule.trigger.parse::<Trigger>()?.timezone();
    let next: Vec<String> = next
        .iter()
        .map(|at| at.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::AutoSi, true))
        .collect();
    if out.is_json() {
        return out.json(&next);
    }
    next.iter().try_for_each(|time| out.line(time))
}
