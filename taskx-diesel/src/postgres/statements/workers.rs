//! Workers: their rows, leases, presence, and what becomes of a dead one's jobs.

use diesel::sql_types::{Array, BigInt, Bool, Integer, Nullable, SmallInt, Text};

use crate::{
    schema::sql_types::{TaskxId, TaskxTime},
    statement::statement,
};

/// A worker's presence lock as a number: the first half of its random id.
macro_rules! presence_key {
    () => {
        "('x' || left(replace(w.id::text, '-', ''), 16))::bit(64)::int8"
    };
}

statement! {
    /// A worker's row, renewed now; a no-op if it is there.
    pub(crate) Register(
        id: TaskxId,
        service: Text,
        host: Text,
        pid: Integer,
        version: Text,
        lease: BigInt,
    ) = "INSERT INTO taskx_workers (id, service, host, pid, version, started_at, renewed_at, \
         lease_until) \
         VALUES ($1, $2, $3, $4, $5, now(), now(), now() + $6 * interval '1 microsecond') \
         ON CONFLICT (id) DO NOTHING";

    /// The names of a worker's tasks.
    pub(crate) NameTasks(worker: TaskxId, tasks: Array<Text>) = "INSERT INTO taskx_worker_tasks \
         (worker, task) SELECT $1, t FROM unnest($2) AS t ON CONFLICT DO NOTHING";

    /// What is told of tasks, in the order of their names, so that two workers that start at once
    /// wait for each other instead of ending in a deadlock.
    pub(crate) DescribeTasks(
        names: Array<Text>,
        owners: Array<Text>,
        arguments: Array<Text>,
        versions: Array<Integer>,
    ) = "INSERT INTO taskx_tasks (name, owner, arguments, version, last_seen) \
         SELECT DISTINCT ON (t.name) t.name, t.owner, t.arguments, t.version, now() \
         FROM unnest($1, $2, $3, $4) AS t(name, owner, arguments, version) ORDER BY t.name \
         ON CONFLICT (name) DO UPDATE SET owner = EXCLUDED.owner, \
         arguments = EXCLUDED.arguments, version = EXCLUDED.version, last_seen = now()";

    /// Renews the leases of rows that were not ended, and gives their ids.
    pub(crate) Renew(workers: Array<TaskxId>, lease: BigInt, running: Text) -> TaskxId =
        "UPDATE taskx_workers SET renewed_at = now(), \
         lease_until = now() + $2 * interval '1 microsecond', running = $3 \
         WHERE id = ANY ($1) AND ended_at IS NULL RETURNING id";

    /// Writes the progress of jobs that are held.
    pub(crate) WriteProgress(
        ids: Array<TaskxId>,
        owners: Array<TaskxId>,
        fences: Array<BigInt>,
        texts: Array<Text>,
    ) = "UPDATE taskx_jobs j SET progress = i.text \
         FROM unnest($1::uuid[], $2::uuid[], $3::int8[], $4::text[]) \
         AS i(id, owner, fence, text) \
         WHERE j.id = ANY (ARRAY[i.id]) AND j.owner = i.owner AND j.fence = i.fence AND j.state = 1";

    /// Those of the jobs `$1`, held by the workers `$2`, whose cancellation was asked for.
    pub(crate) AskedToStop(jobs: Array<TaskxId>, workers: Array<TaskxId>) -> TaskxId =
        "SELECT id FROM taskx_jobs WHERE id = ANY ($1) AND owner = ANY ($2) AND state = 1 \
         AND cancel_requested_at IS NOT NULL";

    /// Whether there are rows besides `$1`, and those of them that may be dead: ended by a rescuer that did not finish, lease over, or
    /// presence lock free. The locks are read and not tried, since a tried lock is held for a
    /// moment, in which its worker could not take it back. Not in the first 10 s of the server, nor
    /// after the crash of one of its processes, which makes it end all sessions and empty its
    /// statistics: both free the locks of workers that live.
    pub(crate) FindSuspects(besides: Array<TaskxId>) -> (
        Bool,
        TaskxTime,
        Nullable<TaskxId>,
        Nullable<TaskxTime>,
        Nullable<TaskxTime>,
        Nullable<Bool>,
    ) = concat!(
        "SELECT o.exist, now(), s.id, s.renewed_at, s.lease_until, s.absent \
         FROM (SELECT EXISTS (SELECT FROM taskx_workers w WHERE w.id <> ALL ($1)) AS exist) o \
         LEFT JOIN (SELECT w.id, w.renewed_at, w.lease_until, a.absent \
         FROM taskx_workers w CROSS JOIN LATERAL (SELECT w.ended_at IS NOT NULL \
         OR (w.presence = 1 \
         AND GREATEST(pg_postmaster_start_time(), pg_stat_get_bgwriter_stat_reset_time()) \
         < now() - interval '10 s' \
         AND NOT EXISTS (SELECT FROM pg_locks l WHERE l.locktype = 'advisory' AND l.granted \
         AND l.objsubid = 1 \
         AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
         AND ((l.classid::int8 << 32) | l.objid::int8) = ", presence_key!(), ")) AS absent) a \
         WHERE w.id <> ALL ($1) AND (a.absent OR w.lease_until < now())) s ON true \
         ORDER BY s.renewed_at",
    );

    /// Locks a worker's row against claims, and gives what a rescue decides by.
    pub(crate) LockWorker(id: TaskxId) -> (TaskxTime, Nullable<TaskxTime>, Nullable<Text>) =
        "SELECT renewed_at, ended_at, running FROM taskx_workers WHERE id = $1 FOR UPDATE";

    /// Ends a worker's row: nothing is claimed under it and its lease is not renewed any more.
    pub(crate) EndWorker(id: TaskxId) =
        "UPDATE taskx_workers SET ended_at = now() WHERE id = $1 AND ended_at IS NULL";

    /// The jobs that a worker holds, and whether each is to run alone; those come last, so that a
    /// rescue that was broken off still finds whom to blame.
    pub(crate) HeldBy(owner: TaskxId) -> (TaskxId, SmallInt) =
        "SELECT id, solo FROM taskx_jobs WHERE owner = $1 AND state = 1 ORDER BY solo";

    /// Takes jobs (`$2`) back from a dead worker: cancelled where that was asked for, else available,
    /// and nobody's. If some ran alone (`$7`), the death is theirs, and those are quarantined for
    /// which it is the `$4`th. Else it is everybody's, and those that were executing (`$3`), or that
    /// meet a second death, will run alone. Cancelled ones are kept for `$5` microseconds,
    /// quarantined ones for `$6`. Gives id, queue, state.
    pub(crate) Rescue(
        owner: TaskxId,
        jobs: Array<TaskxId>,
        executing: Array<TaskxId>,
        crash_limit: Integer,
        keep_cancelled: BigInt,
        keep_quarantined: BigInt,
        alone: Array<TaskxId>,
    ) -> (TaskxId, Text, Integer) = concat!(
        "WITH held AS MATERIALIZED (SELECT id, \
         LEAST(crash_count, 2147483646) + CASE WHEN cardinality($7) = 0 OR id = ANY ($7) THEN 1 ELSE 0 END AS deaths, \
         CASE WHEN id = ANY ($7) AND crash_count >= $4 - 1 THEN 13 \
         WHEN cancel_requested_at IS NOT NULL THEN 11 ELSE 0 END AS next_state \
         FROM taskx_jobs WHERE id = ANY ($2) AND owner = $1 AND state = 1 FOR UPDATE), \
         gone AS (DELETE FROM taskx_jobs j USING held WHERE j.id = held.id \
         AND held.next_state <> 0 RETURNING j.*, held.deaths, held.next_state), \
         kept AS (INSERT INTO taskx_history (", kept_columns!(),
        ", state, reason, finished_at, prune_at) \
         SELECT id, queue, task, priority, GREATEST(attempt - 1, 0), max_attempts, fence, NULL, \
         payload, payload_format, task_version, inserted_at, run_at, claimed_at, deaths, snooze_count, \
         cancel_requested_at, progress, tags, meta, trace, parent_id, batch_id, schedule_id, slot, \
         expires_at, unique_key, concurrency_key, tenant, next_state, \
         CASE next_state WHEN 11 THEN 'cancelled while running' \
         ELSE 'its process died ' || deaths || ' times while it ran' END, now(), \
         now() + CASE next_state WHEN 11 THEN $5 ELSE $6 END * interval '1 microsecond' \
         FROM gone ON CONFLICT (id) DO NOTHING), \
         back AS (UPDATE taskx_jobs j SET state = 0, attempt = GREATEST(j.attempt - 1, 0), \
         owner = NULL, crash_count = held.deaths, \
         solo = CASE WHEN cardinality($7) > 0 THEN j.solo \
         WHEN held.deaths >= 2 OR j.id = ANY ($3) THEN 1 ELSE 0 END \
         FROM held WHERE j.id = held.id AND held.next_state = 0 RETURNING j.id, j.queue) \
         SELECT id, queue, next_state FROM gone UNION ALL SELECT id, queue, 0 FROM back",
    );

    /// Gives back jobs (`$2`) that a worker held at its orderly end; those whose cancellation was
    /// asked for end, kept for `$3` microseconds. Gives the queue of each.
    pub(crate) Retire(owner: TaskxId, jobs: Array<TaskxId>, keep_cancelled: BigInt) -> Text =
        concat!(
        "WITH held AS MATERIALIZED (SELECT id, cancel_requested_at IS NOT NULL AS ends \
         FROM taskx_jobs WHERE id = ANY ($2) AND owner = $1 AND state = 1 FOR UPDATE), \
         gone AS (DELETE FROM taskx_jobs j USING held WHERE j.id = held.id AND held.ends \
         RETURNING j.*), \
         kept AS (INSERT INTO taskx_history (", kept_columns!(),
        ", state, reason, finished_at, prune_at) \
         SELECT id, queue, task, priority, GREATEST(attempt - 1, 0), max_attempts, fence, NULL, \
         payload, payload_format, task_version, inserted_at, run_at, claimed_at, crash_count, \
         snooze_count, cancel_requested_at, progress, tags, meta, trace, parent_id, batch_id, \
         schedule_id, slot, expires_at, unique_key, concurrency_key, tenant, \
         11, 'cancelled while running', now(), now() + $3 * interval '1 microsecond' \
         FROM gone ON CONFLICT (id) DO NOTHING), \
         back AS (UPDATE taskx_jobs j SET state = 0, attempt = GREATEST(j.attempt - 1, 0), \
         owner = NULL FROM held WHERE j.id = held.id AND NOT held.ends RETURNING j.queue) \
         SELECT queue FROM gone UNION ALL SELECT queue FROM back",
    );

    /// Removes the names of a worker's tasks.
    pub(crate) ForgetTasks(worker: TaskxId) = "DELETE FROM taskx_worker_tasks WHERE worker = $1";

    /// Removes a worker's row.
    pub(crate) ForgetWorker(id: TaskxId) = "DELETE FROM taskx_workers WHERE id = $1";

    /// Takes a presence lock for as long as the session lives; false if another holds it.
    pub(crate) TakePresence(key: BigInt) -> Bool = "SELECT pg_try_advisory_lock($1)";

    /// Frees a presence lock of this session.
    pub(crate) FreePresence(key: BigInt) -> Bool = "SELECT pg_advisory_unlock($1)";

    /// Notes that a row has held its presence lock, so that a free one means something.
    pub(crate) NotePresence(id: TaskxId) =
        "UPDATE taskx_workers SET presence = 1 WHERE id = $1 AND presence = 0";

    /// Deletes up to `$1` finished jobs whose retention has passed, and gives their ids.
    pub(crate) PruneJobs(limit: BigInt) -> TaskxId = "DELETE FROM taskx_history \
         WHERE ctid = ANY (ARRAY (SELECT ctid FROM taskx_history WHERE prune_at < now() \
         ORDER BY prune_at LIMIT $1 FOR UPDATE SKIP LOCKED)) RETURNING id";

    /// Deletes up to `$1` slot rows that are older than 30 days.
    pub(crate) PruneSlots(limit: BigInt) = "DELETE FROM taskx_slots \
         WHERE ctid = ANY (ARRAY (SELECT ctid FROM taskx_slots \
         WHERE fired_at < now() - interval '30 days' \
         ORDER BY fired_at LIMIT $1 FOR UPDATE SKIP LOCKED))";

    /// The server's clock.
    pub(crate) Now() -> TaskxTime = "SELECT clock_timestamp()";
}
