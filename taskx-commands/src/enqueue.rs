//! `taskx enqueue`: a job by the name of its task.

use std::{fs, io::Read, time::Duration};

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use taskx_core::{
    app::App,
    error::chain,
    inspect::{Inspect, JobFilter, Page, TaskInfo},
    job::{Job, JobId, JobState, NewJob, RunAt},
    task::TaskDef,
};

use crate::{
    failure::{Exit, Failure},
    output::Output,
};

/// What to enqueue.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  taskx enqueue email_task --args '{\"to\": \"ada@example.com\", \"subject\": \"Hello\"}'
  taskx enqueue report --args @arguments.json --delay 10m --tag monthly
  taskx enqueue report --wait 1m          wait for its end, and show its result

The arguments are checked against the task: whole, where the task is linked into this program;
by their names, where only a worker has told of it. Queue and attempts are the task's, or those of
its newest job.")]
pub struct Args {
    /// The task's name
    pub task: String,
    /// Its arguments: a JSON object, or @FILE, or @- for the standard input
    #[arg(long, value_name = "JSON", default_value = "{}")]
    pub args: String,
    /// The queue. Default: the task's, or that of its newest job
    #[arg(long)]
    pub queue: Option<String>,
    /// Lower runs first. Default: the task's, else 0
    #[arg(long, allow_negative_numbers = true)]
    pub priority: Option<i16>,
    /// Failed attempts until it is discarded. Default: the task's, else 25
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub max_attempts: Option<u16>,
    /// Run after so long
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, conflicts_with = "at")]
    pub delay: Option<Duration>,
    /// Run at this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub at: Option<DateTime<Utc>>,
    /// A word to find it by; may be given several times
    #[arg(long = "tag", value_name = "TAG")]
    pub tags: Vec<String>,
    /// Its id; if there is a job of this id already, nothing is enqueued
    #[arg(long)]
    pub id: Option<JobId>,
    /// Wait so long for its end; exit code 1 if it does not succeed
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub wait: Option<Duration>,
    /// Enqueue it although nobody knows the task
    #[arg(long)]
    pub force: bool,
}

/// Reads a time: RFC 3339.
pub(crate) fn time(text: &str) -> Result<DateTime<Utc>, String> {
    text.parse().map_err(|_| format!("`{text}` is no time; write 2030-01-31T09:00:00Z"))
}

/// Enqueues a job.
///
/// # Errors
/// A task that nobody knows, arguments that do not fit it, a database that does not answer; with
/// `--wait` a job that did not succeed in time.
pub async fn enqueue(args: &Args, app: &App, out: &mut Output) -> Result<(), Failure> {
    let (text, payload) = payload(&args.args)?;
    let mut job = NewJob::new("default", args.task.clone(), text);
    let defs = app.tasks().unwrap_or_default();
    if defs.is_empty() {
        by_database(args, app, &payload, &mut job).await?;
    } else {
        by_definition(args, &defs, &payload, &mut job)?;
    }
    if let Some(queue) = &args.queue {
        job.queue = queue.clone().into();
    }
    job.priority = args.priority.unwrap_or(job.priority);
    job.max_attempts = args.max_attempts.map_or(job.max_attempts, i32::from);
    if !args.tags.is_empty() {
        job.extras_mut().tags.clone_from(&args.tags);
    }
    if let Some(id) = args.id {
        (job.id, job.check_id) = (id, true);
    }
    job.run_at = match (args.delay, args.at) {
        (Some(delay), _) => RunAt::In(delay),
        (None, Some(time)) => RunAt::At(time),
        (None, None) => RunAt::Now,
    };
    let queue = job.queue.clone();
    let id = app.queue().insert(job).await?;
    let Some(limit) = args.wait else {
        if out.is_json() {
            return out.json(&json!({ "id": id, "task": args.task, "queue": queue }));
        }
        return out.line(format_args!("{id}  in queue {queue}"));
    };
    wait(app, id, limit, out).await
}

/// The arguments as they are written, and as an object.
pub(crate) fn payload(text: &str) -> Result<(String, Map<String, Value>), Failure> {
    let text = match text.strip_prefix('@') {
        None => text.to_owned(),
        Some("-") => {
            let mut text = String::new();
            let read = std::io::stdin().read_to_string(&mut text);
            read.map_err(|error| Failure::usage(format!("--args @-: {error}")))?;
            text
        }
        Some(file) => fs::read_to_string(file)
            .map_err(|error| Failure::usage(format!("--args @{file}: {error}")))?,
    };
    match serde_json::from_str(&text) {
        Ok(object) => Ok((text, object)),
        Err(error) => Err(Failure::usage(format!("--args is no JSON object: {error}"))
            .mend("write the arguments by name: --args '{\"to\": \"ada@example.com\"}'")),
    }
}

/// Checks the job against the task that is linked into this program, and takes its options.
fn by_definition(
    args: &Args,
    defs: &[&TaskDef],
    payload: &Map<String, Value>,
    job: &mut NewJob,
) -> Result<(), Failure> {
    let Some(def) = defs.iter().find(|def| def.names().any(|name| name == args.task)) else {
        if args.force {
            return Ok(());
        }
        let names: Vec<_> = defs.iter().map(|def| def.name).collect();
        return Err(unknown(&args.task, "this program has no task", &names));
    };
    job.queue = def.options.queue.into();
    job.priority = def.options.priority;
    job.max_attempts = i32::from(def.options.max_attempts);
    let known: Vec<_> = def.arguments.iter().map(|argument| argument.name).collect();
    check_names(&args.task, payload, &known)?;
    (def.accepts)(&job.payload).map_err(|error| {
        let arguments = def.arguments.iter().map(|a| format!("{}: {}", a.name, a.type_name));
        let arguments = arguments.collect::<Vec<_>>().join(", ");
        Failure::usage(format!("the arguments of `{}`: {}", args.task, chain(&error)))
            .mend(format!("it takes {{{arguments}}}"))
    })
}

/// An argument as the table of tasks keeps it.
#[derive(Deserialize)]
struct Argument {
    name: String,
    #[serde(default)]
    default: bool,
}

/// Checks the job against what workers have told of the task.
async fn by_database(
    args: &Args,
    app: &App,
    payload: &Map<String, Value>,
    job: &mut NewJob,
) -> Result<(), Failure> {
    let tasks = app.queue().tasks().await?;
    let Some(task) = told(&tasks, &args.task) else {
        if args.force {
            return Ok(());
        }
        let names: Vec<_> =
            tasks.iter().filter(|task| task.owner.is_some()).map(|t| t.name.as_str()).collect();
        return Err(unknown(&args.task, "no worker has ever told of a task", &names));
    };
    check_told(task, payload)?;
    match newest(app, &args.task).await? {
        Some(newest) => {
            job.queue = newest.queue.into();
            job.max_attempts = newest.max_attempts;
        }
        // A guess could put it where no worker looks.
        None if args.queue.is_none() && !args.force => {
            let text = format!("no job of `{}` tells in which queue it belongs", args.task);
            return Err(Failure::usage(text).mend(
                "say it by --queue, or let the application enqueue it, which knows: \
                 `taskx app -- enqueue ..`",
            ));
        }
        None => {}
    }
    Ok(())
}

/// The task of this name, if a worker has told of it.
pub(crate) fn told<'t>(tasks: &'t [TaskInfo], name: &str) -> Option<&'t TaskInfo> {
    tasks.iter().find(|task| task.name == name && task.arguments.is_some())
}

/// The newest job of a task, which tells the queue and the attempts: the table of tasks does not keep
/// them.
pub(crate) async fn newest(app: &App, task: &str) -> Result<Option<Job>, Failure> {
    let filter = JobFilter { tasks: vec![task.to_owned()], ..JobFilter::default() };
    let newest = app.queue().list(&filter, Page { before: None, limit: 1 }).await?;
    Ok(newest.into_iter().next())
}

/// Checks arguments by the names that a worker has told of: none too many, none missing.
pub(crate) fn check_told(task: &TaskInfo, payload: &Map<String, Value>) -> Result<(), Failure> {
    let arguments: Vec<Argument> = task
        .arguments
        .as_deref()
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let names: Vec<_> = arguments.iter().map(|argument| argument.name.as_str()).collect();
    check_names(&task.name, payload, &names)?;
    let missing = arguments.iter().filter(|a| !a.default && !payload.contains_key(&a.name));
    let missing: Vec<_> = missing.map(|argument| argument.name.as_str()).collect();
    if !missing.is_empty() {
        let text = format!("the arguments of `{}` lack {}", task.name, missing.join(", "));
        return Err(Failure::usage(text));
    }
    Ok(())
}

fn check_names(task: &str, payload: &Map<String, Value>, known: &[&str]) -> Result<(), Failure> {
    let Some(odd) = payload.keys().find(|name| !known.contains(&name.as_str())) else {
        return Ok(());
    };
    let takes = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Err(Failure::usage(format!("`{task}` has no argument `{odd}`"))
        .mend(format!("it takes {takes}")))
}

fn unknown(task: &str, what: &str, names: &[&str]) -> Failure {
    let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    Failure::usage(format!("{what} `{task}`"))
        .mend(format!("the tasks are: {known}; --force enqueues it all the same"))
}

async fn wait(app: &App, id: JobId, limit: Duration, out: &mut Output) -> Result<(), Failure> {
    let job = app.queue().wait_finished(id, limit).await?;
    if out.is_json() {
        out.json(&job)?;
    } else {
        let text = job.result.as_deref().or(job.reason.as_deref()).unwrap_or_default();
        out.line(format_args!("{id}  {}  {text}", job.state).to_string().trim_end())?;
    }
    if job.state == JobState::Completed { Ok(()) } else { Err(Failure::silent(Exit::Failed)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_an_object() {
        let (text, object) = payload(r#"{"b": 1.50, "a":18446744073709551616}"#).unwrap();
        assert_eq!((text.as_str(), object.len()), (r#"{"b": 1.50, "a":18446744073709551616}"#, 2));
        for wrong in ["[1]", "a=1", ""] {
            let failure = payload(wrong).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage);
            assert!(failure.mend.unwrap().contains("by name"), "{wrong}");
        }
    }

    #[test]
    fn an_argument_that_the_task_has_not_is_told_with_those_it_has() {
        let (_, payload) = payload(r#"{"to":1,"sbject":2}"#).unwrap();
        let failure = check_names("mail", &payload, &["to", "subject"]).unwrap_err();
        assert_eq!(failure.message, "`mail` has no argument `sbject`");
        assert_eq!(failure.mend.as_deref(), Some("it takes to, subject"));
    }
}
