//! What operators see and change.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use async_trait::async_trait;

use super::{
    MemoryStore, schedule,
    settle::{Ending, finish},
    tables::{Pause, Row, Tables, Time, start_order},
};
use crate::{
    error::{Error, ErrorKind, Result},
    inspect::{
        Actor, AttemptInfo, Cancelled, DatabaseInfo, Inspect, JobFilter, Page, QueueInfo,
        StateCount, TaskInfo, WorkerInfo,
    },
    job::{Job, JobId, JobState},
    outcome::{DEAD_RETENTION, FINISHED_RETENTION},
    schedule::{ScheduleInfo, ScheduleRow, ScheduleSource},
    store::{Engine, Wake},
};

#[async_trait]
impl Inspect for MemoryStore {
    async fn find(&self, id: JobId) -> Result<Option<Job>> {
        Ok(self.with(|tables, _| {
            let row = tables.live.get(id).or_else(|| tables.history.get(&id));
            row.map(|row| row.job.clone())
        }))
    }

    async fn list(&self, filter: &JobFilter, page: Page) -> Result<Vec<Job>> {
        Ok(self.with(|tables, _| list(tables, filter, page)))
    }

    async fn ids(&self, filter: &JobFilter, page: Page) -> Result<Vec<JobId>> {
        Ok(self.with(|tables, _| list(tables, filter, page)).iter().map(|job| job.id).collect())
    }

    async fn count(&self) -> Result<Vec<StateCount>> {
        Ok(self.with(|tables, _| count(tables)))
    }

    async fn attempts(&self, id: JobId) -> Result<Vec<AttemptInfo>> {
        Ok(self.with(|tables, _| tables.attempts.get(&id).cloned().unwrap_or_default()))
    }

    async fn cancel(&self, id: JobId, by: &Actor) -> Result<Cancelled> {
        Ok(self.with(|tables, now| cancel(tables, now, id, by)))
    }

    async fn retry(&self, ids: &[JobId], _by: &Actor) -> Result<usize> {
        Ok(self.with(|tables, now| ids.iter().filter(|id| retry(tables, now, **id)).count()))
    }

    async fn discard(&self, ids: &[JobId], reason: &str, _by: &Actor) -> Result<usize> {
        Ok(self
            .with(|tables, now| ids.iter().filter(|id| discard(tables, now, **id, reason)).count()))
    }

    async fn delete(&self, ids: &[JobId], _by: &Actor) -> Result<usize> {
        Ok(self.with(|tables, _| ids.iter().filter(|id| delete(tables, **id)).count()))
    }

    async fn edit_payload(&self, id: JobId, payload: &str, _by: &Actor) -> Result<bool> {
        Ok(self.with(|tables, _| edit_payload(tables, id, payload)))
    }

    async fn queues(&self) -> Result<Vec<QueueInfo>> {
        Ok(self.with(|tables, _| queues(tables)))
    }

    async fn pause(&self, queue: &str, reason: &str, by: &Actor) -> Result<()> {
        self.with(|tables, now| {
            let pause = Pause { at: now, by: by.0.clone(), reason: reason.to_owned() };
            tables.pauses.insert(queue.to_owned(), pause);
        });
        Ok(())
    }

    async fn resume(&self, queue: &str, _by: &Actor) -> Result<bool> {
        Ok(self.with(|tables, _| {
            let was_paused = tables.pauses.remove(queue).is_some();
            tables.news.push(Wake::Queue(queue.to_owned()));
            was_paused
        }))
    }

    async fn workers(&self) -> Result<Vec<WorkerInfo>> {
        Ok(self.with(|tables, _| {
            let mut workers: Vec<_> = tables.workers.values().map(|row| row.info.clone()).collect();
            workers.sort_by_key(start_order);
            workers
        }))
    }

    async fn tasks(&self) -> Result<Vec<TaskInfo>> {
        Ok(self.with(|tables, _| tasks(tables)))
    }

    async fn database(&self) -> Result<DatabaseInfo> {
        Ok(DatabaseInfo { version: Engine::Memory.to_string(), ..DatabaseInfo::default() })
    }

    async fn oldest_wait(&self, queue: &str) -> Result<Option<Duration>> {
        Ok(self.with(|tables, now| {
            let oldest = oldest_available(tables, queue)?;
            Some((now - oldest).to_std().unwrap_or_default())
        }))
    }

    async fn schedules(&self) -> Result<Vec<ScheduleInfo>> {
        Ok(self.with(|tables, _| tables.schedules.values().map(|row| row.info.clone()).collect()))
    }

    async fn put_schedule(&self, row: &ScheduleRow, _by: &Actor) -> Result<()> {
        self.with(|tables, now| {
            refuse_declared(tables, &row.name)?;
            schedule::put(
                tables,
                now,
                &ScheduleRow { source: ScheduleSource::Dynamic, ..row.clone() },
            );
            Ok(())
        })
    }

    async fn pause_schedule(&self, name: &str, paused: bool, _by: &Actor) -> Result<bool> {
        Ok(self.with(|tables, now| {
            let Some(row) = tables.schedules.get_mut(name) else { return false };
            row.info.paused_at = paused.then(|| row.info.paused_at.unwrap_or(now));
            true
        }))
    }

    async fn remove_schedule(&self, name: &str, _by: &Actor) -> Result<bool> {
        self.with(|tables, _| {
            refuse_declared(tables, name)?;
            Ok(tables.schedules.remove(name).is_some())
        })
    }
}

fn list(tables: &Tables, filter: &JobFilter, page: Page) -> Vec<Job> {
    let mut jobs: Vec<_> = tables
        .live
        .rows()
        .chain(tables.history.values())
        .map(|row| &row.job)
        .filter(|job| page.before.is_none_or(|before| job.id < before) && fits(job, filter))
        .collect();
    jobs.sort_unstable_by_key(|job| std::cmp::Reverse(job.id));
    jobs.truncate(page.limit as usize);
    jobs.into_iter().cloned().collect()
}

/// Whether a job passes every part of the filter.
fn fits(job: &Job, filter: &JobFilter) -> bool {
    fn among<T: PartialEq>(wanted: &[T], value: &T) -> bool {
        wanted.is_empty() || wanted.contains(value)
    }
    among(&filter.ids, &job.id)
        && among(&filter.states, &job.state)
        && among(&filter.queues, &job.queue)
        && among(&filter.tasks, &job.task)
        && filter.tag.as_ref().is_none_or(|tag| job.extras.tags.contains(tag))
        && filter.inserted_before.is_none_or(|time| job.inserted_at < time)
        && filter.attempts_from.is_none_or(|attempts| job.attempt >= attempts)
        && filter.argument.as_ref().is_none_or(|(name, value)| {
            // A payload that is no JSON has no arguments, and is no reason to fail.
            serde_json::from_str::<serde_json::Value>(&job.payload)
                .is_ok_and(|payload| payload.get(name) == Some(value))
        })
}

fn count(tables: &Tables) -> Vec<StateCount> {
    let mut counts = BTreeMap::<_, i64>::new();
    for row in tables.live.rows().chain(tables.history.values()) {
        *counts.entry((row.job.queue.as_str(), row.job.state)).or_default() += 1;
    }
    counts
        .into_iter()
        .map(|((queue, state), count)| StateCount { queue: queue.to_owned(), state, count })
        .collect()
}

fn tasks(tables: &Tables) -> Vec<TaskInfo> {
    let mut tasks = tables.tasks.clone();
    for row in tables.live.rows() {
        let task = tasks.entry(row.job.task.clone()).or_default();
        task.live += 1;
    }
    for name in tables.workers.values().flat_map(|worker| &worker.info.tasks) {
        tasks.entry(name.clone()).or_default().workers += 1;
    }
    tasks.into_iter().map(|(name, task)| TaskInfo { name, ..task }).collect()
}

fn queues(tables: &Tables) -> Vec<QueueInfo> {
    let names: BTreeSet<&String> =
        tables.live.rows().map(|row| &row.job.queue).chain(tables.pauses.keys()).collect();
    let info = |name: &String| {
        let pause = tables.pauses.get(name);
        QueueInfo {
            name: name.clone(),
            paused_at: pause.map(|pause| pause.at),
            paused_by: pause.map(|pause| pause.by.clone()),
            reason: pause.map(|pause| pause.reason.clone()),
            oldest_available: oldest_available(tables, name),
        }
    };
    names.into_iter().map(info).collect()
}

fn oldest_available(tables: &Tables, queue: &str) -> Option<Time> {
    tables.live.ready(queue).map(|row| row.job.run_at).min()
}

fn cancel(tables: &mut Tables, now: Time, id: JobId, by: &Actor) -> Cancelled {
    let Some(row) = tables.live.get(id) else {
        let is_finished = tables.history.contains_key(&id);
        return if is_finished { Cancelled::AlreadyFinished } else { Cancelled::NotFound };
    };
    if row.job.state == JobState::Running {
        tables.live.change(id, |row| {
            row.job.cancel_requested_at.get_or_insert(now);
        });
        tables.news.push(Wake::Cancel(id));
        return Cancelled::Requested;
    }
    let reason = format!("cancelled by {}", by.0);
    finish(tables, now, id, Ending::new(JobState::Cancelled, &reason, Some(FINISHED_RETENTION)));
    Cancelled::Cancelled
}

/// Makes a job available again; answers whether it did.
fn retry(tables: &mut Tables, now: Time, id: JobId) -> bool {
    if let Some(row) = tables.live.get(id) {
        let waits =
            matches!(row.job.state, JobState::Scheduled | JobState::Retryable | JobState::Parked);
        if waits {
            tables.live.change(id, |row| {
                if row.job.state == JobState::Parked {
                    row.job.reason = None;
                }
                row.job.state = JobState::Available;
                row.job.run_at = now;
            });
        }
        return waits;
    }
    let Some(row) = tables.history.get(&id).filter(|row| row.job.state != JobState::Completed)
    else {
        return false;
    };
    let row = redriven(row.clone(), now);
    tables.history.remove(&id);
    tables.live.put(row);
    true
}

/// A finished row as it comes back: counted anew, but its fence never starts again.
fn redriven(mut row: Row, now: Time) -> Row {
    let job = &mut row.job;
    job.state = JobState::Available;
    job.run_at = now;
    job.attempt = 0;
    job.crash_count = 0;
    job.snooze_count = 0;
    job.claimed_at = None;
    job.owner = None;
    job.finished_at = None;
    job.cancel_requested_at = None;
    job.progress = None;
    job.result = None;
    job.reason = None;
    row.solo = false;
    row.prune_at = None;
    row
}

/// Whether a live job of this id is there that does not run.
fn waits(tables: &Tables, id: JobId) -> bool {
    tables.live.get(id).is_some_and(|row| row.job.state != JobState::Running)
}

fn discard(tables: &mut Tables, now: Time, id: JobId, reason: &str) -> bool {
    let waits = waits(tables, id);
    if waits {
        finish(tables, now, id, Ending::new(JobState::Discarded, reason, Some(DEAD_RETENTION)));
    }
    waits
}

fn delete(tables: &mut Tables, id: JobId) -> bool {
    let is_gone = (waits(tables, id) && tables.live.take(id).is_some())
        || tables.history.remove(&id).is_some();
    if is_gone {
        tables.attempts.remove(&id);
    }
    is_gone
}

fn edit_payload(tables: &mut Tables, id: JobId, payload: &str) -> bool {
    if waits(tables, id) {
        tables.live.change(id, |row| payload.clone_into(&mut row.job.payload));
        return true;
    }
    match tables.history.get_mut(&id) {
        Some(row) if row.job.state != JobState::Completed => {
            payload.clone_into(&mut row.job.payload);
            true
        }
        _ => false,
    }
}

/// Fails if a schedule of this name is declared in code.
fn refuse_declared(tables: &Tables, name: &str) -> Result<()> {
    match tables.schedules.get(name) {
        Some(row) if row.info.source == ScheduleSource::Code => Err(Error::new(
            ErrorKind::Conflict,
            format!("change schedule `{name}`: it is declared in the code of `{}`", row.info.owner),
        )),
        _ => Ok(()),
    }
}
