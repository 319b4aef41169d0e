//! Schedules: declared, due, fired.

use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text};

use crate::{
    schema::sql_types::{TaskxId, TaskxTime},
    statement::statement,
};

/// The columns of a schedule, in the order of `ScheduleDbRow`.
macro_rules! schedule_columns {
    () => {
        "s.name, s.owner, s.source, s.task, s.trigger_text, s.args, s.options, s.declared_hash, \
         s.declared_version, s.paused_at, s.dropped_at, s.last_slot, s.next_slot, s.missed, \
         s.last_job, s.created_at"
    };
}

/// The columns of `schedule_columns!`.
type Schedule = (
    Text,
    Text,
    Text,
    Text,
    Text,
    Text,
    Text,
    Text,
    Text,
    Nullable<TaskxTime>,
    Nullable<TaskxTime>,
    Nullable<TaskxTime>,
    Nullable<TaskxTime>,
    BigInt,
    Nullable<TaskxId>,
    TaskxTime,
);

statement! {
    /// Lets one caller at a time declare schedules.
    pub(crate) LockSchedules() =
        "SELECT pg_advisory_xact_lock(1952539501, hashtext(current_schema()))";

    /// The schedules of these names, and all that an owner declared in code.
    pub(crate) Declared(names: Array<Text>, owner: Text) -> Schedule = concat!(
        "SELECT ", schedule_columns!(), " FROM taskx_schedules s \
         WHERE s.name = ANY ($1) OR (s.owner = $2 AND s.source = 'code') \
         ORDER BY s.name FOR UPDATE",
    );

    /// Writes a schedule. A row that is there keeps its past: last slot, last job, what it missed,
    /// when it was first declared, whether it is paused.
    pub(crate) WriteSchedule(
        name: Text,
        owner: Text,
        source: Text,
        task: Text,
        trigger: Text,
        args: Text,
        options: Text,
        declared_hash: Text,
        declared_version: Text,
        next_slot: Nullable<TaskxTime>,
    ) = "INSERT INTO taskx_schedules (name, owner, source, task, trigger_text, args, options, \
         declared_hash, declared_version, next_slot, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, now()) \
         ON CONFLICT (name) DO UPDATE SET owner = EXCLUDED.owner, source = EXCLUDED.source, \
         task = EXCLUDED.task, trigger_text = EXCLUDED.trigger_text, args = EXCLUDED.args, \
         options = EXCLUDED.options, declared_hash = EXCLUDED.declared_hash, \
         declared_version = EXCLUDED.declared_version, next_slot = EXCLUDED.next_slot, \
         dropped_at = NULL";

    /// A schedule that is declared as it was: only the version is noted.
    pub(crate) KeepSchedule(name: Text, declared_version: Text) =
        "UPDATE taskx_schedules SET declared_version = $2, dropped_at = NULL WHERE name = $1";

    /// Marks schedules that their owner no longer declares.
    pub(crate) DropSchedules(names: Array<Text>, version: Text) = "UPDATE taskx_schedules \
         SET dropped_at = now(), declared_version = $2 WHERE name = ANY ($1) AND dropped_at IS NULL";

    /// The live schedules of these tasks whose next slot is due or not yet known, with the clock
    /// and whether a job of an earlier slot is still live.
    pub(crate) DueSchedules(tasks: Array<Text>) -> (Schedule, TaskxTime, Bool) = concat!(
        "SELECT ", schedule_columns!(), ", now(), EXISTS (SELECT FROM taskx_jobs j \
         WHERE j.schedule_id = s.name) FROM taskx_schedules s \
         WHERE s.task = ANY ($1) AND s.paused_at IS NULL AND s.dropped_at IS NULL \
         AND (s.next_slot <= now() OR (s.next_slot IS NULL AND s.last_slot IS NULL)) \
         ORDER BY s.next_slot NULLS FIRST, s.name",
    );

    /// Microseconds until the first slot of these tasks' schedules, not above 0 if one is due.
    pub(crate) SoonestSlot(tasks: Array<Text>) -> Nullable<BigInt> =
        "SELECT (EXTRACT(epoch FROM min(COALESCE(next_slot, now())) - now()) * 1000000)::int8 \
         FROM taskx_schedules WHERE task = ANY ($1) AND paused_at IS NULL \
         AND dropped_at IS NULL AND (next_slot IS NOT NULL OR last_slot IS NULL)";

    /// Microseconds until the next slot of these tasks' other schedules.
    pub(crate) NextSlot(tasks: Array<Text>) -> Nullable<BigInt> =
        "SELECT (EXTRACT(epoch FROM min(next_slot) - now()) * 1000000)::int8 \
         FROM taskx_schedules WHERE task = ANY ($1) AND paused_at IS NULL \
         AND dropped_at IS NULL AND next_slot > now()";

    /// Locks a schedule that may still fire as it was read.
    pub(crate) LockSchedule(name: Text, declared_hash: Text) -> Text =
        "SELECT name FROM taskx_schedules WHERE name = $1 AND declared_hash = $2 \
         AND paused_at IS NULL AND dropped_at IS NULL FOR UPDATE";

    /// Takes slots that nobody has fired, and gives the jobs that shall stand for them.
    pub(crate) TakeSlots(schedule: Text, slots: Array<TaskxTime>, jobs: Array<TaskxId>) -> TaskxId =
        "INSERT INTO taskx_slots (schedule, slot, job_id, fired_at) \
         SELECT $1, i.slot, i.job, now() FROM unnest($2, $3) AS i(slot, job) \
         ON CONFLICT (schedule, slot) DO NOTHING RETURNING job_id";

    /// Moves a schedule's position forward, never back; what was missed counts only when it moves.
    pub(crate) MoveSchedule(
        name: Text,
        last_slot: Nullable<TaskxTime>,
        next_slot: Nullable<TaskxTime>,
        missed: BigInt,
        last_job: Nullable<TaskxId>,
    ) = "UPDATE taskx_schedules SET \
         missed = missed + CASE WHEN last_slot IS NULL OR last_slot < $2 THEN $4 ELSE 0 END, \
         last_slot = GREATEST(last_slot, $2), next_slot = $3, last_job = COALESCE($5, last_job) \
         WHERE name = $1 AND (last_slot IS NULL OR last_slot <= $2)";

    /// Every schedule, by name.
    pub(crate) AllSchedules() -> Schedule = concat!(
        "SELECT ", schedule_columns!(), " FROM taskx_schedules s ORDER BY s.name",
    );

    /// Pauses (`$2`) or resumes a schedule.
    pub(crate) PauseSchedule(name: Text, paused: Bool) = "UPDATE taskx_schedules \
         SET paused_at = CASE WHEN $2 THEN COALESCE(paused_at, now()) END WHERE name = $1";

    /// Removes a schedule.
    pub(crate) RemoveSchedule(name: Text) = "DELETE FROM taskx_schedules WHERE name = $1";
}
