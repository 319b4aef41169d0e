//! `taskx doctor`: what is wrong with a queue, each with its mend.

use std::{fmt, time::Duration};

use chrono::{DateTime, Utc};
use serde::Serialize;
use taskx_core::{
    app::App,
    clock::{Clock, SystemClock},
    error::{Error, ErrorKind, Result},
    inspect::{DatabaseInfo, Inspect, QueueInfo, StateCount, TaskInfo, WorkerInfo},
    job::JobState,
    schedule::ScheduleInfo,
};
use taskx_schedule::Trigger;

use crate::{
    failure::{Exit, Failure},
    output::{Output, Table},
    span::{from_now, span},
};

/// How to show it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  taskx doctor
  taskx doctor --json | jq -r '.problems[].mend'

The exit code is 1 if something is wrong.")]
pub struct Args {}

/// A clock of this machine that differs by more from the database's is told of.
const SKEW: Duration = Duration::from_secs(5);

/// A transaction that has been open for longer is told of: the engine keeps every row for it.
const SNAPSHOT: Duration = Duration::from_secs(600);

/// A schedule that is late by more is told of.
const LATE: Duration = Duration::from_secs(60);

/// Something that is wrong, and what mends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What is wrong.
    pub what: String,
    /// What mends it.
    pub mend: String,
}

impl Problem {
    fn new(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { what: what.into(), mend: mend.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "problem: {}\n   mend: {}", self.what, self.mend)
    }
}

/// What problems are looked for in.
struct Seen {
    now: DateTime<Utc>,
    queues: Vec<QueueInfo>,
    counts: Vec<StateCount>,
    tasks: Vec<TaskInfo>,
    workers: Vec<WorkerInfo>,
    schedules: Vec<ScheduleInfo>,
}

impl Seen {
    async fn read(app: &App) -> Result<Self> {
        let queue = app.queue();
        Ok(Self {
            now: queue.now().await?,
            queues: queue.queues().await?,
            counts: queue.count().await?,
            tasks: queue.tasks().await?,
            workers: queue.workers().await?,
            schedules: queue.schedules().list().await?,
        })
    }

    fn waiting(&self, queue: &str) -> i64 {
        let waits =
            |entry: &&StateCount| entry.queue == queue && entry.state == JobState::Available;
        self.counts.iter().filter(waits).map(|entry| entry.count).sum()
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        problems.extend(self.without_workers());
        problems.extend(self.unknown_tasks());
        problems.extend(self.paused_queues());
        problems.extend(self.dead_workers());
        problems.extend(self.late_schedules());
        problems
    }

    fn without_workers(&self) -> Option<Problem> {
        let waiting: i64 = self.queues.iter().map(|queue| self.waiting(&queue.name)).sum();
        let what = format!("{} and no worker runs", count(waiting, "job waits", "jobs wait"));
        (waiting > 0 && self.workers.is_empty())
            .then(|| Problem::new(what, "start one: `taskx run`"))
    }

    fn unknown_tasks(&self) -> impl Iterator<Item = Problem> {
        let unknown =
            |task: &&TaskInfo| task.live > 0 && task.workers == 0 && !self.workers.is_empty();
        self.tasks.iter().filter(unknown).map(|task| {
            let wait = count(task.live, "job waits", "jobs wait");
            let seen = match (&task.owner, task.last_seen) {
                (Some(owner), Some(at)) => {
                    format!("{owner} told of it {}; start its worker", from_now(at, self.now))
                }
                _ => "no worker ever told of it; was it renamed? `#[task(alias = \"..\")]` \
                      keeps an old name"
                    .to_owned(),
            };
            let discard = format!("or give its jobs up: `taskx jobs discard --task {}`", task.name);
            Problem::new(
                format!("{wait} of task `{}`, which no worker knows", task.name),
                format!("{seen}; {discard}"),
            )
        })
    }

    fn paused_queues(&self) -> impl Iterator<Item = Problem> {
        self.queues.iter().filter_map(|queue| {
            let (at, waiting) = (queue.paused_at?, self.waiting(&queue.name));
            let what = format!(
                "queue `{}` was paused {} and {} in it",
                queue.name,
                from_now(at, self.now),
                count(waiting, "job waits", "jobs wait"),
            );
            let mend = format!("`taskx queues resume {}`", queue.name);
            (waiting > 0).then(|| Problem::new(what, mend))
        })
    }

    fn dead_workers(&self) -> impl Iterator<Item = Problem> {
        let over = self.workers.iter().filter(|worker| worker.lease_until < self.now);
        over.map(|worker| {
            Problem::new(
                format!(
                    "worker {}:{} was last heard of {}, and nobody has taken its jobs back",
                    worker.host,
                    worker.pid,
                    from_now(worker.renewed_at, self.now),
                ),
                "any running worker does so within seconds: start one",
            )
        })
    }

    fn late_schedules(&self) -> impl Iterator<Item = Problem> {
        self.schedules.iter().filter_map(|schedule| {
            if schedule.paused_at.is_some() || schedule.dropped_at.is_some() {
                return None;
            }
            if let Err(error) = schedule.trigger.parse::<Trigger>() {
                return Some(Problem::new(
                    format!("the trigger of schedule `{}` cannot be read: {error}", schedule.name),
                    "declare it anew, or `taskx schedules remove` it",
                ));
            }
            let late = (self.now - schedule.next_slot?).to_std().ok()?;
            (late > LATE).then(|| {
                Problem::new(
                    format!("schedule `{}` should have fired {} ago", schedule.name, span(late)),
                    format!("no running worker knows task `{}`: start one", schedule.task),
                )
            })
        })
    }
}

/// A number with its words.
fn count(number: i64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// What is wrong that can be told by a glance; the schema must be there.
///
/// # Errors
/// If the database does not answer.
pub async fn problems(app: &App) -> Result<Vec<Problem>> {
    Ok(Seen::read(app).await?.problems())
}

/// What the doctor shows.
#[derive(Debug, Serialize)]
struct Findings {
    problems: Vec<Problem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<DatabaseInfo>,
}

/// Looks for all that is wrong.
///
/// # Errors
/// A database that does not answer; silently, with exit code 1, if something was found.
pub async fn doctor(_args: &Args, app: &App, out: &mut Output) -> Result<(), Failure> {
    let findings = match app.check_schema().await {
        Ok(()) => look(app).await?,
        Err(error) if error.kind() == ErrorKind::Schema => {
            Findings { problems: vec![other_schema(app, &error).await?], database: None }
        }
        Err(error) => return Err(error.into()),
    };
    if out.is_json() {
        out.json(&findings)?;
    } else {
        show(&findings, out)?;
    }
    if findings.problems.is_empty() { Ok(()) } else { Err(Failure::silent(Exit::Failed)) }
}

/// A schema of another version than this program's.
async fn other_schema(app: &App, error: &Error) -> Result<Problem> {
    let is_older = app.migrations().await?.iter().any(|migration| migration.applied_at.is_none());
    let mend = if is_older {
        "`taskx migrate up`"
    } else {
        "upgrade this program to the version that migrated it; migrating down takes that version too"
    };
    Ok(Problem::new(error.to_string(), mend))
}

/// What somebody took away by hand; the record of migrations does not tell.
fn drift(database: &DatabaseInfo) -> Option<Problem> {
    let missing = database.missing.join(", ");
    (!missing.is_empty()).then(|| {
        Problem::new(
            format!("the schema lacks {missing}, which its migrations made"),
            "`taskx migrate sql` shows the statements that make it: run those again",
        )
    })
}

/// A clock of this machine that goes otherwise than the database's, which was read between our two
/// readings.
fn clocks_differ(
    before: DateTime<Utc>,
    theirs: DateTime<Utc>,
    after: DateTime<Utc>,
) -> Option<Problem> {
    let skew = if theirs < before { before - theirs } else { theirs - after };
    let skew = skew.to_std().unwrap_or_default();
    (skew > SKEW).then(|| {
        Problem::new(
            format!("the clocks of this machine and of the database differ by {}", span(skew)),
            "taskx goes by the database's; set the other one right (NTP), or logs will mislead",
        )
    })
}

fn old_snapshot(database: &DatabaseInfo) -> Option<Problem> {
    let open = database.oldest_snapshot.filter(|open| *open > SNAPSHOT)?;
    Some(Problem::new(
        format!("a transaction has been open for {}: removed rows pile up", span(open)),
        "find the session that forgot to commit (pg_stat_activity, INNODB_TRX) and end it",
    ))
}

async fn look(app: &App) -> Result<Findings> {
    let database = app.queue().database().await?;
    let mut problems = Vec::from_iter(drift(&database));
    match self::problems(app).await {
        Ok(found) => problems.extend(found),
        // They are read from what is missing, which has been told.
        Err(_) if !problems.is_empty() => {}
        Err(error) => return Err(error),
    }
    let before = SystemClock.now();
    let theirs = app.queue().now().await?;
    let after = SystemClock.now();
    problems.extend(clocks_differ(before, theirs, after));
    problems.extend(old_snapshot(&database));
    Ok(Findings { problems, database: Some(database) })
}

fn show(findings: &Findings, out: &mut Output) -> Result<(), Failure> {
    if let Some(database) = &findings.database {
        out.line(&database.version)?;
        if !database.tables.is_empty() {
            let mut table = Table::new(&["table", "rows", "size", "indexes"]);
            for entry in &database.tables {
                let rows = entry.rows.map(|rows| format!("about {rows}")).unwrap_or_default();
                table.row([entry.name.clone(), rows, bytes(entry.bytes), bytes(entry.index_bytes)]);
            }
            out.table(&table)?;
        }
        out.line("")?;
    }
    if findings.problems.is_empty() {
        return out.line("nothing is wrong");
    }
    findings.problems.iter().try_for_each(|problem| out.line(problem))
}

/// A size in its largest unit.
fn bytes(bytes: i64) -> String {
    const UNITS: [&str; 4] = ["B", "KiB", "MiB", "GiB"];
    let (mut size, mut unit) = (bytes, 0);
    while size >= 10 * 1024 && unit + 1 < UNITS.len() {
        size /= 1024;
        unit += 1;
    }
    format!("{size} {}", UNITS.get(unit).copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen() -> Seen {
        let now = "2030-01-01T00:00:00Z".parse().unwrap();
        let queue = QueueInfo {
            name: "mail".to_owned(),
            paused_at: None,
            paused_by: None,
            reason: None,
            oldest_available: None,
        };
        let waiting = StateCount { queue: "mail".to_owned(), state: JobState::Available, count: 2 };
        let task = TaskInfo { name: "send".to_owned(), live: 2, workers: 1, ..TaskInfo::default() };
        let worker = WorkerInfo {
            id: taskx_core::job::WorkerId::new(),
            service: "shop".to_owned(),
            host: "web-1".to_owned(),
            pid: 7,
            version: "1.0.0".to_owned(),
            started_at: now,
            renewed_at: now,
            lease_until: now + chrono::TimeDelta::seconds(30),
            running: Vec::new(),
            tasks: vec!["send".to_owned()],
        };
        Seen {
            now,
            queues: vec![queue],
            counts: vec![waiting],
            tasks: vec![task],
            workers: vec![worker],
            schedules: Vec::new(),
        }
    }

    /// What is wrong in one line.
    fn told(seen: &Seen) -> String {
        let problems = seen.problems();
        assert!(problems.iter().all(|problem| !problem.mend.is_empty()));
        problems.into_iter().map(|problem| problem.what).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn jobs_that_wait_for_a_worker_that_runs_are_no_problem() {
        assert_eq!(told(&seen()), "");
    }

    #[test]
    fn each_problem_is_told() {
        let mut alone = seen();
        alone.workers.clear();
        assert_eq!(told(&alone), "2 jobs wait and no worker runs");
        let mut unknown = seen();
        unknown.tasks[0].workers = 0;
        assert_eq!(told(&unknown), "2 jobs wait of task `send`, which no worker knows");
        let mut paused = seen();
        paused.queues[0].paused_at = Some(paused.now - chrono::TimeDelta::minutes(5));
        assert_eq!(told(&paused), "queue `mail` was paused 5m ago and 2 jobs wait in it");
        paused.counts.clear();
        assert_eq!(told(&paused), "");
        let mut dead = seen();
        dead.workers[0].lease_until = dead.now - chrono::TimeDelta::seconds(1);
        assert!(told(&dead).starts_with("worker web-1:7 was last heard of"), "{}", told(&dead));
    }

    #[test]
    fn clocks_that_differ_are_told() {
        let at = |seconds| seen().now + chrono::TimeDelta::seconds(seconds);
        let told = |theirs| clocks_differ(at(0), at(theirs), at(2)).map(|problem| problem.what);
        let differ = "the clocks of this machine and of the database differ by";
        assert_eq!(told(-600), Some(format!("{differ} 10m")));
        assert_eq!(told(8), Some(format!("{differ} 6s")));
        // The question took its time, and five seconds are nothing.
        assert_eq!([-5, 0, 1, 2, 7].map(told), [const { None }; 5]);
    }

    #[test]
    fn an_old_snapshot_and_what_was_taken_away_are_told() {
        let open = |seconds| DatabaseInfo {
            oldest_snapshot: Some(Duration::from_secs(seconds)),
            missing: vec!["taskx_slots".to_owned()],
            ..DatabaseInfo::default()
        };
        assert_eq!(old_snapshot(&open(600)), None);
        let told = old_snapshot(&open(7_260)).unwrap().what;
        assert_eq!(told, "a transaction has been open for 2h 1m: removed rows pile up");
        assert!(drift(&open(0)).unwrap().what.contains("taskx_slots"));
        assert_eq!(drift(&DatabaseInfo::default()), None);
    }

    #[test]
    fn sizes_keep_two_digits_at_least() {
        assert_eq!(bytes(8_192), "8192 B");
        assert_eq!(bytes(40_960), "40 KiB");
        assert_eq!(bytes(3 << 30), "3072 MiB");
    }
}
