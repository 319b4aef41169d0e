//! What operators ask, by Diesel's typed DSL.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use diesel::{
    ExpressionMethods, QueryDsl, QueryResult, SelectableHelper,
    dsl::{AsExprOf, count_star, min, sql},
    expression::{SqlLiteral, UncheckedBind},
    mysql::Mysql,
    sql_types::{Bool, Text},
};
use serde_json::{Value, json};
use taskx_core::{
    inspect::{
        AttemptInfo, DatabaseInfo, JobFilter, Page, QueueInfo, StateCount, TableInfo, TaskInfo,
        WorkerInfo,
    },
    job::{Job, JobId, JobState},
};

use super::{
    run::{Run, Session},
    statements::upkeep::{Objects, OldestSnapshot, Sizes, Version},
    upkeep::duration,
};
use crate::{
    drift::missing,
    error::to_diesel,
    rows::{
        AttemptRow, FinishedRow, LiveRow, QueueRow, TaskDbRow, WorkerRow, json_text, task_infos,
    },
    schema::{
        taskx_attempts, taskx_history, taskx_jobs, taskx_queues, taskx_tasks, taskx_worker_tasks,
        taskx_workers,
    },
    statement::Sql,
    values::{DbId, DbTime},
};

/// A condition with one bind, for which Diesel's DSL has no words.
type Condition = SqlLiteral<Bool, UncheckedBind<SqlLiteral<Bool>, AsExprOf<String, Text>>>;

/// Whether a job has the tag. Tags that were damaged by hand fit nothing.
fn has_tag(tag: &str) -> Condition {
    sql("IF(JSON_VALID(tags), JSON_CONTAINS(tags, ").bind::<Text, _>(json_text(tag)).sql("), 0)")
}

/// Whether a job may have the argument: what the server takes for no JSON (it is nested deeper
/// than MariaDB looks, say) and what it takes for equal is looked at again by [`has_argument`].
fn may_have_argument(name: &str, value: &Value) -> Condition {
    sql("IF(JSON_VALID(payload), JSON_CONTAINS(payload, ")
        .bind::<Text, _>(json!({name: value}).to_string())
        .sql("), 1)")
}

/// Whether a job's argument is just this.
fn has_argument(job: &Job, name: &str, value: &Value) -> bool {
    serde_json::from_str::<Value>(&job.payload).is_ok_and(|args| args.get(name) == Some(value))
}

/// The job of an id, live or finished. Asked twice before it is not there, for it moves between the
/// two tables.
pub(super) async fn find(session: &mut Session, id: JobId) -> QueryResult<Option<Job>> {
    let id = DbId::from(id);
    for _ in 0..2 {
        let query = taskx_jobs::table.find(id).select(LiveRow::as_select());
        let live: Vec<LiveRow> = session.load(query).await?;
        if let Some(row) = live.into_iter().next() {
            return Ok(Some(row.into()));
        }
        let query = taskx_history::table.find(id).select(FinishedRow::as_select());
        let finished: Vec<FinishedRow> = session.load(query).await?;
        if let Some(row) = finished.into_iter().next() {
            return Ok(Some(row.into()));
        }
    }
    Ok(None)
}

/// A question of one table narrowed by a filter: it is the same on both, their types are not.
macro_rules! narrowed {
    ($table:ident, $query:expr, $filter:expr, $before:expr, $limit:expr) => {{
        let filter: &JobFilter = $filter;
        let mut query = $query.into_boxed();
        if !filter.states.is_empty() {
            let states: Vec<i16> = filter.states.iter().map(|state| state.code()).collect();
            query = query.filter($table::state.eq_any(states));
        }
        if !filter.ids.is_empty() {
            let ids = filter.ids.iter().map(|&id| DbId::from(id));
            query = query.filter($table::id.eq_any(ids));
        }
        if !filter.queues.is_empty() {
            query = query.filter($table::queue.eq_any(&filter.queues));
        }
        if !filter.tasks.is_empty() {
            query = query.filter($table::task.eq_any(&filter.tasks));
        }
        if let Some(tag) = &filter.tag {
            query = query.filter(has_tag(tag));
        }
        if let Some(before) = filter.inserted_before {
            query = query.filter($table::inserted_at.lt(DbTime(before)));
        }
        if let Some(attempts) = filter.attempts_from {
            query = query.filter($table::attempt.ge(attempts));
        }
        if let Some((name, value)) = &filter.argument {
            query = query.filter(may_have_argument(name, value));
        }
        if let Some(before) = $before {
            query = query.filter($table::id.lt(DbId::from(before)));
        }
        query.order($table::id.desc()).limit(i64::from($limit))
    }};
}

/// A page of one table.
macro_rules! page_of {
    ($name:ident, $table:ident, $Row:ty) => {
        async fn $name(
            session: &mut Session,
            filter: &JobFilter,
            page: Page,
        ) -> QueryResult<Vec<Job>> {
            let limit = page.limit.clamp(1, 1_000);
            let (mut jobs, mut before) = (Vec::new(), page.before);
            loop {
                let query = $table::table.select(<$Row>::as_select());
                let query = narrowed!($table, query, filter, before, limit);
                let rows: Vec<$Row> = session.load(query).await?;
                let is_last = rows.len() < usize::try_from(limit).unwrap_or(usize::MAX);
                before = rows.last().map(|row| row.id.into());
                jobs.extend(rows.into_iter().map(Job::from).filter(|job| {
                    let argument = filter.argument.as_ref();
                    argument.is_none_or(|(name, value)| has_argument(job, name, value))
                }));
                if is_last || jobs.len() >= usize::try_from(limit).unwrap_or(usize::MAX) {
                    return Ok(jobs);
                }
            }
        }
    };
}

page_of!(live_page, taskx_jobs, LiveRow);
page_of!(finished_page, taskx_history, FinishedRow);

/// A page of the jobs that fit, newest id first. The session reads one snapshot.
pub(super) async fn list(
    session: &mut Session,
    filter: &JobFilter,
    page: Page,
) -> QueryResult<Vec<Job>> {
    let mut jobs = Vec::new();
    if asks(filter, false) {
        jobs.extend(live_page(session, filter, page).await?);
    }
    if asks(filter, true) {
        jobs.extend(finished_page(session, filter, page).await?);
    }
    jobs.sort_by_key(|job| Reverse(job.id));
    jobs.truncate(usize::try_from(page.limit.clamp(1, 1_000)).unwrap_or(1_000));
    Ok(jobs)
}

/// Whether a filter asks for finished jobs, or for those that are not.
fn asks(filter: &JobFilter, finished: bool) -> bool {
    filter.states.is_empty() || filter.states.iter().any(|state| state.is_finished() == finished)
}

/// The ids of a page of the jobs that fit, newest first.
pub(super) async fn ids(
    session: &mut Session,
    filter: &JobFilter,
    page: Page,
) -> QueryResult<Vec<JobId>> {
    let limit = page.limit.clamp(1, 10_000);
    let mut ids: Vec<JobId> = Vec::new();
    if filter.argument.is_some() {
        // Only the arguments themselves tell, so the jobs are read after all.
        let mut before = page.before;
        while ids.len() < limit as usize {
            let left = limit - u32::try_from(ids.len()).unwrap_or(limit);
            let part = Page { before, limit: left.min(1_000) };
            let jobs = list(session, filter, part).await?;
            let is_last = jobs.len() < part.limit as usize;
            before = jobs.last().map(|job| job.id);
            ids.extend(jobs.iter().map(|job| job.id));
            if is_last {
                break;
            }
        }
        return Ok(ids);
    }
    if asks(filter, false) {
        let query = taskx_jobs::table.select(taskx_jobs::id);
        let rows = session.load(narrowed!(taskx_jobs, query, filter, page.before, limit)).await?;
        ids.extend(rows.into_iter().map(|id: DbId| JobId::from(id)));
    }
    if asks(filter, true) {
        let query = taskx_history::table.select(taskx_history::id);
        let rows =
            session.load(narrowed!(taskx_history, query, filter, page.before, limit)).await?;
        ids.extend(rows.into_iter().map(|id: DbId| JobId::from(id)));
    }
    ids.sort_unstable_by(|one, other| other.cmp(one));
    ids.truncate(limit as usize);
    Ok(ids)
}

/// The tasks that workers have named or live jobs name.
pub(super) async fn tasks(session: &mut Session) -> QueryResult<Vec<TaskInfo>> {
    let known = session.load(taskx_tasks::table.select(TaskDbRow::as_select())).await?;
    let live =
        taskx_jobs::table.group_by(taskx_jobs::task).select((taskx_jobs::task, count_star()));
    let live = session.load(live).await?;
    let running =
        taskx_workers::table.filter(taskx_workers::ended_at.is_null()).select(taskx_workers::id);
    let workers = taskx_worker_tasks::table
        .filter(taskx_worker_tasks::worker.eq_any(running))
        .group_by(taskx_worker_tasks::task)
        .select((taskx_worker_tasks::task, count_star()));
    Ok(task_infos(known, live, session.load(workers).await?))
}

/// What the server says of the database.
pub(super) async fn database(session: &mut Session) -> QueryResult<DatabaseInfo> {
    type Size = (String, Option<i64>, Option<i64>, Option<i64>);
    let versions: Vec<String> = session.load(Version::with(())).await?;
    let sizes: Vec<Size> = session.load(Sizes::with(())).await?;
    // Only those who may see all sessions are answered.
    let waits: Vec<Option<i64>> = session.load(OldestSnapshot::with(())).await.unwrap_or_default();
    let table = |(name, rows, bytes, index_bytes): Size| TableInfo {
        name,
        rows,
        bytes: bytes.unwrap_or(0),
        index_bytes: index_bytes.unwrap_or(0),
    };
    // Not by the server's collation, which may pass over an underscore.
    let mut tables: Vec<TableInfo> = sizes.into_iter().map(table).collect();
    tables.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    let version = versions.concat();
    let product = if version.contains("MariaDB") { "MariaDB" } else { "MySQL" };
    Ok(DatabaseInfo {
        version: format!("{product} {}", version.split('-').next().unwrap_or_default()),
        tables,
        oldest_snapshot: waits.into_iter().next().flatten().map(duration),
        missing: missing::<Mysql>(session.load(Objects::with(())).await?).map_err(to_diesel)?,
    })
}

/// How many jobs there are, by queue and state.
pub(super) async fn count(session: &mut Session) -> QueryResult<Vec<StateCount>> {
    let live = taskx_jobs::table.group_by((taskx_jobs::queue, taskx_jobs::state)).select((
        taskx_jobs::queue,
        taskx_jobs::state,
        count_star(),
    ));
    let live: Vec<(String, i16, i64)> = session.load(live).await?;
    let finished = taskx_history::table
        .group_by((taskx_history::queue, taskx_history::state))
        .select((taskx_history::queue, taskx_history::state, count_star()));
    let finished: Vec<(String, i16, i64)> = session.load(finished).await?;
    let mut counts = BTreeMap::new();
    for (queue, state, count) in live.into_iter().chain(finished) {
        let state = JobState::from_code(state).unwrap_or(JobState::Blocked);
        *counts.entry((queue, state)).or_insert(0) += count;
    }
    let counts = counts.into_iter();
    Ok(counts.map(|((queue, state), count)| StateCount { queue, state, count }).collect())
}

/// The failed attempts of a job, oldest first.
pub(super) async fn attempts(session: &mut Session, id: JobId) -> QueryResult<Vec<AttemptInfo>> {
    let query = taskx_attempts::table
        .filter(taskx_attempts::job_id.eq(DbId::from(id)))
        .order(taskx_attempts::fence)
        .select(AttemptRow::as_select());
    let rows: Vec<AttemptRow> = session.load(query).await?;
    Ok(rows.into_iter().map(AttemptInfo::from).collect())
}

/// The queues that have live jobs or were paused, by name.
pub(super) async fn queues(session: &mut Session) -> QueryResult<Vec<QueueInfo>> {
    let paused = taskx_queues::table.select(QueueRow::as_select());
    let paused: Vec<QueueRow> = session.load(paused).await?;
    let mut queues: BTreeMap<_, _> =
        paused.into_iter().map(|row| (row.name.clone(), QueueInfo::from(row))).collect();
    let named = taskx_jobs::table.select(taskx_jobs::queue).distinct();
    let named: Vec<String> = session.load(named).await?;
    let oldest = taskx_jobs::table
        .filter(taskx_jobs::state.eq(JobState::Available.code()))
        .group_by(taskx_jobs::queue)
        .select((taskx_jobs::queue, min(taskx_jobs::run_at)));
    let oldest: Vec<(String, Option<DbTime>)> = session.load(oldest).await?;
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
pub(super) async fn workers(session: &mut Session) -> QueryResult<Vec<WorkerInfo>> {
    let query = taskx_workers::table
        .order((taskx_workers::started_at, taskx_workers::id))
        .select(WorkerRow::as_select());
    let rows: Vec<WorkerRow> = session.load(query).await?;
    let named = taskx_worker_tasks::table.order(taskx_worker_tasks::task);
    let named: Vec<(DbId, String)> = session.load(named).await?;
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
