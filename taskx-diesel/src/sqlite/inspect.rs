//! What operators ask: on a reader's snapshot, by Diesel's typed DSL.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use diesel::{
    ExpressionMethods, OptionalExtension, QueryDsl, QueryResult, RunQueryDsl, SelectableHelper,
    SqliteConnection,
    dsl::{count_star, min},
};
use taskx_core::{
    inspect::{AttemptInfo, JobFilter, Page, QueueInfo, StateCount, WorkerInfo},
    job::{Job, JobId, JobState},
};

use super::conditions::{has_argument, has_tag};
use crate::{
    rows::{AttemptRow, FinishedRow, LiveRow, QueueRow, WorkerRow},
    schema::{
        taskx_attempts, taskx_history, taskx_jobs, taskx_queues, taskx_worker_tasks, taskx_workers,
    },
    values::{DbId, DbTime},
};

/// The job of an id, live or finished.
pub(super) fn find(conn: &mut SqliteConnection, id: JobId) -> QueryResult<Option<Job>> {
    let id = DbId::from(id);
    let live: Option<LiveRow> =
        taskx_jobs::table.find(id).select(LiveRow::as_select()).first(conn).optional()?;
    if let Some(row) = live {
        return Ok(Some(row.into()));
    }
    let finished: Option<FinishedRow> =
        taskx_history::table.find(id).select(FinishedRow::as_select()).first(conn).optional()?;
    Ok(finished.map(Job::from))
}

/// A page of one table: the filter is the same on both, their types are not.
macro_rules! page_of {
    ($table:ident, $Row:ty, $conn:expr, $filter:expr, $states:expr, $page:expr) => {{
        let filter: &JobFilter = $filter;
        let mut query = $table::table.select(<$Row>::as_select()).into_boxed();
        if !filter.states.is_empty() {
            query = query.filter($table::state.eq_any($states));
        }
        if !filter.ids.is_empty() {
            query = query.filter($table::id.eq_any(filter.ids.iter().map(|&id| DbId::from(id))));
        }
        if !filter.queues.is_empty() {
            query = query.filter($table::queue.eq_any(&filter.queues));
        }
        if !filter.tasks.is_empty() {
            query = query.filter($table::task.eq_any(&filter.tasks));
        }
        if let Some(tag) = &filter.tag {
            query = query.filter(has_tag::<$table::table>(tag));
        }
        if let Some(before) = filter.inserted_before {
            query = query.filter($table::inserted_at.lt(DbTime(before)));
        }
        if let Some(attempts) = filter.attempts_from {
            query = query.filter($table::attempt.ge(attempts));
        }
        if let Some((name, value)) = &filter.argument {
            query = query.filter(has_argument::<$table::table>(name, &value.to_string()));
        }
        if let Some(before) = $page.before {
            query = query.filter($table::id.lt(DbId::from(before)));
        }
        let limit = i64::from($page.limit.clamp(1, 1_000));
        let rows: Vec<$Row> = query.order($table::id.desc()).limit(limit).load($conn)?;
        rows.into_iter().map(Job::from)
    }};
}

/// A page of the jobs that fit, newest id first.
pub(super) fn list(
    conn: &mut SqliteConnection,
    filter: &JobFilter,
    page: Page,
) -> QueryResult<Vec<Job>> {
    let states: Vec<i16> = filter.states.iter().map(|state| state.code()).collect();
    let asks = |finished: bool| {
        filter.states.is_empty()
            || filter.states.iter().any(|state| state.is_finished() == finished)
    };
    let mut jobs = Vec::new();
    if asks(false) {
        jobs.extend(page_of!(taskx_jobs, LiveRow, conn, filter, &states, page));
    }
    if asks(true) {
        jobs.extend(page_of!(taskx_history, FinishedRow, conn, filter, &states, page));
    }
    jobs.sort_by_key(|job| Reverse(job.id));
    jobs.truncate(usize::try_from(page.limit.clamp(1, 1_000)).unwrap_or(1_000));
    Ok(jobs)
}

/// How many jobs there are, by queue and state.
pub(super) fn count(conn: &mut SqliteConnection) -> QueryResult<Vec<StateCount>> {
    let live: Vec<(String, i16, i64)> = taskx_jobs::table
        .group_by((taskx_jobs::queue, taskx_jobs::state))
        .select((taskx_jobs::queue, taskx_jobs::state, count_star()))
        .load(conn)?;
    let finished: Vec<(String, i16, i64)> = taskx_history::table
        .group_by((taskx_history::queue, taskx_history::state))
        .select((taskx_history::queue, taskx_history::state, count_star()))
        .load(conn)?;
    let mut counts = BTreeMap::new();
    for (queue, state, count) in live.into_iter().chain(finished) {
        let state = JobState::from_code(state).unwrap_or(JobState::Blocked);
        *counts.entry((queue, state)).or_insert(0) += count;
    }
    let counts = counts.into_iter();
    Ok(counts.map(|((queue, state), count)| StateCount { queue, state, count }).collect())
}

/// The failed attempts of a job, oldest first.
pub(super) fn attempts(conn: &mut SqliteConnection, id: JobId) -> QueryResult<Vec<AttemptInfo>> {
    let rows: Vec<AttemptRow> = taskx_attempts::table
        .filter(taskx_attempts::job_id.eq(DbId::from(id)))
        .order(taskx_attempts::fence)
        .select(AttemptRow::as_select())
        .load(conn)?;
    Ok(rows.into_iter().map(AttemptInfo::from).collect())
}

/// The queues that have live jobs or were paused, by name.
pub(super) fn queues(conn: &mut SqliteConnection) -> QueryResult<Vec<QueueInfo>> {
    let paused: Vec<QueueRow> = taskx_queues::table.select(QueueRow::as_select()).load(conn)?;
    let mut queues: BTreeMap<_, _> =
        paused.into_iter().map(|row| (row.name.clone(), QueueInfo::from(row))).collect();
    let named: Vec<String> = taskx_jobs::table.select(taskx_jobs::queue).distinct().load(conn)?;
    let oldest: Vec<(String, Option<DbTime>)> = taskx_jobs::table
        .filter(taskx_jobs::state.eq(JobState::Available.code()))
        .group_by(taskx_jobs::queue)
        .select((taskx_jobs::queue, min(taskx_jobs::run_at)))
        .load(conn)?;
    let mut oldest: HashMap<_, _> = oldest.into_iter().collect();
    for name in named {
        queues.entry(name.clone()).or_insert_with(|| QueueInfo {
            name,
            paused_at: None,
            paused_by: None,
            reason: None,
            oldest_available: None,
        });
    }
    for queue in queues.values_mut() {
        queue.oldest_available = oldest.remove(&queue.name).flatten().map(Into::into);
    }
    Ok(queues.into_values().collect())
}

/// The workers that have a row, oldest first.
pub(super) fn workers(conn: &mut SqliteConnection) -> QueryResult<Vec<WorkerInfo>> {
    let rows: Vec<WorkerRow> = taskx_workers::table
        .order((taskx_workers::started_at, taskx_workers::id))
        .select(WorkerRow::as_select())
        .load(conn)?;
    let named: Vec<(DbId, String)> =
        taskx_worker_tasks::table.order(taskx_worker_tasks::task).load(conn)?;
    let mut tasks: HashMap<DbId, Vec<String>> = HashMap::new();
    for (worker, task) in named {
        tasks.entry(worker).or_default().push(task);
    }
    let infos = rows.into_iter().map(|row| {
        let tasks = tasks.remove(&row.id).unwrap_or_default();
        row.into_info(tasks)
    });
    Ok(infos.collect())
}

/// Since when the oldest available job of a queue is due.
pub(super) fn oldest(conn: &mut SqliteConnection, queue: &str) -> QueryResult<Option<DbTime>> {
    taskx_jobs::table
        .filter(taskx_jobs::state.eq(JobState::Available.code()))
        .filter(taskx_jobs::queue.eq(queue))
        .select(min(taskx_jobs::run_at))
        .first(conn)
}
