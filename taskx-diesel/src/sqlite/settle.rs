//! Settling attempts: what ends a job, and what brings it back.

use diesel::{
    OptionalExtension, QueryResult, RunQueryDsl,
    connection::LoadConnection,
    sql_types::{BigInt, Integer, Nullable, SmallInt, Text},
    sqlite::Sqlite,
};
use diesel_async::AsyncConnection;
use taskx_core::{
    job::{JobId, JobState},
    outcome::{ATTEMPTS_KEPT, Settlement},
    store::Settled,
};

use super::alike;
use crate::{
    schema::sql_types::{TaskxId, TaskxTime},
    settlement::{FailureRow, Place, Plan},
    statement::{Sql, statement},
    values::{DbId, DbTime},
};

statement! {
    /// Whether the claim still holds the job, and since when its cancellation is asked for.
    Held(id: TaskxId, owner: TaskxId, fence: BigInt) -> Nullable<TaskxTime> =
        "SELECT cancel_requested_at FROM taskx_jobs
         WHERE id = ? AND owner = ? AND fence = ? AND state = 1";

    /// Deletes a job that the claim holds.
    DeleteHeld(id: TaskxId, owner: TaskxId, fence: BigInt) =
        "DELETE FROM taskx_jobs WHERE id = ? AND owner = ? AND fence = ? AND state = 1";

    /// Copies a job that the claim holds into the history.
    KeepHeld(
        id: TaskxId, owner: TaskxId, fence: BigInt, state: SmallInt, reason: Nullable<Text>,
        result: Nullable<Text>, now: TaskxTime, keep: BigInt,
    ) =
        "INSERT OR REPLACE INTO taskx_history (id, queue, task, state, priority, attempt, max_attempts, fence,
            owner, payload, payload_format, task_version, inserted_at, run_at, claimed_at,
            crash_count, snooze_count, cancel_requested_at, progress, reason, tags, meta, trace,
            parent_id, batch_id, schedule_id, slot, expires_at, unique_key, concurrency_key,
            tenant, finished_at, result, prune_at)
         SELECT id, queue, task, ?4, priority, attempt, max_attempts, fence,
            owner, payload, payload_format, task_version, inserted_at, run_at, claimed_at,
            crash_count, snooze_count, cancel_requested_at, progress, ?5, tags, meta, trace,
            parent_id, batch_id, schedule_id, slot, expires_at, unique_key, concurrency_key,
            tenant, ?7, ?6, ?7 + ?8
         FROM taskx_jobs WHERE id = ?1 AND owner = ?2 AND fence = ?3 AND state = 1";

    /// Copies a job that no worker holds into the history.
    KeepWaiting(
        id: TaskxId, state: SmallInt, reason: Text, now: TaskxTime, keep: BigInt,
    ) =
        "INSERT OR REPLACE INTO taskx_history (id, queue, task, state, priority, attempt, max_attempts, fence,
            owner, payload, payload_format, task_version, inserted_at, run_at, claimed_at,
            crash_count, snooze_count, cancel_requested_at, progress, reason, tags, meta, trace,
            parent_id, batch_id, schedule_id, slot, expires_at, unique_key, concurrency_key,
            tenant, finished_at, prune_at)
         SELECT id, queue, task, ?2, priority, attempt, max_attempts, fence,
            owner, payload, payload_format, task_version, inserted_at, run_at, claimed_at,
            crash_count, snooze_count, cancel_requested_at, progress, ?3, tags, meta, trace,
            parent_id, batch_id, schedule_id, slot, expires_at, unique_key, concurrency_key,
            tenant, ?4, ?4 + ?5
         FROM taskx_jobs WHERE id = ?1 AND state <> 1";

    /// Deletes a live job.
    pub(super) Delete(id: TaskxId) = "DELETE FROM taskx_jobs WHERE id = ?";

    /// Brings a job back among those that wait. A delay of NULL leaves `run_at` as it is.
    BringBack(
        id: TaskxId, state: SmallInt, now: TaskxTime, wait: Nullable<BigInt>, reason: Nullable<Text>,
        uncounted: Integer, snoozed: Integer,
    ) =
        "UPDATE taskx_jobs SET state = ?2, owner = NULL,
            run_at = COALESCE(?3 + ?4, run_at), reason = COALESCE(?5, reason),
            attempt = MAX(attempt - ?6, 0), snooze_count = snooze_count + ?7
         WHERE id = ?1";

    /// Keeps a failed attempt of a job that is held.
    Fail(
        id: TaskxId, fence: BigInt, attempt: Integer, worker: TaskxId, now: TaskxTime,
        outcome: Text, error: Text, backtrace: Nullable<Text>,
    ) =
        "INSERT OR REPLACE INTO taskx_attempts
            (job_id, fence, attempt, worker, started_at, ended_at, outcome, error, backtrace)
         SELECT ?1, ?2, ?3, ?4, COALESCE(claimed_at, ?5), ?5, ?6, ?7, ?8
         FROM taskx_jobs WHERE id = ?1";

    /// Deletes all but the last attempts of a job.
    Trim(id: TaskxId, kept: Integer) =
        "DELETE FROM taskx_attempts WHERE job_id = ?1 AND fence <= (
            SELECT fence FROM taskx_attempts WHERE job_id = ?1
            ORDER BY fence DESC LIMIT 1 OFFSET ?2)";

    /// Deletes the attempts of a job.
    pub(super) Forget(id: TaskxId) = "DELETE FROM taskx_attempts WHERE job_id = ?";

    /// Whether the history holds the job as finished by this claim.
    Finished(id: TaskxId, owner: TaskxId, fence: BigInt) -> Integer =
        "SELECT 1 FROM taskx_history WHERE id = ? AND owner = ? AND fence = ?";

    /// Whether this claim brought the job back, and nobody has claimed it since.
    BroughtBack(id: TaskxId, fence: BigInt) -> Integer =
        "SELECT 1 FROM taskx_jobs WHERE id = ? AND fence = ? AND owner IS NULL AND state <> 1";
}

/// The most failed attempts of a job that are kept.
const KEPT: i32 = 10;
const _: () = assert!(KEPT as usize == ATTEMPTS_KEPT);

/// [`Fail`] with its values, for both kinds of connection.
macro_rules! fail_statement {
    ($now:expr, $settlement:expr, $failure:expr) => {
        Fail::with((
            DbId::from($settlement.id),
            $settlement.fence,
            $settlement.attempt,
            DbId::from($settlement.owner),
            $now,
            $failure.outcome,
            $failure.error.as_ref(),
            $failure.backtrace.as_deref(),
        ))
    };
}

/// [`BringBack`] with its values, for both kinds of connection.
macro_rules! bring_back_statement {
    ($now:expr, $id:expr, $reason:expr, $back:expr) => {
        BringBack::with((
            $id,
            $back.state.code(),
            $now,
            $back.wait,
            $reason,
            i32::from($back.uncounted),
            i32::from($back.snoozed),
        ))
    };
}

/// Settles a batch; the answers come in order, and a lost one changes nothing for the others.
pub(super) fn settle<C>(
    conn: &mut C,
    now: DbTime,
    batch: &[Settlement],
) -> QueryResult<Vec<Settled>>
where
    C: LoadConnection<Backend = Sqlite>,
{
    let alike = alike::settle(conn, now, batch)?;
    let each = batch.iter().zip(alike);
    each.map(|(settlement, is_settled)| match is_settled {
        true => Ok(Settled::Done),
        false => settle_one(conn, now, settlement),
    })
    .collect()
}

/// Settles one attempt.
pub(super) fn settle_one<C>(
    conn: &mut C,
    now: DbTime,
    settlement: &Settlement,
) -> QueryResult<Settled>
where
    C: LoadConnection<Backend = Sqlite>,
{
    let plan = Plan::of(settlement, false);
    // What finishes a job needs no look at the row: the write itself says whether it was held.
    let wrote = match (plan.place, &plan.failure) {
        (Place::Live(_), _) | (_, Some(_)) => slowly(conn, now, settlement)?,
        _ => finish(conn, now, settlement, &plan)?,
    };
    if wrote { Ok(Settled::Done) } else { unheld(conn, settlement) }
}

/// Writes what depends on the row as it is: whether its cancellation was asked for.
fn slowly<C>(conn: &mut C, now: DbTime, settlement: &Settlement) -> QueryResult<bool>
where
    C: LoadConnection<Backend = Sqlite>,
{
    let (id, owner) = (DbId::from(settlement.id), DbId::from(settlement.owner));
    let held: Option<Option<DbTime>> =
        Held::with((id, owner, settlement.fence)).get_result(conn).optional()?;
    let Some(cancel_requested) = held else { return Ok(false) };
    let plan = Plan::of(settlement, cancel_requested.is_some());
    if let Some(failure) = &plan.failure {
        fail(conn, now, settlement, failure)?;
    }
    let Place::Live(back) = plan.place else { return finish(conn, now, settlement, &plan) };
    bring_back_statement!(now, id, plan.reason.as_deref(), back).execute(conn)?;
    Ok(true)
}

/// Takes a job that is held out of the live ones; `false` if it is not held.
fn finish<C>(
    conn: &mut C,
    now: DbTime,
    settlement: &Settlement,
    plan: &Plan<'_>,
) -> QueryResult<bool>
where
    C: LoadConnection<Backend = Sqlite>,
{
    let (id, owner, fence) =
        (DbId::from(settlement.id), DbId::from(settlement.owner), settlement.fence);
    if let Place::History { state, keep } = plan.place {
        let (reason, result) = (plan.reason.as_deref(), plan.result);
        let values = (id, owner, fence, state.code(), reason, result, now, keep);
        return Ok(
            KeepHeld::with(values).execute(conn)? == 1 && Delete::with((id,)).execute(conn)? == 1
        );
    }
    if DeleteHeld::with((id, owner, fence)).execute(conn)? == 0 {
        return Ok(false);
    }
    // Only a job that was claimed before can have failed before; this claim may have failed just now.
    if fence > 1 || plan.failure.is_some() {
        Forget::with((id,)).execute(conn)?;
    }
    Ok(true)
}

fn fail<C>(
    conn: &mut C,
    now: DbTime,
    settlement: &Settlement,
    failure: &FailureRow<'_>,
) -> QueryResult<()>
where
    C: LoadConnection<Backend = Sqlite>,
{
    fail_statement!(now, settlement, failure).execute(conn)?;
    // A job's failures are fewer than its claims.
    if settlement.fence > i64::from(KEPT) {
        Trim::with((DbId::from(settlement.id), KEPT)).execute(conn)?;
    }
    Ok(())
}

/// What became of a job that the claim does not hold.
fn unheld<C>(conn: &mut C, settlement: &Settlement) -> QueryResult<Settled>
where
    C: LoadConnection<Backend = Sqlite>,
{
    let (id, owner, fence) =
        (DbId::from(settlement.id), DbId::from(settlement.owner), settlement.fence);
    let mut found: Vec<i32> = Finished::with((id, owner, fence)).load(conn)?;
    if found.is_empty() && comes_back(settlement) {
        found = BroughtBack::with((id, fence)).load(conn)?;
    }
    Ok(if found.is_empty() { Settled::Lost } else { Settled::Already })
}

/// Whether a settlement brings its job back among those that wait.
fn comes_back(settlement: &Settlement) -> bool {
    matches!(Plan::of(settlement, false).place, Place::Live(_))
}

/// [`settle_one`] for a connection of diesel-async.
pub(super) async fn settle_one_async<C>(
    conn: &mut C,
    now: DbTime,
    settlement: &Settlement,
) -> QueryResult<Settled>
where
    C: AsyncConnection<Backend = Sqlite>,
{
    use diesel_async::RunQueryDsl;

    let (id, owner, fence) =
        (DbId::from(settlement.id), DbId::from(settlement.owner), settlement.fence);
    let held = Held::with((id, owner, fence));
    let held: Vec<Option<DbTime>> = RunQueryDsl::load(held, conn).await?;
    let Some(cancel_requested) = held.into_iter().next() else {
        let mut found: Vec<i32> =
            RunQueryDsl::load(Finished::with((id, owner, fence)), conn).await?;
        if found.is_empty() && comes_back(settlement) {
            found = RunQueryDsl::load(BroughtBack::with((id, fence)), conn).await?;
        }
        return Ok(if found.is_empty() { Settled::Lost } else { Settled::Already });
    };
    let plan = Plan::of(settlement, cancel_requested.is_some());
    if let Some(failure) = &plan.failure {
        RunQueryDsl::execute(fail_statement!(now, settlement, failure), conn).await?;
        RunQueryDsl::execute(Trim::with((id, KEPT)), conn).await?;
    }
    match plan.place {
        Place::Live(back) => {
            let statement = bring_back_statement!(now, id, plan.reason.as_deref(), back);
            RunQueryDsl::execute(statement, conn).await?;
        }
        Place::History { state, keep } => {
            let (reason, result) = (plan.reason.as_deref(), plan.result);
            let values = (id, owner, fence, state.code(), reason, result, now, keep);
            RunQueryDsl::execute(KeepHeld::with(values), conn).await?;
            RunQueryDsl::execute(Delete::with((id,)), conn).await?;
        }
        Place::Gone => {
            RunQueryDsl::execute(DeleteHeld::with((id, owner, fence)), conn).await?;
            RunQueryDsl::execute(Forget::with((id,)), conn).await?;
        }
    }
    Ok(Settled::Done)
}

/// Moves a job that no worker holds into the history; `false` if there is none.
pub(super) fn finish_waiting<C>(
    conn: &mut C,
    now: DbTime,
    id: JobId,
    (state, keep): (JobState, i64),
    reason: &str,
) -> QueryResult<bool>
where
    C: LoadConnection<Backend = Sqlite>,
{
    let id = DbId::from(id);
    let moved = KeepWaiting::with((id, state.code(), reason, now, keep)).execute(conn)? == 1;
    if moved {
        Delete::with((id,)).execute(conn)?;
    }
    Ok(moved)
}
