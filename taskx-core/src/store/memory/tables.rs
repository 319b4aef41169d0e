//! The rows of the memory store, and the one index that it keeps: what is available, in the order
//! of claiming. Rows of live jobs are changed only through [`Live`], so that the index is true.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Weak,
    time::Duration,
};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    clock::earlier,
    inspect::{AttemptInfo, TaskInfo, WorkerInfo},
    job::{Job, JobId, JobState, WorkerId},
    schedule::ScheduleInfo,
    store::Wake,
};

/// A time of the database.
pub(super) type Time = DateTime<Utc>;

/// Everything that is stored.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) live: Live,
    pub(super) history: BTreeMap<JobId, Row>,
    pub(super) attempts: HashMap<JobId, Vec<AttemptInfo>>,
    pub(super) workers: BTreeMap<WorkerId, WorkerRow>,
    /// What workers have told of their tasks.
    pub(super) tasks: BTreeMap<String, TaskInfo>,
    pub(super) pauses: BTreeMap<String, Pause>,
    pub(super) schedules: BTreeMap<String, Schedule>,
    /// When each (schedule, slot) was fired.
    pub(super) slots: BTreeMap<(String, Time), Time>,
    /// What watchers are to be told of the verb under way, besides what became available.
    pub(super) news: Vec<Wake>,
}

/// A job, live or finished.
#[derive(Debug, Clone)]
pub(super) struct Row {
    /// What an operator sees of it.
    pub(super) job: Job,
    /// Whether it must run alone.
    pub(super) solo: bool,
    /// When retention ends; set on finished jobs.
    pub(super) prune_at: Option<Time>,
}

impl Row {
    /// Whether `owner` holds it under `fence`.
    pub(super) fn is_held(&self, owner: WorkerId, fence: i64) -> bool {
        self.job.state == JobState::Running
            && self.job.owner == Some(owner)
            && self.job.fence == fence
    }
}

/// A worker.
#[derive(Debug)]
pub(super) struct WorkerRow {
    /// What an operator sees of it.
    pub(super) info: WorkerInfo,
    /// The session that holds its presence lock, if one ever took it.
    pub(super) presence: Option<Weak<()>>,
}

/// A queue that was paused.
#[derive(Debug)]
pub(super) struct Pause {
    pub(super) at: Time,
    pub(super) by: String,
    pub(super) reason: String,
}

/// A schedule.
#[derive(Debug)]
pub(super) struct Schedule {
    /// What an operator sees of it.
    pub(super) info: ScheduleInfo,
    /// The hash that its position belongs to.
    pub(super) declared_hash: String,
}

/// The live jobs.
#[derive(Debug, Default)]
pub(super) struct Live {
    rows: BTreeMap<JobId, Row>,
    /// (priority, id) of the available jobs of each queue.
    ready: BTreeMap<String, BTreeSet<(i16, JobId)>>,
    /// Queues in which something became available since the news were taken.
    woken: BTreeSet<String>,
}

impl Live {
    pub(super) fn get(&self, id: JobId) -> Option<&Row> {
        self.rows.get(&id)
    }

    pub(super) fn contains(&self, id: JobId) -> bool {
        self.rows.contains_key(&id)
    }

    /// All rows, by id.
    pub(super) fn rows(&self) -> impl DoubleEndedIterator<Item = &Row> {
        self.rows.values()
    }

    /// The available rows of a queue in the order of claiming.
    pub(super) fn ready(&self, queue: &str) -> impl Iterator<Item = &Row> {
        let places = self.ready.get(queue).into_iter().flatten();
        places.filter_map(|(_, id)| self.rows.get(id))
    }

    /// Stores a row in place of the one of this id.
    pub(super) fn put(&mut self, row: Row) {
        self.take(row.job.id);
        if row.job.state == JobState::Available {
            let places = self.ready.entry(row.job.queue.clone()).or_default();
            places.insert((row.job.priority, row.job.id));
            self.woken.insert(row.job.queue.clone());
        }
        self.rows.insert(row.job.id, row);
    }

    /// Takes a row out.
    pub(super) fn take(&mut self, id: JobId) -> Option<Row> {
        let row = self.rows.remove(&id)?;
        if let Some(places) = self.ready.get_mut(&row.job.queue) {
            places.remove(&(row.job.priority, id));
        }
        Some(row)
    }

    /// Changes a row where it is.
    pub(super) fn change(&mut self, id: JobId, change: impl FnOnce(&mut Row)) {
        if let Some(mut row) = self.take(id) {
            change(&mut row);
            self.put(row);
        }
    }
}

impl Tables {
    /// What watchers are to be told, once.
    pub(super) fn take_news(&mut self) -> Vec<Wake> {
        let mut woken = std::mem::take(&mut self.live.woken);
        // A job may have been inserted and claimed by one verb.
        woken.retain(|queue| self.live.ready(queue).next().is_some());
        self.news.drain(..).chain(woken.into_iter().map(Wake::Queue)).collect()
    }

    /// Whether a job of this id is stored, live or finished.
    pub(super) fn knows(&self, id: JobId) -> bool {
        self.live.contains(id) || self.history.contains_key(&id)
    }

    /// Whether a worker whose row nobody has ended names this task.
    pub(super) fn is_known(&self, task: &str) -> bool {
        self.workers.values().any(|row| row.info.tasks.iter().any(|name| name == task))
    }

    /// Moves every time back.
    pub(super) fn move_back(&mut self, by: Duration) {
        for row in self.live.rows.values_mut().chain(self.history.values_mut()) {
            let job = &mut row.job;
            for time in [&mut job.inserted_at, &mut job.run_at] {
                *time = earlier(*time, by);
            }
            let extras = &mut job.extras;
            for time in [
                &mut job.claimed_at,
                &mut job.finished_at,
                &mut job.cancel_requested_at,
                &mut extras.slot,
                &mut extras.expires_at,
                &mut row.prune_at,
            ] {
                move_if_set(time, by);
            }
        }
        for attempt in self.attempts.values_mut().flatten() {
            attempt.started_at = earlier(attempt.started_at, by);
            attempt.ended_at = earlier(attempt.ended_at, by);
        }
        for WorkerRow { info, .. } in self.workers.values_mut() {
            for time in [&mut info.started_at, &mut info.renewed_at, &mut info.lease_until] {
                *time = earlier(*time, by);
            }
        }
        for task in self.tasks.values_mut() {
            move_if_set(&mut task.last_seen, by);
        }
        for pause in self.pauses.values_mut() {
            pause.at = earlier(pause.at, by);
        }
        for Schedule { info, .. } in self.schedules.values_mut() {
            info.created_at = earlier(info.created_at, by);
            for time in [
                &mut info.paused_at,
                &mut info.dropped_at,
                &mut info.last_slot,
                &mut info.next_slot,
            ] {
                move_if_set(time, by);
            }
        }
        self.slots = std::mem::take(&mut self.slots)
            .into_iter()
            .map(|((name, slot), fired)| ((name, earlier(slot, by)), earlier(fired, by)))
            .collect();
    }
}

fn move_if_set(time: &mut Option<Time>, by: Duration) {
    *time = time.map(|time| earlier(time, by));
}

/// A worker id as a key of nothing: ids are random, so a listing sorts by the start instead.
pub(super) fn start_order(info: &WorkerInfo) -> (Time, Uuid) {
    (info.started_at, info.id.as_uuid())
}
