//! The fixed SQL of PostgreSQL. A batch of any size is one text: arrays go in by `unnest`, so each
//! statement is prepared once a connection. A column that a whole batch leaves out goes in as NULL
//! instead of an array; `unnest` fills it up with NULLs.
//!
//! Every column list that two statements share is a macro here, so that it is written once.

/// The columns of a job that a claim gives, in the order of `ClaimRow`.
macro_rules! claim_columns {
    () => {
        "j.id, j.fence, j.task, j.priority, j.attempt, j.max_attempts, j.payload, \
         j.payload_format, j.inserted_at, j.run_at, j.crash_count, j.snooze_count, j.solo, \
         j.cancel_requested_at, j.tags, j.meta, j.trace, j.task_version, j.parent_id, j.batch_id, \
         j.schedule_id, j.slot, j.expires_at, j.unique_key, j.concurrency_key, j.tenant"
    };
}

/// The columns that a job keeps when it moves to the history or back.
macro_rules! kept_columns {
    () => {
        "id, queue, task, priority, attempt, max_attempts, fence, owner, payload, payload_format, \
         task_version, inserted_at, run_at, claimed_at, crash_count, snooze_count, \
         cancel_requested_at, progress, tags, meta, trace, parent_id, batch_id, schedule_id, \
         slot, expires_at, unique_key, concurrency_key, tenant"
    };
}

/// The channel of this schema's notifications: applications that share a database but not a schema
/// do not wake each other. A channel's name has at most 63 bytes.
macro_rules! channel {
    () => {
        "left('taskx_' || current_schema(), 63)"
    };
}

pub(super) mod inspect;
pub(super) mod path;
pub(super) mod schedules;
pub(super) mod workers;
