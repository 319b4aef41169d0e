//! The tables, for all engines alike. An application may join its own tables with them.
//!
//! Two column types are ours, because each engine writes ids and times in its own way:
//! [`TaskxId`](sql_types::TaskxId) and [`TaskxTime`](sql_types::TaskxTime). A column of the
//! application that holds a job's id is declared with the same type:
//!
//! ```
//! use diesel::prelude::*;
//! use taskx_diesel::schema::{sql_types::TaskxId, taskx_jobs};
//!
//! diesel::table! {
//!     use diesel::sql_types::{Nullable, Text};
//!     use taskx_diesel::schema::sql_types::TaskxId;
//!     invoices (number) {
//!         number -> Text,
//!         sent_by -> Nullable<TaskxId>,
//!     }
//! }
//! // What `allow_tables_to_appear_in_same_query!` writes, without what PostgreSQL adds to it: that
//! // is allowed only where both tables are declared.
//! impl diesel::query_source::TableNotEqual<taskx_jobs::table> for invoices::table {}
//! impl diesel::query_source::TableNotEqual<invoices::table> for taskx_jobs::table {}
//!
//! // The invoices whose mail waits or is being sent now.
//! let waiting = invoices::table
//!     .inner_join(taskx_jobs::table.on(invoices::sent_by.eq(taskx_jobs::id.nullable())))
//!     .select((invoices::number, taskx_jobs::queue));
//! # let _ = waiting;
//! ```

#![expect(missing_docs, reason = "a column says by its name what the words of taskx-core say")]

/// The column types of taskx.
pub mod sql_types {
    use diesel::sql_types::{SqlOrd, SqlType};

    /// An id: `uuid` on PostgreSQL, `BINARY(16)` on MySQL, a `BLOB` of 16 bytes on SQLite.
    #[derive(Debug, Clone, Copy, Default, SqlType, diesel::query_builder::QueryId)]
    #[cfg_attr(feature = "postgres", diesel(postgres_type(oid = 2950, array_oid = 2951)))]
    #[cfg_attr(feature = "mysql", diesel(mysql_type(name = "Blob")))]
    #[cfg_attr(feature = "sqlite", diesel(sqlite_type(name = "Binary")))]
    pub struct TaskxId;

    /// A time in UTC, to the microsecond: `timestamptz` on PostgreSQL, `DATETIME(6)` on MySQL,
    /// `INTEGER` microseconds since 1970 on SQLite.
    #[derive(Debug, Clone, Copy, Default, SqlType, diesel::query_builder::QueryId)]
    #[cfg_attr(feature = "postgres", diesel(postgres_type(oid = 1184, array_oid = 1185)))]
    #[cfg_attr(feature = "mysql", diesel(mysql_type(name = "DateTime")))]
    #[cfg_attr(feature = "sqlite", diesel(sqlite_type(name = "Long")))]
    pub struct TaskxTime;

    impl SqlOrd for TaskxTime {}
}

diesel::table! {
    use diesel::sql_types::{BigInt, Integer, Nullable, SmallInt, Text};
    use super::sql_types::{TaskxId, TaskxTime};

    /// Jobs that are not finished.
    taskx_jobs (id) {
        id -> TaskxId,
        queue -> Text,
        task -> Text,
        state -> SmallInt,
        priority -> SmallInt,
        attempt -> Integer,
        max_attempts -> Integer,
        fence -> BigInt,
        owner -> Nullable<TaskxId>,
        payload -> Text,
        payload_format -> SmallInt,
        task_version -> Nullable<Integer>,
        inserted_at -> TaskxTime,
        run_at -> TaskxTime,
        claimed_at -> Nullable<TaskxTime>,
        solo -> SmallInt,
        crash_count -> Integer,
        crash_group -> Nullable<TaskxId>,
        snooze_count -> Integer,
        cancel_requested_at -> Nullable<TaskxTime>,
        progress -> Nullable<Text>,
        reason -> Nullable<Text>,
        tags -> Nullable<Text>,
        meta -> Nullable<Text>,
        trace -> Nullable<Text>,
        parent_id -> Nullable<TaskxId>,
        batch_id -> Nullable<TaskxId>,
        schedule_id -> Nullable<Text>,
        slot -> Nullable<TaskxTime>,
        expires_at -> Nullable<TaskxTime>,
        unique_key -> Nullable<Text>,
        concurrency_key -> Nullable<Text>,
        tenant -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Integer, Nullable, SmallInt, Text};
    use super::sql_types::{TaskxId, TaskxTime};

    /// Finished jobs, until their retention has passed.
    taskx_history (id) {
        id -> TaskxId,
        queue -> Text,
        task -> Text,
        state -> SmallInt,
        priority -> SmallInt,
        attempt -> Integer,
        max_attempts -> Integer,
        fence -> BigInt,
        owner -> Nullable<TaskxId>,
        payload -> Text,
        payload_format -> SmallInt,
        task_version -> Nullable<Integer>,
        inserted_at -> TaskxTime,
        run_at -> TaskxTime,
        claimed_at -> Nullable<TaskxTime>,
        crash_count -> Integer,
        snooze_count -> Integer,
        cancel_requested_at -> Nullable<TaskxTime>,
        progress -> Nullable<Text>,
        reason -> Nullable<Text>,
        tags -> Nullable<Text>,
        meta -> Nullable<Text>,
        trace -> Nullable<Text>,
        parent_id -> Nullable<TaskxId>,
        batch_id -> Nullable<TaskxId>,
        schedule_id -> Nullable<Text>,
        slot -> Nullable<TaskxTime>,
        expires_at -> Nullable<TaskxTime>,
        unique_key -> Nullable<Text>,
        concurrency_key -> Nullable<Text>,
        tenant -> Nullable<Text>,
        finished_at -> TaskxTime,
        result -> Nullable<Text>,
        prune_at -> TaskxTime,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Integer, Nullable, Text};
    use super::sql_types::{TaskxId, TaskxTime};

    /// Failed attempts: the last 10 of a job.
    taskx_attempts (job_id, fence) {
        job_id -> TaskxId,
        fence -> BigInt,
        attempt -> Integer,
        worker -> TaskxId,
        started_at -> TaskxTime,
        ended_at -> TaskxTime,
        outcome -> Text,
        error -> Text,
        backtrace -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::{Integer, Nullable, SmallInt, Text};
    use super::sql_types::{TaskxId, TaskxTime};

    /// Workers: one row for each start.
    taskx_workers (id) {
        id -> TaskxId,
        service -> Text,
        host -> Text,
        pid -> Integer,
        version -> Text,
        started_at -> TaskxTime,
        renewed_at -> TaskxTime,
        lease_until -> TaskxTime,
        ended_at -> Nullable<TaskxTime>,
        /// 1 once the row has held its presence lock; before that only its lease tells.
        presence -> SmallInt,
        /// The ids of the jobs that ran at the last renewal, as a JSON array of hyphenated text.
        running -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::Text;
    use super::sql_types::TaskxId;

    /// What each worker can run.
    taskx_worker_tasks (worker, task) {
        worker -> TaskxId,
        task -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::{Integer, Text};
    use super::sql_types::TaskxTime;

    /// The tasks that workers have named.
    taskx_tasks (name) {
        name -> Text,
        owner -> Text,
        arguments -> Text,
        version -> Integer,
        last_seen -> TaskxTime,
    }
}

diesel::table! {
    use diesel::sql_types::{Nullable, Text};
    use super::sql_types::TaskxTime;

    /// Queues that were paused once.
    taskx_queues (name) {
        name -> Text,
        paused_at -> Nullable<TaskxTime>,
        paused_by -> Nullable<Text>,
        reason -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Nullable, Text};
    use super::sql_types::{TaskxId, TaskxTime};

    /// Schedules and their positions.
    taskx_schedules (name) {
        name -> Text,
        owner -> Text,
        /// `code` or `dynamic`.
        source -> Text,
        task -> Text,
        trigger_text -> Text,
        args -> Text,
        options -> Text,
        declared_hash -> Text,
        declared_version -> Text,
        paused_at -> Nullable<TaskxTime>,
        dropped_at -> Nullable<TaskxTime>,
        last_slot -> Nullable<TaskxTime>,
        next_slot -> Nullable<TaskxTime>,
        missed -> BigInt,
        last_job -> Nullable<TaskxId>,
        created_at -> TaskxTime,
    }
}

diesel::table! {
    use diesel::sql_types::Text;
    use super::sql_types::{TaskxId, TaskxTime};

    /// Slots that were fired: what makes a slot fire once.
    taskx_slots (schedule, slot) {
        schedule -> Text,
        slot -> TaskxTime,
        job_id -> TaskxId,
        fired_at -> TaskxTime,
    }
}

diesel::table! {
    use diesel::sql_types::Text;

    /// Facts about the database: `generation` of the schema and what an engine needs.
    taskx_meta (name) {
        name -> Text,
        value -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::Text;
    use super::sql_types::TaskxTime;

    /// The migrations that were applied.
    taskx_migrations (version) {
        version -> Text,
        applied_at -> TaskxTime,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    taskx_jobs,
    taskx_history,
    taskx_attempts,
    taskx_workers,
    taskx_worker_tasks,
    taskx_tasks,
    taskx_queues,
    taskx_schedules,
    taskx_slots,
    taskx_meta,
    taskx_migrations,
);
