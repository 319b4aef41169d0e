//! Rows as the words of taskx-core: jobs live and finished, claims, attempts, workers, schedules.
//!
//! Each row type lists its columns once; `#[derive(Selectable)]` makes the typed DSL ask for just
//! those, and a [`Statement`](crate::statement::Statement) names them in the order of the fields.

use std::{borrow::Cow, collections::BTreeMap};

use diesel::prelude::{Queryable, Selectable};
use taskx_core::{
    inspect::{AttemptInfo, QueueInfo, TaskInfo, WorkerInfo},
    job::{ClaimedJob, Job, JobExtras, JobId, JobState, WorkerId},
    schedule::{DueSchedule, ScheduleInfo, ScheduleRow, ScheduleSource},
};

use crate::{
    schema,
    values::{DbId, DbTime},
};

/// A row type of a job with the columns that the live and the finished table share, in the order
/// of the tables, then its own.
macro_rules! job_row {
    ($(#[$doc:meta])* $Row:ident of $table:ident { $($own:ident: $Own:ty,)* } $finish:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Queryable, Selectable)]
        #[diesel(table_name = schema::$table)]
        pub(crate) struct $Row {
            pub(crate) id: DbId,
            pub(crate) queue: String,
            pub(crate) task: String,
            pub(crate) state: i16,
            pub(crate) priority: i16,
            pub(crate) attempt: i32,
            pub(crate) max_attempts: i32,
            pub(crate) fence: i64,
            pub(crate) owner: Option<DbId>,
            pub(crate) payload: String,
            pub(crate) payload_format: i16,
            pub(crate) task_version: Option<i32>,
            pub(crate) inserted_at: DbTime,
            pub(crate) run_at: DbTime,
            pub(crate) claimed_at: Option<DbTime>,
            pub(crate) crash_count: i32,
            pub(crate) snooze_count: i32,
            pub(crate) cancel_requested_at: Option<DbTime>,
            pub(crate) progress: Option<String>,
            pub(crate) reason: Option<String>,
            pub(crate) tags: Option<String>,
            pub(crate) meta: Option<String>,
            pub(crate) trace: Option<String>,
            pub(crate) parent_id: Option<DbId>,
            pub(crate) batch_id: Option<DbId>,
            pub(crate) schedule_id: Option<String>,
            pub(crate) slot: Option<DbTime>,
            pub(crate) expires_at: Option<DbTime>,
            pub(crate) unique_key: Option<String>,
            pub(crate) concurrency_key: Option<String>,
            pub(crate) tenant: Option<String>,
            $(pub(crate) $own: $Own,)*
        }

        impl From<$Row> for Job {
            fn from(row: $Row) -> Self {
                // A number that this program does not know is another version's waiting state:
                // shown as blocked, never dropped from a listing.
                let state = JobState::from_code(row.state).unwrap_or(JobState::Blocked);
                let mut job = Self::new(row.id.into(), state, row.queue, row.task, row.inserted_at.0);
                job.priority = row.priority;
                job.attempt = row.attempt;
                job.max_attempts = row.max_attempts;
                job.fence = row.fence;
                job.owner = row.owner.map(WorkerId::from);
                job.payload = row.payload;
                job.payload_format = row.payload_format;
                job.run_at = row.run_at.0;
                job.claimed_at = row.claimed_at.map(Into::into);
                job.cancel_requested_at = row.cancel_requested_at.map(Into::into);
                job.crash_count = row.crash_count;
                job.snooze_count = row.snooze_count;
                job.progress = row.progress;
                job.reason = row.reason;
                let finish: fn(&mut Job, ($($Own,)*)) = $finish;
                finish(&mut job, ($(row.$own,)*));
                job.extras = ExtrasRow {
                    tags: row.tags,
                    meta: row.meta,
                    trace: row.trace,
                    task_version: row.task_version,
                    parent_id: row.parent_id,
                    batch_id: row.batch_id,
                    schedule_id: row.schedule_id,
                    slot: row.slot,
                    expires_at: row.expires_at,
                    unique_key: row.unique_key,
                    concurrency_key: row.concurrency_key,
                    tenant: row.tenant,
                }
                .into_extras();
                job
            }
        }
    };
}

job_row! {
    /// A row of `taskx_jobs`.
    LiveRow of taskx_jobs {} |_, ()| {}
}

job_row! {
    /// A row of `taskx_history`.
    FinishedRow of taskx_history { finished_at: DbTime, result: Option<String>, }
    |job, (finished_at, result)| {
        job.finished_at = Some(finished_at.0);
        job.result = result;
    }
}

/// The columns of [`JobExtras`], in the order in which a claim gives them.
#[derive(Debug, Clone, Default, Queryable)]
pub(crate) struct ExtrasRow {
    pub(crate) tags: Option<String>,
    pub(crate) meta: Option<String>,
    pub(crate) trace: Option<String>,
    pub(crate) task_version: Option<i32>,
    pub(crate) parent_id: Option<DbId>,
    pub(crate) batch_id: Option<DbId>,
    pub(crate) schedule_id: Option<String>,
    pub(crate) slot: Option<DbTime>,
    pub(crate) expires_at: Option<DbTime>,
    pub(crate) unique_key: Option<String>,
    pub(crate) concurrency_key: Option<String>,
    pub(crate) tenant: Option<String>,
}

impl ExtrasRow {
    /// The columns of a new job; all empty where it has no extras.
    pub(crate) fn of(extras: Option<&JobExtras>) -> Self {
        let Some(extras) = extras else { return Self::default() };
        Self {
            tags: (!extras.tags.is_empty()).then(|| json_text(&extras.tags)),
            meta: extras.meta.as_ref().map(json_text),
            trace: extras.trace.clone(),
            task_version: extras.task_version,
            parent_id: extras.parent_id.map(DbId::from),
            batch_id: extras.batch_id.map(DbId::from),
            schedule_id: extras.schedule.clone(),
            slot: extras.slot.map(DbTime::from),
            expires_at: extras.expires_at.map(DbTime::from),
            unique_key: extras.unique_key.clone(),
            concurrency_key: extras.concurrency_key.clone(),
            tenant: extras.tenant.clone(),
        }
    }

    /// The extras of a row. Tags and notes that were damaged by hand read as empty: one odd row
    /// must not fail a claim or a listing.
    pub(crate) fn into_extras(self) -> JobExtras {
        JobExtras {
            tags: self.tags.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
            meta: self.meta.and_then(|text| serde_json::from_str(&text).ok()),
            trace: self.trace,
            task_version: self.task_version,
            parent_id: self.parent_id.map(JobId::from),
            batch_id: self.batch_id.map(Into::into),
            schedule: self.schedule_id,
            slot: self.slot.map(Into::into),
            expires_at: self.expires_at.map(Into::into),
            unique_key: self.unique_key,
            concurrency_key: self.concurrency_key,
            tenant: self.tenant,
        }
    }

    /// The extras boxed, or `None` where every column is empty.
    fn boxed(self) -> Option<Box<JobExtras>> {
        let empty = self.tags.is_none()
            && self.meta.is_none()
            && self.trace.is_none()
            && self.task_version.is_none()
            && self.parent_id.is_none()
            && self.batch_id.is_none()
            && self.schedule_id.is_none()
            && self.slot.is_none()
            && self.expires_at.is_none()
            && self.unique_key.is_none()
            && self.concurrency_key.is_none()
            && self.tenant.is_none();
        (!empty).then(|| Box::new(self.into_extras()))
    }
}

/// A claimed row; the queue and the owner are known from the claim.
#[derive(Debug, Clone, Queryable)]
pub(crate) struct ClaimRow {
    pub(crate) id: DbId,
    pub(crate) fence: i64,
    pub(crate) task: String,
    pub(crate) priority: i16,
    pub(crate) attempt: i32,
    pub(crate) max_attempts: i32,
    pub(crate) payload: String,
    pub(crate) payload_format: i16,
    pub(crate) inserted_at: DbTime,
    pub(crate) run_at: DbTime,
    pub(crate) crash_count: i32,
    pub(crate) snooze_count: i32,
    pub(crate) solo: i16,
    pub(crate) cancel_requested_at: Option<DbTime>,
    pub(crate) extras: ExtrasRow,
}

impl ClaimRow {
    /// The claim of `owner` on it.
    pub(crate) fn into_claimed(self, owner: WorkerId, queue: Cow<'static, str>) -> ClaimedJob {
        ClaimedJob {
            id: self.id.into(),
            owner,
            fence: self.fence,
            queue,
            task: self.task,
            priority: self.priority,
            attempt: self.attempt,
            max_attempts: self.max_attempts,
            payload: self.payload,
            payload_format: self.payload_format,
            inserted_at: self.inserted_at.0,
            run_at: self.run_at.0,
            crash_count: self.crash_count,
            snooze_count: self.snooze_count,
            solo: self.solo != 0,
            cancel_requested: self.cancel_requested_at.is_some(),
            extras: self.extras.boxed(),
        }
    }
}

/// A row of `taskx_attempts`.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = schema::taskx_attempts)]
pub(crate) struct AttemptRow {
    fence: i64,
    attempt: i32,
    worker: DbId,
    started_at: DbTime,
    ended_at: DbTime,
    outcome: String,
    error: String,
    backtrace: Option<String>,
}

impl From<AttemptRow> for AttemptInfo {
    fn from(row: AttemptRow) -> Self {
        Self {
            fence: row.fence,
            attempt: row.attempt,
            worker: row.worker.into(),
            started_at: row.started_at.0,
            ended_at: row.ended_at.0,
            outcome: row.outcome,
            error: row.error,
            backtrace: row.backtrace,
        }
    }
}

/// A row of `taskx_workers`; its tasks come from another table.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = schema::taskx_workers)]
pub(crate) struct WorkerRow {
    pub(crate) id: DbId,
    service: String,
    host: String,
    pid: i32,
    version: String,
    started_at: DbTime,
    renewed_at: DbTime,
    lease_until: DbTime,
    running: Option<String>,
}

impl WorkerRow {
    /// The worker with the names of its tasks.
    pub(crate) fn into_info(self, tasks: Vec<String>) -> WorkerInfo {
        WorkerInfo {
            id: self.id.into(),
            service: self.service,
            host: self.host,
            pid: self.pid,
            version: self.version,
            started_at: self.started_at.0,
            renewed_at: self.renewed_at.0,
            lease_until: self.lease_until.0,
            running: running_ids(self.running.as_deref()).unwrap_or_default(),
            tasks,
        }
    }
}

/// A row of `taskx_tasks`.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = schema::taskx_tasks)]
pub(crate) struct TaskDbRow {
    name: String,
    owner: String,
    arguments: String,
    last_seen: DbTime,
}

/// The tasks that workers have named or live jobs name, by name: their rows, how many jobs of each
/// have not finished, how many workers run each.
pub(crate) fn task_infos(
    known: Vec<TaskDbRow>,
    live: Vec<(String, i64)>,
    workers: Vec<(String, i64)>,
) -> Vec<TaskInfo> {
    let mut tasks: BTreeMap<String, TaskInfo> = BTreeMap::new();
    for row in known {
        let task = tasks.entry(row.name).or_default();
        task.owner = Some(row.owner);
        task.arguments = Some(row.arguments);
        task.last_seen = Some(row.last_seen.0);
    }
    for (name, count) in live {
        tasks.entry(name).or_default().live = count;
    }
    for (name, count) in workers {
        tasks.entry(name).or_default().workers = count;
    }
    tasks.into_iter().map(|(name, task)| TaskInfo { name, ..task }).collect()
}

/// A row of `taskx_queues` as far as it was paused.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = schema::taskx_queues)]
pub(crate) struct QueueRow {
    pub(crate) name: String,
    paused_at: Option<DbTime>,
    paused_by: Option<String>,
    reason: Option<String>,
}

impl From<QueueRow> for QueueInfo {
    fn from(row: QueueRow) -> Self {
        Self {
            name: row.name,
            paused_at: row.paused_at.map(Into::into),
            paused_by: row.paused_by,
            reason: row.reason,
            oldest_available: None,
        }
    }
}

/// A row of `taskx_schedules`.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = schema::taskx_schedules)]
pub(crate) struct ScheduleDbRow {
    pub(crate) name: String,
    pub(crate) owner: String,
    pub(crate) source: String,
    pub(crate) task: String,
    pub(crate) trigger_text: String,
    pub(crate) args: String,
    pub(crate) options: String,
    pub(crate) declared_hash: String,
    pub(crate) declared_version: String,
    pub(crate) paused_at: Option<DbTime>,
    pub(crate) dropped_at: Option<DbTime>,
    pub(crate) last_slot: Option<DbTime>,
    pub(crate) next_slot: Option<DbTime>,
    pub(crate) missed: i64,
    pub(crate) last_job: Option<DbId>,
    pub(crate) created_at: DbTime,
}

impl ScheduleDbRow {
    /// Where it comes from; a word set by hand reads as dynamic, which an operator may remove.
    pub(crate) fn source(&self) -> ScheduleSource {
        if self.source == ScheduleSource::Code.name() {
            ScheduleSource::Code
        } else {
            ScheduleSource::Dynamic
        }
    }

    /// The schedule as due at `now`.
    pub(crate) fn into_due(self, now: DbTime, overlapping: bool) -> DueSchedule {
        DueSchedule {
            name: self.name,
            task: self.task,
            trigger: self.trigger_text,
            args: self.args,
            options: self.options,
            last_slot: self.last_slot.map(Into::into),
            next_slot: self.next_slot.map(Into::into),
            created_at: self.created_at.0,
            declared_hash: self.declared_hash,
            now: now.0,
            overlapping,
        }
    }
}

impl From<ScheduleDbRow> for ScheduleInfo {
    fn from(row: ScheduleDbRow) -> Self {
        let declared = ScheduleRow {
            source: row.source(),
            name: row.name,
            owner: row.owner,
            task: row.task,
            trigger: row.trigger_text,
            args: row.args,
            options: row.options,
            declared_hash: row.declared_hash,
            declared_version: row.declared_version,
            next_slot: row.next_slot.map(Into::into),
        };
        let mut info = Self::new(&declared, row.created_at.0);
        info.paused_at = row.paused_at.map(Into::into);
        info.dropped_at = row.dropped_at.map(Into::into);
        info.last_slot = row.last_slot.map(Into::into);
        info.missed = row.missed;
        info.last_job = row.last_job.map(JobId::from);
        info
    }
}

/// The column `running` as ids; `None` where the worker never renewed or the text is damaged.
pub(crate) fn running_ids(text: Option<&str>) -> Option<Vec<JobId>> {
    serde_json::from_str(text?).ok()
}

/// Any of our own values as JSON text. Names, ids and notes always have one.
pub(crate) fn json_text<T: serde::Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
