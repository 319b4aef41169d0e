//! What operators change: on the writer's connection. Ids are dealt with one by one, so that one
//! that is gone or running changes nothing for the others.

use diesel::{
    ExpressionMethods, OptionalExtension, QueryDsl, QueryResult, RunQueryDsl, SqliteConnection,
    sql_types::{SmallInt, Text},
};
use taskx_core::{
    inspect::{Actor, Cancelled},
    job::{JobId, JobState},
    outcome::{DEAD_RETENTION, FINISHED_RETENTION},
};

use super::settle::{Forget, finish_waiting};
use crate::{
    schema::{
        sql_types::{TaskxId, TaskxTime},
        taskx_history, taskx_jobs,
    },
    settlement::{cut, micros},
    statement::{Sql, statement},
    values::{DbId, DbTime},
};

statement! {
    State(id: TaskxId) -> SmallInt = "SELECT state FROM taskx_jobs WHERE id = ?";
    FinishedState(id: TaskxId) -> SmallInt = "SELECT state FROM taskx_history WHERE id = ?";

    AskToStop(id: TaskxId, now: TaskxTime) =
        "UPDATE taskx_jobs SET cancel_requested_at = COALESCE(cancel_requested_at, ?2)
         WHERE id = ?1 AND state = 1";

    /// Makes a finished job live again: same id, the fence goes on, all else begins anew.
    Redrive(id: TaskxId, now: TaskxTime) =
        "INSERT INTO taskx_jobs (id, queue, task, state, priority, attempt, max_attempts, fence,
            payload, payload_format, task_version, inserted_at, run_at, tags, meta, trace,
            parent_id, batch_id, schedule_id, slot, expires_at, unique_key, concurrency_key,
            tenant)
         SELECT id, queue, task, 0, priority, 0, max_attempts, fence,
            payload, payload_format, task_version, inserted_at, ?2, tags, meta, trace,
            parent_id, batch_id, schedule_id, slot, expires_at, unique_key, concurrency_key,
            tenant
         FROM taskx_history WHERE id = ?1 AND state IN (11, 12, 13)
         ON CONFLICT DO NOTHING";

    RemoveFinished(id: TaskxId) = "DELETE FROM taskx_history WHERE id = ?";

    /// Makes a job that waits for something available; the reason of a parked one is past.
    MakeAvailable(id: TaskxId, now: TaskxTime) =
        "UPDATE taskx_jobs SET state = 0, run_at = ?2,
            reason = CASE WHEN state = 4 THEN NULL ELSE reason END
         WHERE id = ?1 AND state IN (2, 3, 4)";

    RemoveWaiting(id: TaskxId) = "DELETE FROM taskx_jobs WHERE id = ? AND state <> 1";

    Pause(name: Text, now: TaskxTime, by: Text, reason: Text) =
        "INSERT INTO taskx_queues (name, paused_at, paused_by, reason) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (name) DO UPDATE SET
            paused_at = COALESCE(paused_at, excluded.paused_at),
            paused_by = excluded.paused_by, reason = excluded.reason";

    Resume(name: Text) =
        "UPDATE taskx_queues SET paused_at = NULL, paused_by = NULL, reason = NULL
         WHERE name = ? AND paused_at IS NOT NULL";
}

/// Cancels a job, or asks a running one to stop.
pub(super) fn cancel(
    conn: &mut SqliteConnection,
    now: DbTime,
    id: JobId,
    by: &Actor,
) -> QueryResult<Cancelled> {
    let key = DbId::from(id);
    let state: Option<i16> = State::with((key,)).get_result(conn).optional()?;
    match state {
        Some(state) if state == JobState::Running.code() => {
            AskToStop::with((key, now)).execute(conn)?;
            Ok(Cancelled::Requested)
        }
        Some(_) => {
            let end = (JobState::Cancelled, micros(FINISHED_RETENTION));
            finish_waiting(conn, now, id, end, &cut(&format!("cancelled by {}", by.0)))?;
            Ok(Cancelled::Cancelled)
        }
        None => {
            let finished: Option<i16> = FinishedState::with((key,)).get_result(conn).optional()?;
            Ok(finished.map_or(Cancelled::NotFound, |_| Cancelled::AlreadyFinished))
        }
    }
}

/// Makes jobs available again; answers how many changed.
pub(super) fn retry(conn: &mut SqliteConnection, now: DbTime, ids: &[JobId]) -> QueryResult<usize> {
    let mut changed = 0;
    for &id in ids {
        let id = DbId::from(id);
        let redriven = Redrive::with((id, now)).execute(conn)?;
        if redriven == 1 {
            RemoveFinished::with((id,)).execute(conn)?;
        }
        changed += redriven + MakeAvailable::with((id, now)).execute(conn)?;
    }
    Ok(changed)
}

/// Ends waiting jobs as discarded; answers how many.
pub(super) fn discard(
    conn: &mut SqliteConnection,
    now: DbTime,
    ids: &[JobId],
    reason: &str,
) -> QueryResult<usize> {
    let end = (JobState::Discarded, micros(DEAD_RETENTION));
    let mut changed = 0;
    for &id in ids {
        changed += usize::from(finish_waiting(conn, now, id, end, &cut(reason))?);
    }
    Ok(changed)
}

/// Removes jobs that are not running; answers how many.
pub(super) fn delete(conn: &mut SqliteConnection, ids: &[JobId]) -> QueryResult<usize> {
    let mut changed = 0;
    for &id in ids {
        let id = (DbId::from(id),);
        let removed =
            RemoveWaiting::with(id).execute(conn)? + RemoveFinished::with(id).execute(conn)?;
        if removed > 0 {
            Forget::with(id).execute(conn)?;
        }
        changed += removed.min(1);
    }
    Ok(changed)
}

/// Replaces the payload of a job that is neither running nor completed.
pub(super) fn edit_payload(
    conn: &mut SqliteConnection,
    id: JobId,
    payload: &str,
) -> QueryResult<bool> {
    let id = DbId::from(id);
    let live = taskx_jobs::table.find(id).filter(taskx_jobs::state.ne(JobState::Running.code()));
    let finished =
        taskx_history::table.find(id).filter(taskx_history::state.ne(JobState::Completed.code()));
    let changed = diesel::update(live).set(taskx_jobs::payload.eq(payload)).execute(conn)?
        + diesel::update(finished).set(taskx_history::payload.eq(payload)).execute(conn)?;
    Ok(changed > 0)
}

/// Pauses a queue; one that is paused keeps its time.
pub(super) fn pause(
    conn: &mut SqliteConnection,
    now: DbTime,
    queue: &str,
    reason: &str,
    by: &Actor,
) -> QueryResult<()> {
    Pause::with((queue, now, &by.0, cut(reason).as_ref())).execute(conn).map(drop)
}

/// Ends a pause; answers whether there was one.
pub(super) fn resume(conn: &mut SqliteConnection, queue: &str) -> QueryResult<bool> {
    Resume::with((queue,)).execute(conn).map(|changed| changed > 0)
}
