//! What operators change by hand, where moving rows between the tables is beyond the typed DSL.

use diesel::sql_types::{Array, BigInt, Integer, Nullable, SmallInt, Text};

use crate::{
    schema::sql_types::{TaskxId, TaskxTime},
    statement::statement,
};

statement! {
    /// Locks a live job, and gives its state.
    pub(crate) LockJob(id: TaskxId) -> SmallInt =
        "SELECT state FROM taskx_jobs WHERE id = $1 FOR UPDATE";

    /// 1 if the job is in the history.
    pub(crate) IsFinished(id: TaskxId) -> Integer =
        "SELECT 1 FROM taskx_history WHERE id = $1";

    /// Asks a running job to stop and tells its worker.
    pub(crate) AskToStop(id: TaskxId) = concat!(
        "WITH asked AS (UPDATE taskx_jobs \
         SET cancel_requested_at = COALESCE(cancel_requested_at, now()) \
         WHERE id = $1 AND state = 1 RETURNING id) \
         SELECT pg_notify(", channel!(), ", 'c:' || id) FROM asked",
    );

    /// Ends waiting jobs in a state (`$2`) for a reason, kept for `$4` microseconds. Gives their
    /// ids. A job that is claimed meanwhile is left alone.
    pub(crate) EndWaiting(ids: Array<TaskxId>, state: SmallInt, reason: Text, keep: BigInt) -> TaskxId =
        concat!(
        "WITH gone AS (DELETE FROM taskx_jobs WHERE id = ANY ($1) AND state <> 1 RETURNING *), \
         kept AS (INSERT INTO taskx_history (", kept_columns!(),
        ", state, reason, finished_at, prune_at) SELECT ", kept_columns!(),
        ", $2, $3, now(), now() + $4 * interval '1 microsecond' FROM gone \
         ON CONFLICT (id) DO NOTHING) \
         SELECT id FROM gone",
    );

    /// Makes finished jobs that are not completed live again: same id, the fence goes on so that no
    /// claim's number comes twice, all else begins anew. Gives their queues.
    pub(crate) Redrive(ids: Array<TaskxId>) -> Text =
        "WITH gone AS (DELETE FROM taskx_history WHERE id = ANY ($1) AND state <> 10 RETURNING *) \
         INSERT INTO taskx_jobs (id, queue, task, state, priority, max_attempts, fence, payload, \
         payload_format, task_version, inserted_at, run_at, tags, meta, trace, parent_id, \
         batch_id, schedule_id, slot, expires_at, unique_key, concurrency_key, tenant) \
         SELECT id, queue, task, 0, priority, max_attempts, fence, payload, \
         payload_format, task_version, inserted_at, now(), tags, meta, trace, parent_id, \
         batch_id, schedule_id, slot, expires_at, unique_key, concurrency_key, tenant \
         FROM gone ON CONFLICT (id) DO NOTHING RETURNING queue";

    /// Makes waiting jobs available at once; the reason of a parked one is past. Gives their queues.
    pub(crate) RunNow(ids: Array<TaskxId>) -> Text =
        "UPDATE taskx_jobs SET state = 0, run_at = now(), \
         reason = CASE WHEN state = 4 THEN NULL ELSE reason END \
         WHERE id = ANY ($1) AND state IN (2, 3, 4) RETURNING queue";

    /// Removes live jobs that are not running.
    pub(crate) DeleteLive(ids: Array<TaskxId>) -> TaskxId =
        "DELETE FROM taskx_jobs WHERE id = ANY ($1) AND state <> 1 RETURNING id";

    /// Removes finished jobs.
    pub(crate) DeleteFinished(ids: Array<TaskxId>) -> TaskxId =
        "DELETE FROM taskx_history WHERE id = ANY ($1) RETURNING id";

    /// Pauses a queue; the last pause counts.
    pub(crate) Pause(queue: Text, by: Text, reason: Text) =
        "INSERT INTO taskx_queues (name, paused_at, paused_by, reason) VALUES ($1, now(), $2, $3) \
         ON CONFLICT (name) DO UPDATE \
         SET paused_at = now(), paused_by = EXCLUDED.paused_by, reason = EXCLUDED.reason";

    /// Ends a pause.
    pub(crate) Resume(queue: Text) = "UPDATE taskx_queues \
         SET paused_at = NULL, paused_by = NULL, reason = NULL \
         WHERE name = $1 AND paused_at IS NOT NULL";

    /// Microseconds for which the oldest available job of a queue has been due.
    pub(crate) OldestWait(queue: Text) -> Nullable<BigInt> =
        "SELECT (EXTRACT(epoch FROM now() - min(run_at)) * 1000000)::int8 \
         FROM taskx_jobs WHERE state = 0 AND queue = $1";

    /// The server's version.
    pub(crate) Version() -> Text = "SELECT current_setting('server_version')";

    /// For how many microseconds the oldest transaction of this database has been open that other
    /// transactions' removed rows are kept for.
    pub(crate) OldestSnapshot() -> Nullable<BigInt> =
        "SELECT (EXTRACT(epoch FROM clock_timestamp() - min(xact_start)) * 1000000)::int8 \
         FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
         AND backend_xmin IS NOT NULL AND backend_type = 'client backend'";

    /// Our tables: name, rows by the server's estimate, bytes of the rows and of the indexes.
    pub(crate) Sizes() -> (Text, BigInt, BigInt, BigInt) =
        "SELECT relname::text, n_live_tup::int8, pg_table_size(relid), pg_indexes_size(relid) \
         FROM pg_stat_user_tables \
         WHERE schemaname = current_schema() AND relname LIKE 'taskx\\_%'";

    /// Our tables, columns, indexes and functions: `taskx_jobs`, `taskx_jobs.id`,
    /// `taskx_jobs_ready`. An index that a build left half made is none.
    pub(crate) Objects() -> Text =
        "SELECT c.relname::text FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid \
         WHERE pg_table_is_visible(c.oid) AND c.relname LIKE 'taskx\\_%' \
         AND COALESCE(i.indisvalid, true) \
         UNION ALL \
         SELECT c.relname || '.' || a.attname FROM pg_class c \
         JOIN pg_attribute a ON a.attrelid = c.oid \
         WHERE pg_table_is_visible(c.oid) AND c.relname LIKE 'taskx\\_%' \
         AND a.attnum > 0 AND NOT a.attisdropped \
         UNION ALL \
         SELECT proname::text FROM pg_proc \
         WHERE pg_function_is_visible(oid) AND proname LIKE 'taskx\\_%'";

    /// The queues of live jobs, with when the oldest available job of each was due.
    pub(crate) LiveQueues() -> (Text, Nullable<TaskxTime>) =
        "SELECT queue, min(run_at) FILTER (WHERE state = 0) FROM taskx_jobs GROUP BY queue";
}

/// Every time of every table moved back by `$1` microseconds, one statement a table. For tests.
macro_rules! travel {
    ($($Name:ident = $table:literal: $first:literal $(, $column:literal)*;)+) => {
        statement! {
            $(
                /// Moves the times of one table back.
                pub(crate) $Name(by: BigInt) = concat!(
                    "UPDATE ", $table, " SET ",
                    $first, " = ", $first, " - $1 * interval '1 microsecond'",
                    $(", ", $column, " = ", $column, " - $1 * interval '1 microsecond'",)*
                );
            )+
            /// Moves the slots back. They are keys, and one may move to another's place: all are
            /// taken out (the sort waits for that) before they are put back.
            pub(crate) TravelSlots(by: BigInt) = "WITH gone AS (DELETE FROM taskx_slots RETURNING *) \
                INSERT INTO taskx_slots (schedule, slot, job_id, fired_at) \
                SELECT schedule, slot - $1 * interval '1 microsecond', job_id, \
                fired_at - $1 * interval '1 microsecond' FROM gone ORDER BY slot";
        }
    };
}

travel! {
    TravelJobs = "taskx_jobs": "inserted_at", "run_at", "claimed_at", "cancel_requested_at",
        "slot", "expires_at";
    TravelHistory = "taskx_history": "inserted_at", "run_at", "claimed_at", "cancel_requested_at",
        "slot", "expires_at", "finished_at", "prune_at";
    TravelAttempts = "taskx_attempts": "started_at", "ended_at";
    TravelWorkers = "taskx_workers": "started_at", "renewed_at", "lease_until", "ended_at";
    TravelTasks = "taskx_tasks": "last_seen";
    TravelQueues = "taskx_queues": "paused_at";
    TravelSchedules = "taskx_schedules": "paused_at", "dropped_at", "last_slot", "next_slot",
        "created_at";
}
