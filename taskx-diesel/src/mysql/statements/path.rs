//! The path: insert, claim, settle.

use diesel::{
    QueryResult,
    mysql::Mysql,
    query_builder::{AstPass, QueryFragment, QueryId},
    sql_types::{BigInt, Bool, Integer, Nullable, SmallInt, Text},
};

use super::{copied_columns, copied_columns_of_j, ids};
use crate::{
    mysql::insert::NewRow,
    schema::sql_types::{TaskxId, TaskxTime},
    statement::{BindAll, Sql, statement},
    values::DbId,
};

/// Inserts `ROWS` jobs: with the columns of the extras, or without them, which is a seventh faster.
///
/// The state comes from two columns to its left, so each row binds its time once.
#[derive(Debug)]
pub(in crate::mysql) struct InsertRows<'a, const EXTRAS: bool, const ROWS: usize>(
    pub(in crate::mysql) &'a [NewRow<'a>],
);

impl<const EXTRAS: bool, const ROWS: usize> QueryId for InsertRows<'_, EXTRAS, ROWS> {
    type QueryId = InsertRows<'static, EXTRAS, ROWS>;

    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<const EXTRAS: bool, const ROWS: usize> QueryFragment<Mysql> for InsertRows<'_, EXTRAS, ROWS> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Mysql>) -> QueryResult<()> {
        if self.0.len() != ROWS {
            return Err(diesel::result::Error::QueryBuilderError(
                format!("{} rows for a statement of {ROWS}", self.0.len()).into(),
            ));
        }
        out.push_sql(
            "INSERT INTO taskx_jobs (id, queue, task, priority, max_attempts, payload, \
             inserted_at, run_at, state",
        );
        if EXTRAS {
            out.push_sql(
                ", tags, meta, trace, task_version, parent_id, batch_id, schedule_id, slot, \
                 expires_at, unique_key, concurrency_key, tenant",
            );
        }
        out.push_sql(") VALUES ");
        for (at, row) in self.0.iter().enumerate() {
            out.push_sql(if at == 0 { "(" } else { ", (" });
            out.push_sql(
                "?, ?, ?, ?, ?, ?, UTC_TIMESTAMP(6), \
                 COALESCE(?, UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND), \
                 IF(run_at <= inserted_at, 0, 2)",
            );
            row.bind(out.reborrow())?;
            if EXTRAS {
                out.push_sql(", ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?");
                row.bind_extras(out.reborrow())?;
            }
            out.push_sql(")");
        }
        Ok(())
    }
}

statement! {
    /// Of these ids, those that are there, live or finished.
    pub(in crate::mysql) Known(live: Text, finished: Text) -> TaskxId = concat!(
        "SELECT j.id FROM ", ids!(), " STRAIGHT_JOIN taskx_jobs j FORCE INDEX (PRIMARY) ON j.id = UNHEX(s.id)
         UNION SELECT h.id FROM ", ids!(), " STRAIGHT_JOIN taskx_history h FORCE INDEX (PRIMARY) ON h.id = UNHEX(s.id)"
    );

    /// Of these ids, those that have finished, as of now and not of the transaction's start.
    pub(in crate::mysql) FinishedNow(ids: Text) -> TaskxId = concat!(
        "SELECT h.id FROM ", ids!(), " STRAIGHT_JOIN taskx_history h FORCE INDEX (PRIMARY) ON h.id = UNHEX(s.id)
         LOCK IN SHARE MODE"
    );

    /// Deletes live jobs.
    pub(in crate::mysql) DeleteLive(ids: Text) = concat!(
        "DELETE j FROM ", ids!(), " STRAIGHT_JOIN taskx_jobs j FORCE INDEX (PRIMARY) ON j.id = UNHEX(s.id)"
    );

    /// One row if the worker may claim, with the number of pauses of the queue. The lock makes a
    /// rescuer that ends the row wait until the claim is committed and to be seen.
    pub(in crate::mysql) Gate(queue: Text, owner: TaskxId) -> BigInt =
        "SELECT (SELECT COUNT(*) FROM taskx_queues WHERE name = ? AND paused_at IS NOT NULL)
         FROM taskx_workers WHERE id = ? AND ended_at IS NULL LOCK IN SHARE MODE";

    /// Makes jobs that the transaction has locked those of a worker.
    pub(in crate::mysql) Take(ids: Text, owner: TaskxId) = concat!(
        "UPDATE ", ids!(), " STRAIGHT_JOIN taskx_jobs j FORCE INDEX (PRIMARY) ON j.id = UNHEX(s.id)
         SET j.state = 1, j.owner = ?, j.claimed_at = UTC_TIMESTAMP(6),
            j.fence = LEAST(j.fence, 9223372036854775806) + 1,
            j.attempt = LEAST(j.attempt, 2147483646) + 1"
    );

    /// Locks jobs that are to be settled, and tells how they stand.
    pub(in crate::mysql) Held(ids: Text) -> (TaskxId, Nullable<TaskxId>, BigInt, SmallInt, Bool) =
        concat!(
            "SELECT j.id, j.owner, j.fence, j.state, j.cancel_requested_at IS NOT NULL
             FROM ", ids!(), " STRAIGHT_JOIN taskx_jobs j FORCE INDEX (PRIMARY) ON j.id = UNHEX(s.id) FOR UPDATE"
        );

    /// Under which claims jobs have finished.
    pub(in crate::mysql) Finished(ids: Text) -> (TaskxId, Nullable<TaskxId>, BigInt) = concat!(
        "SELECT h.id, h.owner, h.fence
         FROM ", ids!(), " STRAIGHT_JOIN taskx_history h FORCE INDEX (PRIMARY) ON h.id = UNHEX(s.id)"
    );

    /// Copies jobs into the history, all with one state and retention and without words. REPLACE,
    /// for an id may have been used again: the later job is the one that is kept.
    pub(in crate::mysql) FinishAlike(state: SmallInt, keep: BigInt, ids: Text) = concat!(
        "REPLACE INTO taskx_history (", copied_columns!(), ",
            state, reason, result, finished_at, prune_at)
         SELECT ", copied_columns_of_j!(), ", ?, NULL, NULL, UTC_TIMESTAMP(6),
            UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND
         FROM ", ids!(), " STRAIGHT_JOIN taskx_jobs j FORCE INDEX (PRIMARY) ON j.id = UNHEX(s.id)"
    );

    /// Copies jobs into the history, each with its own words.
    pub(in crate::mysql) FinishEach(rows: Text) = concat!(
        "REPLACE INTO taskx_history (", copied_columns!(), ",
            state, reason, result, finished_at, prune_at)
         SELECT ", copied_columns_of_j!(), ", s.state, s.reason, s.result, UTC_TIMESTAMP(6),
            UTC_TIMESTAMP(6) + INTERVAL s.keep MICROSECOND
         FROM JSON_TABLE(?, '$[*]' COLUMNS (
            id CHAR(32) CHARACTER SET ascii PATH '$.id',
            state SMALLINT PATH '$.state',
            keep BIGINT PATH '$.keep',
            reason LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.reason',
            result LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.result')) AS s
         STRAIGHT_JOIN taskx_jobs j FORCE INDEX (PRIMARY) ON j.id = UNHEX(s.id)"
    );

    /// Brings jobs back among those that wait. Without a wait `run_at` stays.
    pub(in crate::mysql) BringBack(rows: Text) =
        "UPDATE JSON_TABLE(?, '$[*]' COLUMNS (
            id CHAR(32) CHARACTER SET ascii PATH '$.id',
            state SMALLINT PATH '$.state',
            wait BIGINT PATH '$.wait',
            uncounted INT PATH '$.uncounted',
            snoozed INT PATH '$.snoozed',
            reason LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.reason')) AS s
         STRAIGHT_JOIN taskx_jobs j FORCE INDEX (PRIMARY) ON j.id = UNHEX(s.id)
         SET j.state = s.state, j.owner = NULL,
            j.run_at = COALESCE(UTC_TIMESTAMP(6) + INTERVAL s.wait MICROSECOND, j.run_at),
            j.attempt = GREATEST(j.attempt - s.uncounted, 0),
            j.snooze_count = j.snooze_count + s.snoozed,
            j.reason = COALESCE(s.reason, j.reason)";

    /// Keeps failed attempts of jobs that are still live.
    pub(in crate::mysql) Fail(rows: Text) =
        "INSERT INTO taskx_attempts
            (job_id, fence, attempt, worker, started_at, ended_at, outcome, error, backtrace)
         SELECT j.id, s.fence, s.attempt, UNHEX(s.worker),
            COALESCE(j.claimed_at, UTC_TIMESTAMP(6)), UTC_TIMESTAMP(6),
            s.outcome, s.error, s.backtrace
         FROM JSON_TABLE(?, '$[*]' COLUMNS (
            id CHAR(32) CHARACTER SET ascii PATH '$.id',
            fence BIGINT PATH '$.fence',
            attempt INT PATH '$.attempt',
            worker CHAR(32) CHARACTER SET ascii PATH '$.worker',
            outcome VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.outcome',
            error LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.error',
            backtrace LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.backtrace')) AS s
         STRAIGHT_JOIN taskx_jobs j FORCE INDEX (PRIMARY) ON j.id = UNHEX(s.id)
         ON DUPLICATE KEY UPDATE outcome = taskx_attempts.outcome";

    /// Deletes all but the last attempts of jobs.
    pub(in crate::mysql) Trim(ids: Text, kept: Integer) = concat!(
        "DELETE a FROM (
            SELECT t.job_id, t.fence,
                ROW_NUMBER() OVER (PARTITION BY t.job_id ORDER BY t.fence DESC) AS place
            FROM ", ids!(), " STRAIGHT_JOIN taskx_attempts t ON t.job_id = UNHEX(s.id)
         ) AS ranked
         STRAIGHT_JOIN taskx_attempts a ON a.job_id = ranked.job_id AND a.fence = ranked.fence
         WHERE ranked.place > ?"
    );

    /// Deletes the attempts of jobs.
    pub(in crate::mysql) Forget(ids: Text) = concat!(
        "DELETE a FROM ", ids!(), " STRAIGHT_JOIN taskx_attempts a ON a.job_id = UNHEX(s.id)"
    );
}

/// How many names of tasks a claim lists; a worker that knows more gives them as JSON, which costs
/// more a row (10 names 1.5 us, 300 names 46 us).
pub(in crate::mysql) const SLOTS: usize = 16;

/// The SQL types of a [`ClaimRow`](crate::rows::ClaimRow).
type ClaimColumns = (
    TaskxId,
    BigInt,
    Text,
    SmallInt,
    Integer,
    Integer,
    Text,
    SmallInt,
    TaskxTime,
    TaskxTime,
    Integer,
    Integer,
    SmallInt,
    Nullable<TaskxTime>,
    ExtrasColumns,
);

type ExtrasColumns = (
    Nullable<Text>,
    Nullable<Text>,
    Nullable<Text>,
    Nullable<Integer>,
    Nullable<TaskxId>,
    Nullable<TaskxId>,
    Nullable<Text>,
    Nullable<TaskxTime>,
    Nullable<TaskxTime>,
    Nullable<Text>,
    Nullable<Text>,
    Nullable<Text>,
);

/// The first jobs of a queue that nobody else has locked, locked, in the order of the index.
///
/// The index is forced: with few rows the server would rather sort. `LISTED`: the tasks are
/// [`SLOTS`] names; else one JSON array. `AFTER`: only what comes after a place, which the
/// server reads as two ranges of the index, in order and without a sort.
#[derive(Debug, Clone, Copy)]
pub(in crate::mysql) struct Front<const LISTED: bool, const AFTER: bool>;

macro_rules! front {
    ($after:literal, $tasks:literal) => {
        concat!(
            "SELECT id, fence, task, priority, attempt, max_attempts, payload, payload_format,
                inserted_at, run_at, crash_count, snooze_count, solo, cancel_requested_at,
                tags, meta, trace, task_version, parent_id, batch_id, schedule_id, slot,
                expires_at, unique_key, concurrency_key, tenant
             FROM taskx_jobs FORCE INDEX (taskx_jobs_ready)
             WHERE state = 0 AND queue = ?",
            $after,
            " AND solo <= ? AND ",
            $tasks,
            " ORDER BY priority, id LIMIT ? FOR UPDATE SKIP LOCKED"
        )
    };
}

impl<const LISTED: bool, const AFTER: bool> Sql for Front<LISTED, AFTER> {
    const TEXT: &'static str = match (LISTED, AFTER) {
        (true, false) => front!("", "task IN (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
        (true, true) => front!(
            " AND ((priority = ? AND id > ?) OR priority > ?)",
            "task IN (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        ),
        (false, false) => front!("", "JSON_CONTAINS(?, JSON_QUOTE(task))"),
        (false, true) => front!(
            " AND ((priority = ? AND id > ?) OR priority > ?)",
            "JSON_CONTAINS(?, JSON_QUOTE(task))"
        ),
    };
    type Binds = FrontBinds;
    type Row = ClaimColumns;
}

/// Marks the binds of [`Front`].
#[derive(Debug, Clone, Copy)]
pub(in crate::mysql) struct FrontBinds;

/// The values of [`Front`].
#[derive(Debug, Clone)]
pub(in crate::mysql) struct FrontValues<'a> {
    pub(in crate::mysql) queue: &'a str,
    pub(in crate::mysql) after: Option<(i16, DbId)>,
    pub(in crate::mysql) most_solo: i16,
    /// [`SLOTS`] names, or one JSON array.
    pub(in crate::mysql) tasks: Vec<&'a str>,
    pub(in crate::mysql) limit: i32,
}

impl BindAll<FrontBinds, Mysql> for FrontValues<'_> {
    fn bind_all<'b>(&'b self, mut out: AstPass<'_, 'b, Mysql>) -> QueryResult<()> {
        out.push_bind_param_value_only::<Text, _>(&self.queue)?;
        if let Some((priority, id)) = &self.after {
            out.push_bind_param_value_only::<SmallInt, _>(priority)?;
            out.push_bind_param_value_only::<TaskxId, _>(id)?;
            out.push_bind_param_value_only::<SmallInt, _>(priority)?;
        }
        out.push_bind_param_value_only::<SmallInt, _>(&self.most_solo)?;
        for task in &self.tasks {
            out.push_bind_param_value_only::<Text, _>(task)?;
        }
        out.push_bind_param_value_only::<Integer, _>(&self.limit)
    }
}
