//! Workers: register, renew, suspect, end.

use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text};

use super::{ids, names};
use crate::{
    schema::sql_types::{TaskxId, TaskxTime},
    statement::statement,
};

statement! {
    /// Lets one session at a time change what is known: whoever parks and whoever registers, so
    /// that no job is parked which a worker that comes at the same time knows.
    pub(in crate::mysql) Alone() -> Text =
        "SELECT value FROM taskx_meta WHERE name = 'generation' FOR UPDATE";

    pub(in crate::mysql) AddWorker(
        id: TaskxId, service: Text, host: Text, pid: Integer, version: Text, lease: BigInt,
    ) =
        "INSERT INTO taskx_workers
            (id, service, host, pid, version, started_at, renewed_at, lease_until)
         VALUES (?, ?, ?, ?, ?, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6),
            UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND)
         ON DUPLICATE KEY UPDATE id = taskx_workers.id";

    pub(in crate::mysql) NameTasks(worker: TaskxId, names: Text) = concat!(
        "INSERT INTO taskx_worker_tasks (worker, task)
         SELECT ?, s.name FROM ", names!(), "
         ON DUPLICATE KEY UPDATE task = taskx_worker_tasks.task"
    );

    /// What is told of tasks; the last word counts.
    pub(in crate::mysql) DescribeTasks(rows: Text) =
        "INSERT INTO taskx_tasks (name, owner, arguments, version, last_seen)
         SELECT s.name, s.owner, s.arguments, s.version, UTC_TIMESTAMP(6)
         FROM JSON_TABLE(?, '$[*]' COLUMNS (
            name VARCHAR(190) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.name',
            owner VARCHAR(190) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.owner',
            arguments LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.arguments',
            version INT PATH '$.version')) AS s
         ON DUPLICATE KEY UPDATE owner = s.owner, arguments = s.arguments, version = s.version,
            last_seen = UTC_TIMESTAMP(6)";

    /// The first parked jobs of some tasks.
    pub(in crate::mysql) ParkedOf(names: Text, limit: Integer) -> TaskxId = concat!(
        "SELECT j.id FROM taskx_jobs j FORCE INDEX (taskx_jobs_ready)
         WHERE j.state = 4 AND j.task IN (SELECT s.name FROM ", names!(), ") LIMIT ?"
    );

    pub(in crate::mysql) Unpark(ids: Text) = concat!(
        "UPDATE ", ids!(), " STRAIGHT_JOIN taskx_jobs j FORCE INDEX (PRIMARY) ON j.id = UNHEX(s.id)
         SET j.reason = NULL, j.state = 0 WHERE j.state = 4"
    );

    pub(in crate::mysql) Renew(ids: Text, lease: BigInt, running: Text) = concat!(
        "UPDATE ", ids!(), " STRAIGHT_JOIN taskx_workers w ON w.id = UNHEX(s.id)
         SET w.renewed_at = UTC_TIMESTAMP(6),
            w.lease_until = UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND, w.running = ?
         WHERE w.ended_at IS NULL"
    );

    /// Of these rows, those that nobody has ended.
    pub(in crate::mysql) Alive(ids: Text) -> TaskxId = concat!(
        "SELECT w.id FROM ", ids!(), " STRAIGHT_JOIN taskx_workers w ON w.id = UNHEX(s.id)
         WHERE w.ended_at IS NULL"
    );

    pub(in crate::mysql) WriteProgress(rows: Text) =
        "UPDATE JSON_TABLE(?, '$[*]' COLUMNS (
            id CHAR(32) CHARACTER SET ascii PATH '$.id',
            owner CHAR(32) CHARACTER SET ascii PATH '$.owner',
            fence BIGINT PATH '$.fence',
            text LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.text')) AS s
         STRAIGHT_JOIN taskx_jobs j FORCE INDEX (PRIMARY) ON j.id = UNHEX(s.id)
         SET j.progress = s.text
         WHERE j.owner = UNHEX(s.owner) AND j.fence = s.fence AND j.state = 1";

    /// Of these jobs, those that were asked to stop, with their owners.
    pub(in crate::mysql) AskedToStop(ids: Text) -> (TaskxId, Nullable<TaskxId>) = concat!(
        "SELECT j.id, j.owner FROM ", ids!(), " STRAIGHT_JOIN taskx_jobs j FORCE INDEX (PRIMARY) ON j.id = UNHEX(s.id)
         WHERE j.state = 1 AND j.cancel_requested_at IS NOT NULL"
    );

    /// Every worker row: when it was renewed, whether its lease is over, whether a rescuer ended it,
    /// whether its presence lock is free though it was held once. The server's locks have one name
    /// each for all databases; ids are random.
    pub(in crate::mysql) Standings() -> (TaskxId, TaskxTime, TaskxTime, TaskxTime, Bool, Bool) =
        "SELECT id, renewed_at, lease_until, UTC_TIMESTAMP(6), ended_at IS NOT NULL,
            presence = 1 AND COALESCE(IS_FREE_LOCK(CONCAT('taskx.', LOWER(HEX(id)))), 0)
         FROM taskx_workers ORDER BY started_at, id";

    /// How long the server has been up, in seconds.
    pub(in crate::mysql) Uptime() -> (Text, Text) = "SHOW GLOBAL STATUS LIKE 'Uptime'";

    /// 1 if this session holds the lock by now, 0 if another one does, NULL if there are no locks.
    pub(in crate::mysql) TakeLock(name: Text) -> Nullable<BigInt> = "SELECT GET_LOCK(?, 0)";

    /// 1 if this session holds the lock. A second GET_LOCK would count it twice.
    pub(in crate::mysql) HasLock(name: Text) -> Nullable<BigInt> =
        "SELECT IS_USED_LOCK(?) = CONNECTION_ID()";

    /// First [`HasLock`], and how many microseconds until the next job is due; then each of these
    /// queues that has available jobs. `LIMIT` keeps the server from looking at more than one job of
    /// a queue: an `EXISTS` it may turn into a join.
    pub(in crate::mysql) LookAround(lock: Text, queues: Text) ->
        (Nullable<BigInt>, Nullable<BigInt>, Nullable<Text>) = concat!(
        "SELECT IS_USED_LOCK(?) = CONNECTION_ID(),
            (SELECT TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(6), due_at)
             FROM taskx_jobs FORCE INDEX (taskx_jobs_due)
             WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1), NULL
         UNION ALL
         SELECT NULL, NULL, s.name FROM ", names!(), "
         WHERE (SELECT 1 FROM taskx_jobs j FORCE INDEX (taskx_jobs_ready)
            WHERE j.state = 0 AND j.queue = s.name LIMIT 1) IS NOT NULL"
    );

    pub(in crate::mysql) FreeLock(name: Text) -> Nullable<BigInt> = "SELECT RELEASE_LOCK(?)";

    pub(in crate::mysql) SetPresence(id: TaskxId) =
        "UPDATE taskx_workers SET presence = 1 WHERE id = ? AND ended_at IS NULL";

    /// Ends a row that was not renewed since it was looked at, or that somebody has ended. Waits
    /// for claims under way, see [`Gate`](super::path::Gate).
    pub(in crate::mysql) EndSuspect(id: TaskxId, renewed_at: TaskxTime) =
        "UPDATE taskx_workers SET ended_at = COALESCE(ended_at, UTC_TIMESTAMP(6))
         WHERE id = ? AND (renewed_at = ? OR ended_at IS NOT NULL)";

    pub(in crate::mysql) End(id: TaskxId) =
        "UPDATE taskx_workers SET ended_at = COALESCE(ended_at, UTC_TIMESTAMP(6)) WHERE id = ?";

    pub(in crate::mysql) RunningOf(id: TaskxId) -> Nullable<Text> =
        "SELECT running FROM taskx_workers WHERE id = ?";

    /// The first jobs that a worker holds. Not locked: others' running jobs lie between them. Those
    /// that run alone come last, so that a rescue that was broken off still finds whom to blame.
    pub(in crate::mysql) HeldBy(owner: TaskxId, limit: Integer) -> TaskxId =
        "SELECT id FROM taskx_jobs FORCE INDEX (taskx_jobs_ready)
         WHERE state = 1 AND owner = ? ORDER BY solo LIMIT ?";

    /// The jobs that a worker holds and that are to run alone.
    pub(in crate::mysql) HeldAlone(owner: TaskxId) -> TaskxId =
        "SELECT id FROM taskx_jobs FORCE INDEX (taskx_jobs_ready)
         WHERE state = 1 AND owner = ? AND solo = 1";

    /// Of these jobs, those that the worker still holds, locked: queue, crashes so far, whether a
    /// cancellation was asked for.
    pub(in crate::mysql) StillHeld(ids: Text, owner: TaskxId) ->
        (TaskxId, Text, Integer, Bool) = concat!(
        "SELECT j.id, j.queue, j.crash_count, j.cancel_requested_at IS NOT NULL
         FROM ", ids!(), " STRAIGHT_JOIN taskx_jobs j FORCE INDEX (PRIMARY) ON j.id = UNHEX(s.id)
         WHERE j.state = 1 AND j.owner = ? FOR UPDATE"
    );

    /// Takes jobs back from a worker that is gone; the attempt does not count.
    pub(in crate::mysql) TakeBack(rows: Text) =
        "UPDATE JSON_TABLE(?, '$[*]' COLUMNS (
            id CHAR(32) CHARACTER SET ascii PATH '$.id',
            crashes INT PATH '$.crashes',
            solo SMALLINT PATH '$.solo')) AS s
         STRAIGHT_JOIN taskx_jobs j FORCE INDEX (PRIMARY) ON j.id = UNHEX(s.id)
         SET j.state = 0, j.owner = NULL, j.attempt = GREATEST(j.attempt - 1, 0),
            j.crash_count = s.crashes, j.solo = COALESCE(s.solo, j.solo)";

    pub(in crate::mysql) RemoveTasks(worker: TaskxId) =
        "DELETE FROM taskx_worker_tasks WHERE worker = ?";

    pub(in crate::mysql) RemoveWorker(id: TaskxId) = "DELETE FROM taskx_workers WHERE id = ?";
}
