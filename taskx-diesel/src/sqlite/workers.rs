//! Worker rows: made, renewed, ended; and their jobs taken back.

use std::collections::HashSet;

use diesel::{
    OptionalExtension, QueryResult, RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Integer, Nullable, SmallInt, Text},
};
use taskx_core::{
    job::{JobId, JobState, WorkerId},
    outcome::{DEAD_RETENTION, FINISHED_RETENTION},
    store::{NewWorker, Renewal, Renewed, Rescued, Suspect},
};

use super::settle::finish_waiting;
use crate::{
    rows::{json_text, running_ids},
    schema::sql_types::{TaskxId, TaskxTime},
    settlement::{CANCELLED_WHILE_RUNNING, micros},
    statement::{Sql, statement},
    values::{DbId, DbTime},
};

statement! {
    AddWorker(
        id: TaskxId, service: Text, host: Text, pid: Integer, version: Text, now: TaskxTime,
        lease: BigInt,
    ) =
        "INSERT OR IGNORE INTO taskx_workers
            (id, service, host, pid, version, started_at, renewed_at, lease_until)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?6 + ?7)";

    AddWorkerTask(worker: TaskxId, task: Text) =
        "INSERT OR IGNORE INTO taskx_worker_tasks (worker, task) VALUES (?, ?)";

    /// What is told of a task; an older program's words do not replace a newer one's.
    AddTask(name: Text, owner: Text, arguments: Text, version: Integer, now: TaskxTime) =
        "INSERT INTO taskx_tasks (name, owner, arguments, version, last_seen)
         VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (name) DO UPDATE SET
            owner = CASE WHEN excluded.version >= version THEN excluded.owner ELSE owner END,
            arguments = CASE WHEN excluded.version >= version
                THEN excluded.arguments ELSE arguments END,
            version = MAX(excluded.version, version),
            last_seen = excluded.last_seen";

    Unpark(task: Text) =
        "UPDATE taskx_jobs INDEXED BY taskx_jobs_parked SET state = 0, reason = NULL
         WHERE state = 4 AND task = ?";

    Renew(id: TaskxId, now: TaskxTime, lease: BigInt, running: Text) =
        "UPDATE taskx_workers SET renewed_at = ?2, lease_until = ?2 + ?3, running = ?4
         WHERE id = ?1 AND ended_at IS NULL";

    SetProgress(id: TaskxId, owner: TaskxId, fence: BigInt, progress: Text) =
        "UPDATE taskx_jobs SET progress = ?4
         WHERE id = ?1 AND owner = ?2 AND fence = ?3 AND state = 1";

    /// Who holds a running job whose cancellation was asked for.
    CancelOwner(id: TaskxId) -> Nullable<TaskxId> =
        "SELECT owner FROM taskx_jobs
         WHERE id = ? AND state = 1 AND cancel_requested_at IS NOT NULL";

    /// Every worker row, as a suspect.
    Workers() -> (TaskxId, TaskxTime, TaskxTime, Nullable<TaskxTime>, SmallInt) =
        "SELECT id, renewed_at, lease_until, ended_at, presence FROM taskx_workers";

    SetPresence(id: TaskxId) = "UPDATE taskx_workers SET presence = 1 WHERE id = ?";

    /// Ends a row, unless it was renewed since it was looked at.
    EndSuspect(id: TaskxId, now: TaskxTime, renewed_at: TaskxTime) =
        "UPDATE taskx_workers SET ended_at = COALESCE(ended_at, ?2)
         WHERE id = ?1 AND (renewed_at = ?3 OR ended_at IS NOT NULL)";

    EndWorker(id: TaskxId, now: TaskxTime) =
        "UPDATE taskx_workers SET ended_at = COALESCE(ended_at, ?2) WHERE id = ?1";

    Running(id: TaskxId) -> Nullable<Text> = "SELECT running FROM taskx_workers WHERE id = ?";

    /// The jobs that a worker holds. No index serves it: one on `owner` would cost every claim
    /// and every settle, and this is asked once a worker, by a reader. Those that run alone come
    /// last, so that a rescue that was broken off still finds whom to blame.
    HeldBy(owner: TaskxId) -> (TaskxId, SmallInt) =
        "SELECT id, solo FROM taskx_jobs WHERE owner = ? AND state = 1 ORDER BY solo";

    /// A job that a worker holds: queue, crash count, whether it runs alone, whether cancelled.
    HeldJob(id: TaskxId, owner: TaskxId) -> (Text, Integer, SmallInt, Nullable<TaskxTime>) =
        "SELECT queue, crash_count, solo, cancel_requested_at FROM taskx_jobs
         WHERE id = ? AND owner = ? AND state = 1";

    /// Gives a job back: the attempt does not count.
    GiveBack(id: TaskxId, crash_count: Integer, solo: SmallInt) =
        "UPDATE taskx_jobs SET state = 0, owner = NULL, attempt = MAX(attempt - 1, 0),
            crash_count = ?2, solo = ?3
         WHERE id = ?1";

    /// Gives a job back that was not there when a process died.
    Release(id: TaskxId, owner: TaskxId) =
        "UPDATE taskx_jobs SET state = 0, owner = NULL, attempt = MAX(attempt - 1, 0)
         WHERE id = ?1 AND owner = ?2 AND state = 1";

    RemoveWorker(id: TaskxId) = "DELETE FROM taskx_workers WHERE id = ?";

    RemoveWorkerTasks(worker: TaskxId) = "DELETE FROM taskx_worker_tasks WHERE worker = ?";
}

/// Jobs of a dead or retired worker that one transaction takes back.
pub(super) const PORTION: usize = 1_000;

/// Makes a worker row, and brings parked jobs of its tasks back.
pub(super) fn register(
    conn: &mut SqliteConnection,
    now: DbTime,
    worker: &NewWorker,
) -> QueryResult<()> {
    let id = DbId::from(worker.id);
    AddWorker::with((
        id,
        &worker.service,
        &worker.host,
        worker.pid,
        &worker.version,
        now,
        micros(worker.lease),
    ))
    .execute(conn)?;
    for task in &worker.tasks {
        AddWorkerTask::with((id, &task.name)).execute(conn)?;
        AddTask::with((&task.name, &task.owner, &task.arguments, task.version, now))
            .execute(conn)?;
        Unpark::with((&task.name,)).execute(conn)?;
    }
    Ok(())
}

/// Renews leases, writes progress, and tells whose cancellation was asked for.
pub(super) fn renew(
    conn: &mut SqliteConnection,
    now: DbTime,
    renewal: &Renewal,
) -> QueryResult<Renewed> {
    let running = json_text(&renewal.running);
    let mut renewed = Renewed::default();
    for &worker in &renewal.workers {
        let values = (DbId::from(worker), now, micros(renewal.lease), &running);
        if Renew::with(values).execute(conn)? == 1 {
            renewed.alive.push(worker);
        }
    }
    for progress in &renewal.progress {
        let (id, owner) = (DbId::from(progress.id), DbId::from(progress.owner));
        SetProgress::with((id, owner, progress.fence, &progress.text)).execute(conn)?;
    }
    for &job in &renewal.running {
        let owner: Option<Option<DbId>> =
            CancelOwner::with((DbId::from(job),)).get_result(conn).optional()?;
        let owner = owner.flatten().map(WorkerId::from);
        if owner.is_some_and(|owner| renewal.workers.contains(&owner)) {
            renewed.cancelled.push(job);
        }
    }
    Ok(renewed)
}

/// A worker row that is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    /// Absent where the row was ended: by a rescue or a retirement that did not come to its end.
    pub(super) suspect: Suspect,
    /// Whether it has held its presence lock.
    pub(super) presence: bool,
}

/// Every worker row but `besides`.
pub(super) fn candidates(
    conn: &mut SqliteConnection,
    now: DbTime,
    besides: &[WorkerId],
) -> QueryResult<Vec<Candidate>> {
    let rows: Vec<(DbId, DbTime, DbTime, Option<DbTime>, i16)> = Workers::with(()).load(conn)?;
    let candidates = rows.into_iter().map(|(id, renewed_at, lease_until, ended_at, presence)| {
        let suspect = Suspect {
            id: id.into(),
            renewed_at: renewed_at.0,
            lease_until: lease_until.0,
            now: now.0,
            is_absent: ended_at.is_some(),
        };
        Candidate { suspect, presence: presence != 0 }
    });
    Ok(candidates.filter(|candidate| !besides.contains(&candidate.suspect.id)).collect())
}

/// Notes that a worker row holds its presence lock.
pub(super) fn set_presence(conn: &mut SqliteConnection, worker: WorkerId) -> QueryResult<()> {
    SetPresence::with((DbId::from(worker),)).execute(conn).map(drop)
}

/// Ends the row of a suspect, so that it claims nothing more; answers what it was executing, or
/// `None` if the row is gone or was renewed.
pub(super) fn end_suspect(
    conn: &mut SqliteConnection,
    now: DbTime,
    suspect: &Suspect,
) -> QueryResult<Option<HashSet<JobId>>> {
    let id = DbId::from(suspect.id);
    if EndSuspect::with((id, now, DbTime(suspect.renewed_at))).execute(conn)? == 0 {
        return Ok(None);
    }
    let running: Option<String> = Running::with((id,)).get_result(conn)?;
    let running = running_ids(running.as_deref()).unwrap_or_default();
    Ok(Some(running.into_iter().collect()))
}

/// Ends a row in good order.
pub(super) fn end(conn: &mut SqliteConnection, now: DbTime, worker: WorkerId) -> QueryResult<()> {
    EndWorker::with((DbId::from(worker), now)).execute(conn).map(drop)
}

/// The jobs that a worker holds, and whether each is to run alone.
pub(super) fn held_by(
    conn: &mut SqliteConnection,
    worker: WorkerId,
) -> QueryResult<Vec<(JobId, bool)>> {
    let rows: Vec<(DbId, i16)> = HeldBy::with((DbId::from(worker),)).load(conn)?;
    Ok(rows.into_iter().map(|(id, solo)| (id.into(), solo != 0)).collect())
}

/// What a rescue goes by.
#[derive(Debug, Clone)]
pub(super) struct Rescue {
    pub(super) worker: WorkerId,
    /// What it was executing at its last renewal.
    pub(super) running: HashSet<JobId>,
    /// Of those, what ran alone, and so is to blame.
    pub(super) alone: HashSet<JobId>,
    /// The crash count at which a job that is to blame is set aside.
    pub(super) crash_limit: i32,
}

impl Rescue {
    /// Takes a portion of the dead worker's jobs back. Jobs that are no longer its own are passed
    /// over, so that a repeated rescue only finishes what was begun.
    pub(super) fn take_back(
        &self,
        conn: &mut SqliteConnection,
        now: DbTime,
        portion: &[JobId],
    ) -> QueryResult<Vec<Rescued>> {
        let mut rescued = Vec::with_capacity(portion.len());
        for &id in portion {
            let keys = (DbId::from(id), DbId::from(self.worker));
            let held: Option<(String, i32, i16, Option<DbTime>)> =
                HeldJob::with(keys).get_result(conn).optional()?;
            let Some((queue, crash_count, solo, cancel_requested)) = held else { continue };
            let quarantined = self.take_one(conn, now, id, crash_count, solo, cancel_requested)?;
            rescued.push(Rescued { id, queue, quarantined });
        }
        Ok(rescued)
    }

    /// Takes one job back; answers whether it was quarantined.
    fn take_one(
        &self,
        conn: &mut SqliteConnection,
        now: DbTime,
        id: JobId,
        crash_count: i32,
        solo: i16,
        cancel_requested: Option<DbTime>,
    ) -> QueryResult<bool> {
        let blamed = self.alone.contains(&id);
        let suspected = self.alone.is_empty();
        let crashes = crash_count.saturating_add(i32::from(blamed || suspected));
        // Suspected is what was executing, and what was beside it twice.
        let solo = match suspected {
            true => i16::from(self.running.contains(&id) || crashes >= 2),
            false => solo,
        };
        GiveBack::with((DbId::from(id), crashes, solo)).execute(conn)?;
        if cancel_requested.is_some() {
            let end = (JobState::Cancelled, micros(FINISHED_RETENTION));
            finish_waiting(conn, now, id, end, CANCELLED_WHILE_RUNNING)?;
            return Ok(false);
        }
        if blamed && crashes >= self.crash_limit {
            let end = (JobState::Quarantined, micros(DEAD_RETENTION));
            let reason = format!("its process died {crashes} times while it ran");
            return finish_waiting(conn, now, id, end, &reason);
        }
        Ok(false)
    }
}

/// Gives a portion of a worker's jobs back; answers how many were its own.
pub(super) fn release(
    conn: &mut SqliteConnection,
    now: DbTime,
    worker: WorkerId,
    portion: &[JobId],
) -> QueryResult<usize> {
    let mut released = 0;
    for &id in portion {
        let keys = (DbId::from(id), DbId::from(worker));
        let held: Option<(String, i32, i16, Option<DbTime>)> =
            HeldJob::with(keys).get_result(conn).optional()?;
        let Some((.., cancel_requested)) = held else { continue };
        released += Release::with(keys).execute(conn)?;
        if cancel_requested.is_some() {
            let end = (JobState::Cancelled, micros(FINISHED_RETENTION));
            finish_waiting(conn, now, id, end, CANCELLED_WHILE_RUNNING)?;
        }
    }
    Ok(released)
}

/// Removes a worker row with its task list.
pub(super) fn remove(conn: &mut SqliteConnection, worker: WorkerId) -> QueryResult<()> {
    let id = DbId::from(worker);
    RemoveWorkerTasks::with((id,)).execute(conn)?;
    RemoveWorker::with((id,)).execute(conn).map(drop)
}
