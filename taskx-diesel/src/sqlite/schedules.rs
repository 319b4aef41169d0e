//! Schedules: declared, due, fired.

use chrono::{DateTime, Utc};
use diesel::{
    ExpressionMethods, OptionalExtension, QueryDsl, QueryResult, RunQueryDsl, SelectableHelper,
    SqliteConnection,
    sql_types::{BigInt, Integer, Nullable, Text},
};
use taskx_core::{
    error::{Error, ErrorKind},
    job::JobId,
    schedule::{DueSchedule, Firing, ScheduleInfo, ScheduleRow, ScheduleSource},
};

use super::insert::insert;
use crate::{
    declared::{Change, change, is_dropped},
    error::to_diesel,
    rows::ScheduleDbRow,
    schema::{
        sql_types::{TaskxId, TaskxTime},
        taskx_schedules,
    },
    statement::{Sql, statement},
    values::{DbId, DbTime},
};

statement! {
    AddSchedule(
        name: Text, owner: Text, source: Text, task: Text, trigger: Text, args: Text,
        options: Text, hash: Text, version: Text, next_slot: Nullable<TaskxTime>, now: TaskxTime,
    ) =
        "INSERT INTO taskx_schedules (name, owner, source, task, trigger_text, args, options,
            declared_hash, declared_version, next_slot, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

    /// Everything that is declared; the position only moves where `next_slot` says.
    ChangeSchedule(
        name: Text, owner: Text, task: Text, trigger: Text, args: Text, options: Text, hash: Text,
        version: Text, next_slot: Nullable<TaskxTime>,
    ) =
        "UPDATE taskx_schedules SET owner = ?2, task = ?3, trigger_text = ?4, args = ?5,
            options = ?6, declared_hash = ?7, declared_version = ?8, next_slot = ?9,
            dropped_at = NULL
         WHERE name = ?1";

    DeclareAgain(name: Text, version: Text) =
        "UPDATE taskx_schedules SET declared_version = ?2, dropped_at = NULL WHERE name = ?1";

    Drop(name: Text, now: TaskxTime, version: Text) =
        "UPDATE taskx_schedules SET dropped_at = ?2, declared_version = ?3 WHERE name = ?1";

    /// Whether a job of the schedule is still live.
    Overlapping(name: Text) -> Integer =
        "SELECT 1 FROM taskx_jobs INDEXED BY taskx_jobs_schedule WHERE schedule_id = ? LIMIT 1";

    /// The right to fire a slot: one row, ever.
    TakeSlot(schedule: Text, slot: TaskxTime, job_id: TaskxId, now: TaskxTime) =
        "INSERT INTO taskx_slots (schedule, slot, job_id, fired_at) VALUES (?, ?, ?, ?)
         ON CONFLICT DO NOTHING";

    Move(
        name: Text, last_slot: Nullable<TaskxTime>, next_slot: Nullable<TaskxTime>, missed: BigInt,
        last_job: Nullable<TaskxId>,
    ) =
        "UPDATE taskx_schedules SET last_slot = ?2, next_slot = ?3, missed = missed + ?4,
            last_job = COALESCE(?5, last_job)
         WHERE name = ?1";
}

fn find(conn: &mut SqliteConnection, name: &str) -> QueryResult<Option<ScheduleDbRow>> {
    taskx_schedules::table.find(name).select(ScheduleDbRow::as_select()).first(conn).optional()
}

/// Makes the schedules of `owner` what `declared` says.
pub(super) fn upsert(
    conn: &mut SqliteConnection,
    now: DbTime,
    owner: &str,
    version: &str,
    declared: &[ScheduleRow],
) -> QueryResult<()> {
    for row in declared {
        match find(conn, &row.name)? {
            None => add(conn, now, row, row.source)?,
            Some(old) => match change(&old, row).map_err(to_diesel)? {
                Change::None => {}
                Change::Again => {
                    DeclareAgain::with((&row.name, &row.declared_version)).execute(conn)?;
                }
                Change::All => replace(conn, row, row.next_slot.map(DbTime::from))?,
            },
        }
    }
    let mine: Vec<ScheduleDbRow> = taskx_schedules::table
        .filter(taskx_schedules::owner.eq(owner))
        .select(ScheduleDbRow::as_select())
        .load(conn)?;
    for row in mine.iter().filter(|row| is_dropped(row, version, declared)) {
        Drop::with((&row.name, now, version)).execute(conn)?;
    }
    Ok(())
}

fn add(
    conn: &mut SqliteConnection,
    now: DbTime,
    row: &ScheduleRow,
    source: ScheduleSource,
) -> QueryResult<()> {
    AddSchedule::with((
        &row.name,
        &row.owner,
        source.name(),
        &row.task,
        &row.trigger,
        &row.args,
        &row.options,
        &row.declared_hash,
        &row.declared_version,
        row.next_slot.map(DbTime::from),
        now,
    ))
    .execute(conn)
    .map(drop)
}

fn replace(
    conn: &mut SqliteConnection,
    row: &ScheduleRow,
    next_slot: Option<DbTime>,
) -> QueryResult<()> {
    ChangeSchedule::with((
        &row.name,
        &row.owner,
        &row.task,
        &row.trigger,
        &row.args,
        &row.options,
        &row.declared_hash,
        &row.declared_version,
        next_slot,
    ))
    .execute(conn)
    .map(drop)
}

/// The schedules among `tasks` that are due or whose next slot is unknown, and the next time at
/// which another will be.
pub(super) fn due(
    conn: &mut SqliteConnection,
    now: DbTime,
    tasks: &[String],
) -> QueryResult<(Vec<DueSchedule>, Option<DateTime<Utc>>)> {
    let rows: Vec<ScheduleDbRow> = taskx_schedules::table
        .filter(taskx_schedules::paused_at.is_null())
        .filter(taskx_schedules::dropped_at.is_null())
        .order(taskx_schedules::name)
        .select(ScheduleDbRow::as_select())
        .load(conn)?;
    let mut due = Vec::new();
    let mut next = None;
    // There are few schedules, and a list of names as binds would never be the same statement.
    for row in rows.into_iter().filter(|row| tasks.contains(&row.task)) {
        match row.next_slot {
            Some(slot) if slot > now => {
                next = Some(next.map_or(slot.0, |next: DateTime<Utc>| next.min(slot.0)));
            }
            // Exhausted: it has fired, and there is nothing to come.
            None if row.last_slot.is_some() => {}
            _ => {
                let live: Vec<i32> = Overlapping::with((&row.name,)).load(conn)?;
                due.push(row.into_due(now, !live.is_empty()));
            }
        }
    }
    Ok((due, next))
}

/// Fires slots that nobody has fired, and moves the schedule's position forward.
pub(super) fn fire(
    conn: &mut SqliteConnection,
    now: DbTime,
    firing: &Firing,
) -> QueryResult<Vec<JobId>> {
    let Some(row) = find(conn, &firing.name)? else { return Ok(Vec::new()) };
    if row.declared_hash != firing.declared_hash
        || row.paused_at.is_some()
        || row.dropped_at.is_some()
    {
        return Ok(Vec::new());
    }
    let mut fired = Vec::new();
    for job in &firing.jobs {
        let Some(slot) = job.extras.as_ref().and_then(|extras| extras.slot) else {
            return Err(to_diesel(Error::new(
                ErrorKind::Config,
                format!("a job fired by schedule `{}` has no slot", firing.name),
            )));
        };
        let values = (&firing.name, DbTime(slot), DbId::from(job.id), now);
        if TakeSlot::with(values).execute(conn)? == 1 {
            insert(conn, now, std::slice::from_ref(job))?;
            fired.push(job.id);
        }
    }
    let last_slot = firing.last_slot.map(DbTime::from);
    // Another caller may have been faster: positions never go back.
    if last_slot >= row.last_slot {
        let missed = if last_slot > row.last_slot { firing.missed } else { 0 };
        let last_job = fired.last().map(|&id| DbId::from(id));
        let next_slot = firing.next_slot.map(DbTime::from);
        Move::with((&firing.name, last_slot, next_slot, missed, last_job)).execute(conn)?;
    }
    Ok(fired)
}

/// Every schedule, by name.
pub(super) fn list(conn: &mut SqliteConnection) -> QueryResult<Vec<ScheduleInfo>> {
    let rows: Vec<ScheduleDbRow> = taskx_schedules::table
        .order(taskx_schedules::name)
        .select(ScheduleDbRow::as_select())
        .load(conn)?;
    Ok(rows.into_iter().map(ScheduleInfo::from).collect())
}

/// Inserts or replaces a dynamic schedule. Its position stays where nothing that decides it changed.
pub(super) fn put(conn: &mut SqliteConnection, now: DbTime, row: &ScheduleRow) -> QueryResult<()> {
    let Some(old) = find(conn, &row.name)? else {
        return add(conn, now, row, ScheduleSource::Dynamic);
    };
    refuse_code(&old)?;
    let same = old.declared_hash == row.declared_hash;
    let next_slot = if same { old.next_slot } else { row.next_slot.map(DbTime::from) };
    replace(conn, row, next_slot)
}

/// Pauses or resumes a schedule; answers whether there is one.
pub(super) fn pause(
    conn: &mut SqliteConnection,
    now: DbTime,
    name: &str,
    paused: bool,
) -> QueryResult<bool> {
    let Some(row) = find(conn, name)? else { return Ok(false) };
    let since = paused.then(|| row.paused_at.unwrap_or(now));
    diesel::update(taskx_schedules::table.find(name))
        .set(taskx_schedules::paused_at.eq(since))
        .execute(conn)?;
    Ok(true)
}

/// Removes a dynamic schedule; answers whether there was one.
pub(super) fn remove(conn: &mut SqliteConnection, name: &str) -> QueryResult<bool> {
    let Some(row) = find(conn, name)? else { return Ok(false) };
    refuse_code(&row)?;
    diesel::delete(taskx_schedules::table.find(name)).execute(conn)?;
    Ok(true)
}

fn refuse_code(row: &ScheduleDbRow) -> QueryResult<()> {
    if row.source() == ScheduleSource::Dynamic {
        return Ok(());
    }
    Err(to_diesel(Error::new(
        ErrorKind::Conflict,
        format!(
            "schedule `{}` is declared in the code of `{}`; change it there",
            row.name, row.owner
        ),
    )))
}
