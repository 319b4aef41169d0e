//! Claiming jobs.

use std::{borrow::Cow, sync::Arc};

use diesel::{
    QueryResult, RunQueryDsl, SqliteConnection,
    query_builder::{AstPass, QueryFragment, QueryId},
    sql_types::{BigInt, Integer, Nullable, SmallInt, Text},
    sqlite::Sqlite,
};
use taskx_core::{
    job::{ClaimedJob, WorkerId},
    store::Claim,
};
use uuid::Uuid;

use crate::{
    rows::{ClaimRow, json_text},
    schema::sql_types::{TaskxId, TaskxTime},
    statement::{Sql, statement},
    values::{DbId, DbTime},
};

/// The SQL types of a [`ClaimRow`].
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

statement! {
    /// One row if the worker may claim from the queue: its row is not ended, nobody paused it.
    Gate(owner: TaskxId, queue: Text) -> Integer =
        "SELECT 1 FROM taskx_workers WHERE id = ?1 AND ended_at IS NULL
         AND NOT EXISTS (SELECT 1 FROM taskx_queues WHERE name = ?2 AND paused_at IS NOT NULL)";

    /// The first jobs of a queue, in the index's own order.
    Front(
        queue: Text, priority: SmallInt, id: TaskxId, tasks: Text, most_solo: SmallInt,
        limit: Integer,
    ) -> ClaimColumns =
        "SELECT id, fence, task, priority, attempt, max_attempts, payload, payload_format,
            inserted_at, run_at, crash_count, snooze_count, solo, cancel_requested_at,
            tags, meta, trace, task_version, parent_id, batch_id, schedule_id, slot, expires_at,
            unique_key, concurrency_key, tenant
         FROM taskx_jobs INDEXED BY taskx_jobs_ready
         WHERE state = 0 AND queue = ?1 AND (priority, id) > (?2, ?3)
            AND task IN (SELECT value FROM json_each(?4)) AND solo <= ?5
         ORDER BY priority, id LIMIT ?6";
}

/// The jobs of one [`Take`].
const MANY: usize = 32;

/// Takes jobs that [`Front`] has just given: the transaction holds the only write lock, so they are
/// the same. Named by their ids each is found once; by the range that [`Front`] walked, SQLite finds
/// each to list it, and again to change it.
#[derive(Debug)]
struct Take<const N: usize> {
    owner: DbId,
    now: DbTime,
    ids: [DbId; N],
}

impl<const N: usize> QueryId for Take<N> {
    type QueryId = Self;

    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<const N: usize, Conn> RunQueryDsl<Conn> for Take<N> {}

impl<const N: usize> QueryFragment<Sqlite> for Take<N> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql(
            "UPDATE taskx_jobs NOT INDEXED
             SET fence = MIN(fence, 9223372036854775806) + 1,
                attempt = MIN(attempt, 2147483646) + 1, state = 1, owner = ?, claimed_at = ?
             WHERE state = 0 AND id IN (?",
        );
        (1..N).for_each(|_| out.push_sql(", ?"));
        out.push_sql(")");
        out.push_bind_param_value_only::<TaskxId, _>(&self.owner)?;
        out.push_bind_param_value_only::<TaskxTime, _>(&self.now)?;
        for id in &self.ids {
            out.push_bind_param_value_only::<TaskxId, _>(id)?;
        }
        Ok(())
    }
}

fn take(
    conn: &mut SqliteConnection,
    owner: DbId,
    now: DbTime,
    rows: &[ClaimRow],
) -> QueryResult<()> {
    let (many, few) = rows.as_chunks::<MANY>();
    for rows in many {
        Take { owner, now, ids: rows.each_ref().map(|row| row.id) }.execute(conn)?;
    }
    for row in few {
        Take { owner, now, ids: [row.id] }.execute(conn)?;
    }
    Ok(())
}

/// A [`Claim`] in the form of its binds.
#[derive(Debug)]
pub(super) struct Wanted {
    owner: WorkerId,
    queue: Cow<'static, str>,
    /// JSON array of the tasks' names.
    tasks: Arc<str>,
    limit: i32,
    after: (i16, DbId),
}

impl Wanted {
    pub(super) fn of(claim: &Claim) -> Self {
        Self {
            owner: claim.owner,
            queue: claim.queue.clone(),
            tasks: json_text(&*claim.tasks).into(),
            limit: i32::try_from(claim.limit.min(1_000)).unwrap_or(1_000),
            // Before every place that a job can have; no id is nil.
            after: claim
                .after
                .map_or((i16::MIN, DbId(Uuid::nil())), |(priority, id)| (priority, id.into())),
        }
    }

    fn front(&self, conn: &mut SqliteConnection, most_solo: i16) -> QueryResult<Vec<ClaimRow>> {
        let (priority, id) = self.after;
        Front::with((self.queue.as_ref(), priority, id, &*self.tasks, most_solo, self.limit))
            .load(conn)
    }
}

/// Whether a worker may claim from a queue.
pub(super) fn is_open(
    conn: &mut SqliteConnection,
    owner: WorkerId,
    queue: &str,
) -> QueryResult<bool> {
    let open: Vec<i32> = Gate::with((DbId::from(owner), queue)).load(conn)?;
    Ok(!open.is_empty())
}

/// Claims what is wanted, in the order (priority, id).
pub(super) fn claim(
    conn: &mut SqliteConnection,
    now: DbTime,
    wanted: &Wanted,
) -> QueryResult<Vec<ClaimedJob>> {
    let owner = DbId::from(wanted.owner);
    if !is_open(conn, wanted.owner, &wanted.queue)? {
        return Ok(Vec::new());
    }
    let mut rows = wanted.front(conn, 1)?;
    if rows.first().is_some_and(|row| row.solo != 0) {
        rows.truncate(1);
    } else if rows.iter().any(|row| row.solo != 0) {
        // Rare: again without them, so that a batch that could be full is.
        rows = wanted.front(conn, 0)?;
    }
    take(conn, owner, now, &rows)?;
    let claimed = rows.into_iter().map(|mut row| {
        row.fence = row.fence.saturating_add(1);
        row.attempt = row.attempt.saturating_add(1);
        row.into_claimed(wanted.owner, wanted.queue.clone())
    });
    Ok(claimed.collect())
}
