//! The SQL of MySQL and MariaDB: what both understand (MySQL 8, MariaDB 10.6).
//!
//! - Batches come as one JSON text by `JSON_TABLE`, so a statement's text is the same for any size
//!   and is prepared once; ids are 32 hexadecimal digits there. Inserts alone come as rows of
//!   binds, which measured twice as fast.
//! - `STRAIGHT_JOIN` after a `JSON_TABLE` and `FORCE INDEX (PRIMARY)` make the server walk the batch
//!   and look each row up by its primary key, whatever it believes of the tables' sizes: a small
//!   table it would else walk itself, and wait for rows that others have locked. Batches are sorted
//!   by id, so that two sessions lock the same rows in the same order.
//! - Times are `UTC_TIMESTAMP(6)`: the session may be a caller's, in another time zone. It does not
//!   change within a statement.
//! - Columns of a `JSON_TABLE` name their collation: the session's default may be another, and two
//!   columns of different collations do not compare.

pub(super) mod path;
pub(super) mod schedules;
pub(super) mod upkeep;
pub(super) mod workers;

/// A batch of ids as the table `s (id)`.
macro_rules! ids {
    () => {
        "JSON_TABLE(?, '$[*]' COLUMNS (id CHAR(32) CHARACTER SET ascii PATH '$')) AS s"
    };
}

/// A batch of names as the table `s (name)`.
macro_rules! names {
    () => {
        "JSON_TABLE(?, '$[*]' COLUMNS (
            name VARCHAR(190) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$')) AS s"
    };
}

/// The columns of a finished job's row that are copied from its live row; then come state, reason,
/// result, `finished_at` and `prune_at`.
macro_rules! copied_columns {
    () => {
        "id, queue, task, priority, max_attempts, fence, payload, payload_format, task_version,
        inserted_at, tags, meta, trace, parent_id, batch_id, schedule_id, slot, expires_at,
        unique_key, concurrency_key, tenant, attempt, owner, run_at, claimed_at, crash_count,
        snooze_count, cancel_requested_at, progress"
    };
}

/// [`copied_columns`] of the table `j`.
macro_rules! copied_columns_of_j {
    () => {
        "j.id, j.queue, j.task, j.priority, j.max_attempts, j.fence, j.payload, j.payload_format,
        j.task_version, j.inserted_at, j.tags, j.meta, j.trace, j.parent_id, j.batch_id,
        j.schedule_id, j.slot, j.expires_at, j.unique_key, j.concurrency_key, j.tenant, j.attempt,
        j.owner, j.run_at, j.claimed_at, j.crash_count, j.snooze_count, j.cancel_requested_at,
        j.progress"
    };
}

pub(super) use {copied_columns, copied_columns_of_j, ids, names};
