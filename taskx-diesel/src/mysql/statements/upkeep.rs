//! Upkeep and operators: promote, park, prune, cancel, retry, travel.

use diesel::sql_types::{BigInt, Integer, Nullable, SmallInt, Text};

use super::ids;
use crate::{
    schema::sql_types::{TaskxId, TaskxTime},
    statement::statement,
};

statement! {
    pub(in crate::mysql) Now() -> TaskxTime = "SELECT UTC_TIMESTAMP(6)";

    /// The jobs that have been due longest, locked.
    pub(in crate::mysql) Due(limit: Integer) -> (TaskxId, Text) =
        "SELECT id, queue FROM taskx_jobs FORCE INDEX (taskx_jobs_due)
         WHERE due_at <= UTC_TIMESTAMP(6) ORDER BY due_at LIMIT ? FOR UPDATE SKIP LOCKED";

    pub(in crate::mysql) Promote(ids: Text) = concat!(
        "UPDATE ", ids!(), " STRAIGHT_JOIN taskx_jobs j FORCE INDEX (PRIMARY) ON j.id = UNHEX(s.id) SET j.state = 0"
    );

    /// How many microseconds until the next job is due; no row if none waits. For a `MIN(due_at)` with
    /// this condition MariaDB reads every job that is due later.
    pub(in crate::mysql) NextDue() -> BigInt =
        "SELECT TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(6), due_at)
         FROM taskx_jobs FORCE INDEX (taskx_jobs_due)
         WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1";

    /// The first available jobs of a queue, with their tasks.
    pub(in crate::mysql) FirstTasks(queue: Text, limit: Integer) -> (TaskxId, Text) =
        "SELECT id, task FROM taskx_jobs FORCE INDEX (taskx_jobs_ready)
         WHERE state = 0 AND queue = ? ORDER BY priority, id LIMIT ?";

    /// The tasks that live workers name.
    pub(in crate::mysql) KnownTasks() -> Text =
        "SELECT DISTINCT t.task FROM taskx_workers w
         JOIN taskx_worker_tasks t ON t.worker = w.id
         WHERE w.ended_at IS NULL";

    pub(in crate::mysql) Park(ids: Text) = concat!(
        "UPDATE ", ids!(), " STRAIGHT_JOIN taskx_jobs j FORCE INDEX (PRIMARY) ON j.id = UNHEX(s.id)
         SET j.reason = CONCAT('no live worker knows task `', j.task, '`'), j.state = 4
         WHERE j.state = 0"
    );

    /// Finished jobs whose time is over, locked.
    pub(in crate::mysql) Past(limit: Integer) -> TaskxId =
        "SELECT id FROM taskx_history WHERE prune_at < UTC_TIMESTAMP(6)
         ORDER BY prune_at LIMIT ? FOR UPDATE SKIP LOCKED";

    pub(in crate::mysql) DeleteFinished(ids: Text) = concat!(
        "DELETE h FROM ", ids!(), " STRAIGHT_JOIN taskx_history h FORCE INDEX (PRIMARY) ON h.id = UNHEX(s.id)"
    );

    /// Old slots, which no schedule's position can come back to.
    pub(in crate::mysql) PruneSlots(limit: Integer) =
        "DELETE FROM taskx_slots WHERE fired_at < UTC_TIMESTAMP(6) - INTERVAL 30 DAY LIMIT ?";

    /// Locks jobs and tells their states.
    pub(in crate::mysql) States(ids: Text) -> (TaskxId, SmallInt) = concat!(
        "SELECT j.id, j.state FROM ", ids!(), " STRAIGHT_JOIN taskx_jobs j FORCE INDEX (PRIMARY) ON j.id = UNHEX(s.id)
         FOR UPDATE"
    );

    /// Locks finished jobs and tells their states.
    pub(in crate::mysql) FinishedStates(ids: Text) -> (TaskxId, SmallInt) = concat!(
        "SELECT h.id, h.state
         FROM ", ids!(), " STRAIGHT_JOIN taskx_history h FORCE INDEX (PRIMARY) ON h.id = UNHEX(s.id) FOR UPDATE"
    );

    pub(in crate::mysql) AskToStop(id: TaskxId) =
        "UPDATE taskx_jobs
         SET cancel_requested_at = COALESCE(cancel_requested_at, UTC_TIMESTAMP(6))
         WHERE id = ? AND state = 1";

    /// Makes jobs that wait for something available; the reason of a parked one is past.
    pub(in crate::mysql) MakeAvailable(ids: Text) = concat!(
        "UPDATE ", ids!(), " STRAIGHT_JOIN taskx_jobs j FORCE INDEX (PRIMARY) ON j.id = UNHEX(s.id)
         SET j.reason = IF(j.state = 4, NULL, j.reason), j.run_at = UTC_TIMESTAMP(6), j.state = 0
         WHERE j.state IN (2, 3, 4)"
    );

    /// Makes finished jobs live again: same id, the fence goes on, all else begins anew.
    pub(in crate::mysql) Redrive(ids: Text) = concat!(
        "INSERT INTO taskx_jobs (id, queue, task, state, priority, attempt, max_attempts, fence,
            payload, payload_format, task_version, inserted_at, run_at, tags, meta, trace,
            parent_id, batch_id, schedule_id, slot, expires_at, unique_key, concurrency_key,
            tenant)
         SELECT h.id, h.queue, h.task, 0, h.priority, 0, h.max_attempts, h.fence,
            h.payload, h.payload_format, h.task_version, h.inserted_at, UTC_TIMESTAMP(6), h.tags,
            h.meta, h.trace, h.parent_id, h.batch_id, h.schedule_id, h.slot, h.expires_at,
            h.unique_key, h.concurrency_key, h.tenant
         FROM ", ids!(), " STRAIGHT_JOIN taskx_history h FORCE INDEX (PRIMARY) ON h.id = UNHEX(s.id)"
    );

    pub(in crate::mysql) EditLive(payload: Text, id: TaskxId) =
        "UPDATE taskx_jobs SET payload = ? WHERE id = ? AND state <> 1";

    pub(in crate::mysql) EditFinished(payload: Text, id: TaskxId) =
        "UPDATE taskx_history SET payload = ? WHERE id = ? AND state <> 10";

    /// Pauses a queue; one that is paused keeps its time.
    pub(in crate::mysql) Pause(name: Text, by: Text, reason: Text, by2: Text, reason2: Text) =
        "INSERT INTO taskx_queues (name, paused_at, paused_by, reason)
         VALUES (?, UTC_TIMESTAMP(6), ?, ?)
         ON DUPLICATE KEY UPDATE paused_at = COALESCE(paused_at, UTC_TIMESTAMP(6)),
            paused_by = ?, reason = ?";

    pub(in crate::mysql) Resume(name: Text) =
        "UPDATE taskx_queues SET paused_at = NULL, paused_by = NULL, reason = NULL
         WHERE name = ? AND paused_at IS NOT NULL";

    /// For how many microseconds the oldest available job of a queue has been due.
    pub(in crate::mysql) OldestWait(queue: Text) -> Nullable<BigInt> =
        "SELECT TIMESTAMPDIFF(MICROSECOND, MIN(run_at), UTC_TIMESTAMP(6))
         FROM taskx_jobs FORCE INDEX (taskx_jobs_ready) WHERE state = 0 AND queue = ?";
}

statement! {
    /// The server's version: `10.11.6-MariaDB-0+deb12u1`.
    pub(in crate::mysql) Version() -> Text = "SELECT VERSION()";

    /// Our tables: name, rows by the server's estimate, bytes of the rows and of the indexes.
    pub(in crate::mysql) Sizes() -> (Text, Nullable<BigInt>, Nullable<BigInt>, Nullable<BigInt>) =
        "SELECT table_name, CAST(table_rows AS SIGNED), CAST(data_length AS SIGNED),
            CAST(index_length AS SIGNED)
         FROM information_schema.tables
         WHERE table_schema = DATABASE() AND table_name LIKE 'taskx\\_%'";

    /// Our tables, columns and indexes: `taskx_jobs`, `taskx_jobs.id`, `taskx_jobs_ready`.
    pub(in crate::mysql) Objects() -> Text =
        "SELECT table_name FROM information_schema.tables
         WHERE table_schema = DATABASE() AND table_name LIKE 'taskx\\_%'
         UNION ALL
         SELECT CONCAT(table_name, '.', column_name) FROM information_schema.columns
         WHERE table_schema = DATABASE() AND table_name LIKE 'taskx\\_%'
         UNION ALL
         SELECT DISTINCT index_name FROM information_schema.statistics
         WHERE table_schema = DATABASE() AND table_name LIKE 'taskx\\_%'";

    /// For how many microseconds the oldest transaction has been open. InnoDB tells its times in
    /// the zone of the server's system.
    pub(in crate::mysql) OldestSnapshot() -> Nullable<BigInt> =
        "SELECT TIMESTAMPDIFF(MICROSECOND, CONVERT_TZ(MIN(trx_started), 'SYSTEM', '+00:00'),
            UTC_TIMESTAMP(6))
         FROM information_schema.innodb_trx WHERE trx_mysql_thread_id <> CONNECTION_ID()";
}

statement! {
    /// Sets by how much [`TRAVEL`] moves.
    pub(in crate::mysql) TravelBy(micros: BigInt) = "SET @taskx_by = ?";
}

/// For tests: moves every time back by `@taskx_by` microseconds. Slots go in their own order, so
/// that none is moved onto the place of one that has not moved yet.
pub(in crate::mysql) const TRAVEL: [&str; 9] = [
    "UPDATE taskx_jobs SET inserted_at = inserted_at - INTERVAL @taskx_by MICROSECOND,
        run_at = run_at - INTERVAL @taskx_by MICROSECOND,
        claimed_at = claimed_at - INTERVAL @taskx_by MICROSECOND,
        cancel_requested_at = cancel_requested_at - INTERVAL @taskx_by MICROSECOND,
        slot = slot - INTERVAL @taskx_by MICROSECOND,
        expires_at = expires_at - INTERVAL @taskx_by MICROSECOND",
    "UPDATE taskx_history SET inserted_at = inserted_at - INTERVAL @taskx_by MICROSECOND,
        run_at = run_at - INTERVAL @taskx_by MICROSECOND,
        claimed_at = claimed_at - INTERVAL @taskx_by MICROSECOND,
        cancel_requested_at = cancel_requested_at - INTERVAL @taskx_by MICROSECOND,
        slot = slot - INTERVAL @taskx_by MICROSECOND,
        expires_at = expires_at - INTERVAL @taskx_by MICROSECOND,
        finished_at = finished_at - INTERVAL @taskx_by MICROSECOND,
        prune_at = prune_at - INTERVAL @taskx_by MICROSECOND",
    "UPDATE taskx_attempts SET started_at = started_at - INTERVAL @taskx_by MICROSECOND,
        ended_at = ended_at - INTERVAL @taskx_by MICROSECOND",
    "UPDATE taskx_workers SET started_at = started_at - INTERVAL @taskx_by MICROSECOND,
        renewed_at = renewed_at - INTERVAL @taskx_by MICROSECOND,
        lease_until = lease_until - INTERVAL @taskx_by MICROSECOND,
        ended_at = ended_at - INTERVAL @taskx_by MICROSECOND",
    "UPDATE taskx_tasks SET last_seen = last_seen - INTERVAL @taskx_by MICROSECOND",
    "UPDATE taskx_queues SET paused_at = paused_at - INTERVAL @taskx_by MICROSECOND",
    "UPDATE taskx_schedules SET paused_at = paused_at - INTERVAL @taskx_by MICROSECOND,
        dropped_at = dropped_at - INTERVAL @taskx_by MICROSECOND,
        last_slot = last_slot - INTERVAL @taskx_by MICROSECOND,
        next_slot = next_slot - INTERVAL @taskx_by MICROSECOND,
        created_at = created_at - INTERVAL @taskx_by MICROSECOND",
    "UPDATE taskx_slots SET slot = slot - INTERVAL @taskx_by MICROSECOND,
        fired_at = fired_at - INTERVAL @taskx_by MICROSECOND ORDER BY schedule, slot",
    "UPDATE taskx_migrations SET applied_at = applied_at - INTERVAL @taskx_by MICROSECOND",
];
