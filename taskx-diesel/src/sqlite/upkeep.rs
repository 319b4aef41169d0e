//! What a worker does beside its jobs: promoting, parking, pruning; and time travel for tests.

use diesel::{
    QueryResult, RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Integer, Nullable, Text},
};
use taskx_core::store::{Promoted, Pruned};

use crate::{
    schema::sql_types::TaskxTime,
    settlement::micros,
    statement::{Sql, statement},
    values::DbTime,
};

statement! {
    /// How many of the first due jobs there are in each queue.
    Due(now: TaskxTime, limit: Integer) -> (Text, BigInt) =
        "SELECT queue, COUNT(*) FROM (
            SELECT queue FROM taskx_jobs INDEXED BY taskx_jobs_due
            WHERE state IN (2, 3) AND run_at <= ?1 ORDER BY run_at, id LIMIT ?2)
         GROUP BY queue";

    /// Makes the jobs of [`Due`] available.
    Promote(now: TaskxTime, limit: Integer) =
        "UPDATE taskx_jobs SET state = 0 WHERE id IN (
            SELECT id FROM taskx_jobs INDEXED BY taskx_jobs_due
            WHERE state IN (2, 3) AND run_at <= ?1 ORDER BY run_at, id LIMIT ?2)";

    NextDue() -> Nullable<TaskxTime> =
        "SELECT MIN(run_at) FROM taskx_jobs INDEXED BY taskx_jobs_due WHERE state IN (2, 3)";

    /// Parks what no live worker names, among the first available jobs of a queue.
    Park(queue: Text, limit: Integer) =
        "UPDATE taskx_jobs SET state = 4, reason = 'no live worker knows task `' || task || '`'
         WHERE id IN (
            SELECT id FROM taskx_jobs INDEXED BY taskx_jobs_ready
            WHERE state = 0 AND queue = ?1 ORDER BY priority, id LIMIT ?2)
         AND task NOT IN (
            SELECT named.task FROM taskx_worker_tasks AS named
            JOIN taskx_workers AS worker ON worker.id = named.worker
            WHERE worker.ended_at IS NULL)";

    PruneAttempts(now: TaskxTime, limit: Integer) =
        "DELETE FROM taskx_attempts WHERE job_id IN (
            SELECT id FROM taskx_history WHERE prune_at < ?1 ORDER BY prune_at, id LIMIT ?2)";

    PruneHistory(now: TaskxTime, limit: Integer) =
        "DELETE FROM taskx_history WHERE id IN (
            SELECT id FROM taskx_history WHERE prune_at < ?1 ORDER BY prune_at, id LIMIT ?2)";

    PruneSlots(before: TaskxTime, limit: Integer) =
        "DELETE FROM taskx_slots WHERE (schedule, slot) IN (
            SELECT schedule, slot FROM taskx_slots INDEXED BY taskx_slots_fired
            WHERE fired_at < ?1 ORDER BY fired_at LIMIT ?2)";

    TravelJobs(by: BigInt) =
        "UPDATE taskx_jobs SET inserted_at = inserted_at - ?1, run_at = run_at - ?1,
            claimed_at = claimed_at - ?1, cancel_requested_at = cancel_requested_at - ?1,
            slot = slot - ?1, expires_at = expires_at - ?1";
    TravelHistory(by: BigInt) =
        "UPDATE taskx_history SET inserted_at = inserted_at - ?1, run_at = run_at - ?1,
            claimed_at = claimed_at - ?1, cancel_requested_at = cancel_requested_at - ?1,
            slot = slot - ?1, expires_at = expires_at - ?1, finished_at = finished_at - ?1,
            prune_at = prune_at - ?1";
    TravelAttempts(by: BigInt) =
        "UPDATE taskx_attempts SET started_at = started_at - ?1, ended_at = ended_at - ?1";
    TravelWorkers(by: BigInt) =
        "UPDATE taskx_workers SET started_at = started_at - ?1, renewed_at = renewed_at - ?1,
            lease_until = lease_until - ?1, ended_at = ended_at - ?1";
    TravelTasks(by: BigInt) = "UPDATE taskx_tasks SET last_seen = last_seen - ?1";
    TravelQueues(by: BigInt) = "UPDATE taskx_queues SET paused_at = paused_at - ?1";
    TravelSchedules(by: BigInt) =
        "UPDATE taskx_schedules SET paused_at = paused_at - ?1, dropped_at = dropped_at - ?1,
            last_slot = last_slot - ?1, next_slot = next_slot - ?1, created_at = created_at - ?1";
    TravelSlots(by: BigInt) = "UPDATE taskx_slots SET slot = slot - ?1, fired_at = fired_at - ?1";
}

/// How long slot rows are kept. A schedule's own row remembers its last slot for ever.
const SLOTS_KEPT: chrono::Duration = chrono::Duration::days(30);

/// Makes due jobs available.
pub(super) fn promote(
    conn: &mut SqliteConnection,
    now: DbTime,
    limit: u32,
) -> QueryResult<Promoted> {
    let limit = rows(limit);
    let due: Vec<(String, i64)> = Due::with((now, limit)).load(conn)?;
    let mut promoted = Promoted::default();
    if !due.is_empty() {
        promoted.count = Promote::with((now, limit)).execute(conn)?;
        promoted.queues = due.into_iter().map(|(queue, _)| queue).collect();
    }
    let next: Option<DbTime> = NextDue::with(()).get_result(conn)?;
    promoted.next_due = next.map(|next| (next.0 - now.0).to_std().unwrap_or_default());
    Ok(promoted)
}

/// Parks available jobs that no live worker can run.
pub(super) fn park_unknown(
    conn: &mut SqliteConnection,
    queue: &str,
    limit: u32,
) -> QueryResult<usize> {
    Park::with((queue, rows(limit))).execute(conn)
}

/// Deletes what has been kept long enough.
pub(super) fn prune(conn: &mut SqliteConnection, now: DbTime, limit: u32) -> QueryResult<Pruned> {
    PruneAttempts::with((now, rows(limit))).execute(conn)?;
    let jobs = PruneHistory::with((now, rows(limit))).execute(conn)?;
    let slots = PruneSlots::with((DbTime(now.0 - SLOTS_KEPT), rows(limit))).execute(conn)?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    Ok(Pruned { jobs, more: jobs >= limit || slots >= limit })
}

/// Moves every time back.
pub(super) fn travel(conn: &mut SqliteConnection, by: std::time::Duration) -> QueryResult<()> {
    let by = (micros(by),);
    TravelJobs::with(by).execute(conn)?;
    TravelHistory::with(by).execute(conn)?;
    TravelAttempts::with(by).execute(conn)?;
    TravelWorkers::with(by).execute(conn)?;
    TravelTasks::with(by).execute(conn)?;
    TravelQueues::with(by).execute(conn)?;
    TravelSchedules::with(by).execute(conn)?;
    TravelSlots::with(by).execute(conn).map(drop)
}

fn rows(limit: u32) -> i32 {
    i32::try_from(limit).unwrap_or(i32::MAX)
}
