//! `taskx status`: queues, workers, schedules, and what is wrong, on one screen.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use serde::Serialize;
use taskx_core::{
    app::App,
    config::without_secrets,
    driver::DEFAULT_URL,
    inspect::{Inspect, QueueInfo, WorkerInfo},
    job::JobState,
    schedule::ScheduleInfo,
};

use crate::{
    doctor::{self, Problem},
    failure::Failure,
    output::{Output, Table},
    schedules::state,
    span::{from_now, span},
};

/// How to show it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  taskx status
  taskx status --json | jq '.queues[] | select(.waiting_for_seconds > 60)'")]
pub struct Args {}

/// Everything that is shown.
#[derive(Debug, Serialize)]
pub struct Status {
    /// The database, without its password.
    pub database: String,
    /// Which engine it is.
    pub engine: String,
    /// The database's clock.
    pub now: DateTime<Utc>,
    /// The queues, by name.
    pub queues: Vec<QueueStatus>,
    /// The workers, oldest first.
    pub workers: Vec<WorkerInfo>,
    /// The schedules, by name.
    pub schedules: Vec<ScheduleInfo>,
    /// What is wrong, and what mends it.
    pub problems: Vec<Problem>,
}

/// A queue with its depth.
#[derive(Debug, Serialize)]
pub struct QueueStatus {
    /// What is known of it.
    #[serde(flatten)]
    pub info: QueueInfo,
    /// For how long its oldest available job has been due.
    pub waiting_for_seconds: Option<f64>,
    /// Its jobs by state; states without jobs are left out.
    pub jobs: BTreeMap<JobState, i64>,
}

impl QueueStatus {
    /// How many of its jobs are in one of these states.
    #[must_use]
    pub fn count(&self, states: &[JobState]) -> i64 {
        states.iter().filter_map(|state| self.jobs.get(state)).sum()
    }
}

impl Status {
    /// Asks the database.
    ///
    /// # Errors
    /// If it does not answer, or has no schema.
    pub async fn read(app: &App) -> Result<Self, Failure> {
        app.check_schema().await?;
        let queue = app.queue();
        let now = queue.now().await?;
        let mut jobs: BTreeMap<String, BTreeMap<JobState, i64>> = BTreeMap::new();
        for entry in queue.count().await? {
            jobs.entry(entry.queue).or_default().insert(entry.state, entry.count);
        }
        let mut infos: BTreeMap<String, QueueInfo> =
            queue.queues().await?.into_iter().map(|info| (info.name.clone(), info)).collect();
        // A queue whose jobs have all finished is shown too.
        for name in jobs.keys() {
            infos.entry(name.clone()).or_insert_with(|| QueueInfo {
                name: name.clone(),
                paused_at: None,
                paused_by: None,
                reason: None,
                oldest_available: None,
            });
        }
        let queues = infos.into_values().map(|info| QueueStatus {
            waiting_for_seconds: info
                .oldest_available
                .map(|due| (now - due).to_std().unwrap_or_default().as_secs_f64()),
            jobs: jobs.remove(&info.name).unwrap_or_default(),
            info,
        });
        let queues = queues.collect();
        let url = app.config().database_url.as_deref().unwrap_or(DEFAULT_URL);
        Ok(Self {
            database: without_secrets(url),
            engine: queue.engine().to_string(),
            now,
            queues,
            workers: queue.workers().await?,
            schedules: queue.schedules().list().await?,
            problems: doctor::problems(app).await?,
        })
    }

    /// The queues as a table.
    #[must_use]
    pub fn queue_table(&self) -> Table {
        use JobState::{
            Available, Blocked, Completed, Discarded, Parked, Quarantined, Retryable, Running,
            Scheduled,
        };
        let mut table = Table::new(&[
            "queue", "waiting", "oldest", "running", "later", "retrying", "parked", "done", "dead",
            "state",
        ]);
        for queue in &self.queues {
            let waiting = queue
                .waiting_for_seconds
                .map(|seconds| span(Duration::try_from_secs_f64(seconds).unwrap_or_default()));
            let number = |states: &[JobState]| queue.count(states).to_string();
            table.row([
                queue.info.name.clone(),
                number(&[Available]),
                waiting.unwrap_or_default(),
                number(&[Running]),
                number(&[Scheduled]),
                number(&[Retryable]),
                number(&[Parked, Blocked]),
                number(&[Completed]),
                number(&[Discarded, Quarantined]),
                pause(&queue.info, self.now),
            ]);
        }
        table
    }

    /// The workers as a table.
    #[must_use]
    pub fn worker_table(&self) -> Table {
        worker_table(&self.workers, self.now)
    }
}

/// Workers as a table.
#[must_use]
pub fn worker_table(workers: &[WorkerInfo], now: DateTime<Utc>) -> Table {
    let mut table =
        Table::new(&["worker", "service", "version", "started", "heartbeat", "running", "tasks"]);
    for worker in workers {
        let dead = if worker.lease_until < now { ", lease over" } else { "" };
        table.row([
            format!("{}:{}", worker.host, worker.pid),
            worker.service.clone(),
            worker.version.clone(),
            from_now(worker.started_at, now),
            format!("{}{dead}", from_now(worker.renewed_at, now)),
            worker.running.len().to_string(),
            worker.tasks.len().to_string(),
        ]);
    }
    table
}

/// Whether a queue is paused, by whom, since when and why.
fn pause(queue: &QueueInfo, now: DateTime<Utc>) -> String {
    let Some(at) = queue.paused_at else { return "active".to_owned() };
    let mut text = format!("paused {}", from_now(at, now));
    if let Some(by) = &queue.paused_by {
        text.push_str(&format!(" by {by}"));
    }
    if let Some(reason) = queue.reason.as_ref().filter(|reason| !reason.is_empty()) {
        text.push_str(&format!(": {reason}"));
    }
    text
}

/// Shows the status.
///
/// # Errors
/// A database that does not answer or has no schema.
pub async fn status(_args: &Args, app: &App, out: &mut Output) -> Result<(), Failure> {
    let status = Status::read(app).await?;
    if out.is_json() {
        return out.json(&status);
    }
    out.line(format_args!("{} {}", status.engine, status.database))?;
    out.line("")?;
    if status.queues.is_empty() {
        out.line("no queue has jobs")?;
    } else {
        out.table(&status.queue_table())?;
    }
    out.line("")?;
    if status.workers.is_empty() {
        out.line("no worker runs")?;
    } else {
        out.table(&status.worker_table())?;
    }
    if !status.schedules.is_empty() {
        let mut table = Table::new(&["schedule", "task", "next", "state"]);
        for schedule in &status.schedules {
            let next = schedule.next_slot.map(|at| from_now(at, status.now)).unwrap_or_default();
            table.row([&schedule.name, &schedule.task, &next, &state(schedule).to_owned()]);
        }
        out.line("")?;
        out.table(&table)?;
    }
    for problem in &status.problems {
        out.line("")?;
        out.line(problem)?;
    }
    Ok(())
}
