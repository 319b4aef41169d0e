//! What operators ask: on a reader's snapshot, by Diesel's typed DSL.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use diesel::{
    EscapeExpressionMethods, ExpressionMethods, JoinOnDsl, OptionalExtension, QueryDsl,
    QueryResult, RunQueryDsl, SelectableHelper, SqliteConnection, TextExpressionMethods,
    define_sql_function,
    dsl::{count_star, min},
    sqlite::Sqlite,
};
use taskx_core::{
    inspect::{
        AttemptInfo, DatabaseInfo, JobFilter, Page, QueueInfo, StateCount, TableInfo, TaskInfo,
        WorkerInfo,
    },
    job::{Job, JobId, JobState},
};

use super::conditions::{has_argument, has_tag};
use crate::{
    drift::missing,
    error::to_diesel,
    rows::{AttemptRow, FinishedRow, LiveRow, QueueRow, TaskDbRow, WorkerRow, task_infos},
    schema::{
        taskx_attempts, taskx_history, taskx_jobs, taskx_queues, taskx_tasks, taskx_worker_tasks,
        taskx_workers,
    },
    values::{DbId, DbTime},
};

define_sql_function! {
    /// The version of SQLite.
    fn sqlite_version() -> Text;
}

diesel::table! {
    use diesel::sql_types::Text;

    /// SQLite's own list of tables and indexes.
    sqlite_schema (name) {
        name -> Text,
        #[sql_name = "type"]
        kind -> Text,
        tbl_name -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Text};

    /// SQLite's own count of pages; with `aggregate` one row for each table and index.
    dbstat (name) {
        name -> Text,
        pgsize -> BigInt,
        aggregate -> Bool,
    }
}

diesel::table! {
    use diesel::sql_types::Text;

    /// SQLite's own list of the columns of the table `arg`.
    pragma_table_info (name) {
        name -> Text,
        arg -> Text,
    }
}

diesel::allow_tables_to_appear_in_same_query!(sqlite_schema, dbstat);
diesel::allow_tables_to_appear_in_same_query!(sqlite_schema, pragma_table_info);

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

/// A question of one table narrowed to a page: the filter is the same on both, their types are not.
macro_rules! narrowed {
    ($table:ident, $query:expr, $filter:expr, $states:expr, $before:expr, $limit:expr) => {{
        let filter: &JobFilter = $filter;
        let mut query = $query.into_boxed();
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
        if let Some(before) = $before {
            query = query.filter($table::id.lt(DbId::from(before)));
        }
        query.order($table::id.desc()).limit($limit)
    }};
}

/// Which of the two tables a filter asks for.
struct Asked {
    states: Vec<i16>,
    live: bool,
    finished: bool,
}

impl Asked {
    fn by(filter: &JobFilter) -> Self {
        let asks = |finished: bool| {
            filter.states.is_empty()
                || filter.states.iter().any(|state| state.is_finished() == finished)
        };
        let states = filter.states.iter().map(|state| state.code()).collect();
        Self { states, live: asks(false), finished: asks(true) }
    }
}

/// A page of the jobs that fit, newest id first.
pub(super) fn list(
    conn: &mut SqliteConnection,
    filter: &JobFilter,
    page: Page,
) -> QueryResult<Vec<Job>> {
    let limit = page.limit.clamp(1, 1_000);
    let Asked { states, live, finished } = Asked::by(filter);
    let mut jobs: Vec<Job> = Vec::new();
    if live {
        let query = taskx_jobs::table.select(LiveRow::as_select());
        let query = narrowed!(taskx_jobs, query, filter, &states, page.before, i64::from(limit));
        jobs.extend(query.load::<LiveRow>(conn)?.into_iter().map(Job::from));
    }
    if finished {
        let query = taskx_history::table.select(FinishedRow::as_select());
        let query = narrowed!(taskx_history, query, filter, &states, page.before, i64::from(limit));
        jobs.extend(query.load::<FinishedRow>(conn)?.into_iter().map(Job::from));
    }
    jobs.sort_by_key(|job| Reverse(job.id));
    jobs.truncate(limit as usize);
    Ok(jobs)
}

/// The ids of a page of the jobs that fit, newest first.
pub(super) fn ids(
    conn: &mut SqliteConnection,
    filter: &JobFilter,
    page: Page,
) -> QueryResult<Vec<JobId>> {
    let limit = page.limit.clamp(1, 10_000);
    let Asked { states, live, finished } = Asked::by(filter);
    let mut ids: Vec<DbId> = Vec::new();
    if live {
        let query = taskx_jobs::table.select(taskx_jobs::id);
        let query = narrowed!(taskx_jobs, query, filter, &states, page.before, i64::from(limit));
        ids.extend(query.load::<DbId>(conn)?);
    }
    if finished {
        let query = taskx_history::table.select(taskx_history::id);
        let query = narrowed!(taskx_history, query, filter, &states, page.before, i64::from(limit));
        ids.extend(query.load::<DbId>(conn)?);
    }
    let mut ids: Vec<JobId> = ids.into_iter().map(JobId::from).collect();
    ids.sort_unstable_by(|one, other| other.cmp(one));
    ids.truncate(limit as usize);
    Ok(ids)
}

/// The tasks that workers have named or live jobs name.
pub(super) fn tasks(conn: &mut SqliteConnection) -> QueryResult<Vec<TaskInfo>> {
    let known = taskx_tasks::table.select(TaskDbRow::as_select()).load(conn)?;
    let live = taskx_jobs::table
        .group_by(taskx_jobs::task)
        .select((taskx_jobs::task, count_star()))
        .load(conn)?;
    let running =
        taskx_workers::table.filter(taskx_workers::ended_at.is_null()).select(taskx_workers::id);
    let workers = taskx_worker_tasks::table
        .filter(taskx_worker_tasks::worker.eq_any(running))
        .group_by(taskx_worker_tasks::task)
        .select((taskx_worker_tasks::task, count_star()))
        .load(conn)?;
    Ok(task_infos(known, live, workers))
}

/// What SQLite says of the file. It counts the pages of every table, by its table `dbstat`, which
/// not every build of SQLite has.
pub(super) fn database(conn: &mut SqliteConnection) -> QueryResult<DatabaseInfo> {
    let version: String = diesel::select(sqlite_version()).get_result(conn)?;
    let sizes: Vec<(String, String, i64)> = sqlite_schema::table
        .inner_join(dbstat::table.on(dbstat::name.eq(sqlite_schema::name)))
        .filter(dbstat::aggregate.eq(true))
        .filter(sqlite_schema::tbl_name.like("taskx\\_%").escape('\\'))
        .select((sqlite_schema::tbl_name, sqlite_schema::kind, dbstat::pgsize))
        .load(conn)
        .unwrap_or_default();
    let mut tables: BTreeMap<String, TableInfo> = BTreeMap::new();
    for (name, kind, bytes) in sizes {
        let table = tables.entry(name).or_default();
        let size = if kind == "table" { &mut table.bytes } else { &mut table.index_bytes };
        *size += bytes;
    }
    let tables = tables.into_iter().map(|(name, table)| TableInfo { name, ..table }).collect();
    Ok(DatabaseInfo {
        version: format!("SQLite {version}"),
        tables,
        oldest_snapshot: None,
        missing: missing::<Sqlite>(objects(conn)?).map_err(to_diesel)?,
    })
}

/// Our tables, columns and indexes: `taskx_jobs`, `taskx_jobs.id`, `taskx_jobs_ready`.
fn objects(conn: &mut SqliteConnection) -> QueryResult<Vec<String>> {
    let ours = || sqlite_schema::table.filter(sqlite_schema::name.like("taskx\\_%").escape('\\'));
    let mut objects: Vec<String> = ours().select(sqlite_schema::name).load(conn)?;
    let columns: Vec<(String, String)> = ours()
        .inner_join(pragma_table_info::table.on(pragma_table_info::arg.eq(sqlite_schema::name)))
        .select((sqlite_schema::name, pragma_table_info::name))
        .load(conn)?;
    objects.extend(columns.into_iter().map(|(table, column)| format!("{table}.{column}")));
    Ok(objects)
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
