//! Schedules: declared, due, fired. What is not here is Diesel's typed DSL.

use diesel::sql_types::{BigInt, Nullable, Text};

use super::names;
use crate::{
    schema::sql_types::{TaskxId, TaskxTime},
    statement::statement,
};

statement! {
    pub(in crate::mysql) AddSchedule(
        name: Text, owner: Text, source: Text, task: Text, trigger: Text, args: Text,
        options: Text, hash: Text, version: Text, next_slot: Nullable<TaskxTime>,
    ) =
        "INSERT INTO taskx_schedules (name, owner, source, task, trigger_text, args, options,
            declared_hash, declared_version, next_slot, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, UTC_TIMESTAMP(6))";

    /// Everything that is declared; the last slot and what was counted stay.
    pub(in crate::mysql) ChangeSchedule(
        owner: Text, task: Text, trigger: Text, args: Text, options: Text, hash: Text,
        version: Text, next_slot: Nullable<TaskxTime>, name: Text,
    ) =
        "UPDATE taskx_schedules SET owner = ?, task = ?, trigger_text = ?, args = ?, options = ?,
            declared_hash = ?, declared_version = ?, next_slot = ?, dropped_at = NULL
         WHERE name = ?";

    pub(in crate::mysql) DeclareAgain(version: Text, name: Text) =
        "UPDATE taskx_schedules SET declared_version = ?, dropped_at = NULL WHERE name = ?";

    pub(in crate::mysql) DropSchedules(names: Text, version: Text) = concat!(
        "UPDATE ", names!(), " STRAIGHT_JOIN taskx_schedules t ON t.name = s.name
         SET t.dropped_at = UTC_TIMESTAMP(6), t.declared_version = ?"
    );

    pub(in crate::mysql) PauseSchedule(name: Text) =
        "UPDATE taskx_schedules SET paused_at = COALESCE(paused_at, UTC_TIMESTAMP(6))
         WHERE name = ?";

    /// Of these schedules, those with a live job.
    pub(in crate::mysql) Overlapping(names: Text) -> Text = concat!(
        "SELECT s.name FROM ", names!(), " WHERE EXISTS (
            SELECT 1 FROM taskx_jobs j FORCE INDEX (taskx_jobs_schedule)
            WHERE j.schedule_id = s.name)"
    );

    /// The slots of a schedule, among these, that were fired before.
    pub(in crate::mysql) FiredSlots(schedule: Text, slots: Text) -> TaskxTime =
        "SELECT t.slot FROM taskx_slots t
         WHERE t.schedule = ? AND t.slot IN (
            SELECT s.slot FROM JSON_TABLE(?, '$[*]' COLUMNS (slot DATETIME(6) PATH '$')) AS s)";

    /// The right to fire slots: one row a slot, ever.
    pub(in crate::mysql) TakeSlots(schedule: Text, rows: Text) =
        "INSERT INTO taskx_slots (schedule, slot, job_id, fired_at)
         SELECT ?, s.slot, UNHEX(s.job), UTC_TIMESTAMP(6)
         FROM JSON_TABLE(?, '$[*]' COLUMNS (
            slot DATETIME(6) PATH '$.slot',
            job CHAR(32) CHARACTER SET ascii PATH '$.job')) AS s";

    pub(in crate::mysql) MoveSchedule(
        last_slot: Nullable<TaskxTime>, next_slot: Nullable<TaskxTime>, missed: BigInt,
        last_job: Nullable<TaskxId>, name: Text,
    ) =
        "UPDATE taskx_schedules SET last_slot = ?, next_slot = ?, missed = missed + ?,
            last_job = COALESCE(?, last_job)
         WHERE name = ?";
}
