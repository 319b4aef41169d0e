//! Schedules: declared, due, fired.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods, QueryDsl, QueryResult, SelectableHelper};
use serde::Serialize;
use taskx_core::{
    error::{Error, ErrorKind},
    job::{JobId, NewJob},
    schedule::{DueSchedule, Firing, ScheduleInfo, ScheduleRow, ScheduleSource},
};
use uuid::Uuid;

use super::{
    batch::name_list,
    insert::{insert, storable},
    run::{Run, Session},
    statements::{
        schedules::{
            AddSchedule, ChangeSchedule, DeclareAgain, DropSchedules, FiredSlots, MoveSchedule,
            Overlapping, PauseSchedule, TakeSlots,
        },
        upkeep::Now,
        workers::Alone,
    },
};
use crate::{
    declared::{Change, change, is_dropped},
    error::to_diesel,
    rows::{ScheduleDbRow, json_text},
    schema::taskx_schedules,
    statement::Sql,
    values::{DbId, DbTime},
};

/// The row of a schedule, locked.
async fn find(session: &mut Session, name: &str) -> QueryResult<Option<ScheduleDbRow>> {
    let query = taskx_schedules::table.find(name).select(ScheduleDbRow::as_select()).for_update();
    let rows: Vec<ScheduleDbRow> = session.load(query).await?;
    Ok(rows.into_iter().next())
}

/// Every schedule, by name.
pub(super) async fn list(session: &mut Session) -> QueryResult<Vec<ScheduleInfo>> {
    let query =
        taskx_schedules::table.order(taskx_schedules::name).select(ScheduleDbRow::as_select());
    let rows: Vec<ScheduleDbRow> = session.load(query).await?;
    Ok(rows.into_iter().map(ScheduleInfo::from).collect())
}

/// Makes the schedules of `owner` what `declared` says. One session at a time, for programs start
/// together and declare the same rows.
pub(super) async fn upsert(
    session: &mut Session,
    owner: &str,
    version: &str,
    declared: &[ScheduleRow],
) -> QueryResult<()> {
    let _: Vec<String> = session.load(Alone::with(())).await?;
    let query = taskx_schedules::table.select(ScheduleDbRow::as_select());
    let rows: Vec<ScheduleDbRow> = session.load(query).await?;
    let there: HashMap<&str, &ScheduleDbRow> =
        rows.iter().map(|row| (row.name.as_str(), row)).collect();
    for row in declared {
        match there.get(row.name.as_str()) {
            None => add(session, row, row.source).await?,
            Some(old) => match change(old, row).map_err(to_diesel)? {
                Change::None => {}
                Change::Again => {
                    let values = (&row.declared_version, &row.name);
                    session.execute(DeclareAgain::with(values)).await?;
                }
                Change::All => replace(session, row, row.next_slot).await?,
            },
        }
    }
    let dropped: Vec<&str> = rows
        .iter()
        .filter(|row| row.owner == owner && is_dropped(row, version, declared))
        .map(|row| row.name.as_str())
        .collect();
    if !dropped.is_empty() {
        let names = name_list(dropped.into_iter());
        session.execute(DropSchedules::with((&names, version))).await?;
    }
    Ok(())
}

fn stored(time: Option<DateTime<Utc>>) -> Option<DbTime> {
    time.map(|time| DbTime(storable(time)))
}

async fn add(session: &mut Session, row: &ScheduleRow, source: ScheduleSource) -> QueryResult<()> {
    let values = (
        &row.name,
        &row.owner,
        source.name(),
        &row.task,
        &row.trigger,
        &row.args,
        &row.options,
        &row.declared_hash,
        &row.declared_version,
        stored(row.next_slot),
    );
    session.execute(AddSchedule::with(values)).await.map(drop)
}

async fn replace(
    session: &mut Session,
    row: &ScheduleRow,
    next_slot: Option<DateTime<Utc>>,
) -> QueryResult<()> {
    let values = (
        &row.owner,
        &row.task,
        &row.trigger,
        &row.args,
        &row.options,
        &row.declared_hash,
        &row.declared_version,
        stored(next_slot),
        &row.name,
    );
    session.execute(ChangeSchedule::with(values)).await.map(drop)
}

/// The schedules among `tasks` that are due or whose next slot is unknown, and how long until the
/// next of the others is.
pub(super) async fn due(
    session: &mut Session,
    tasks: &[String],
) -> QueryResult<(Vec<DueSchedule>, Option<Duration>)> {
    let query = taskx_schedules::table
        .filter(taskx_schedules::paused_at.is_null())
        .filter(taskx_schedules::dropped_at.is_null())
        .order(taskx_schedules::name)
        .select(ScheduleDbRow::as_select());
    let mut rows: Vec<ScheduleDbRow> = session.load(query).await?;
    // There are few schedules, and a list of names as binds would never be the same statement.
    rows.retain(|row| tasks.contains(&row.task));
    if rows.is_empty() {
        return Ok((Vec::new(), None));
    }
    let now: Vec<DbTime> = session.load(Now::with(())).await?;
    let now = now.first().copied().ok_or(diesel::result::Error::NotFound)?;
    let (mut due, mut next) = (Vec::new(), None::<DbTime>);
    for row in rows {
        match row.next_slot {
            Some(slot) if slot > now => next = Some(next.map_or(slot, |next| next.min(slot))),
            // Exhausted: it has fired, and there is nothing to come.
            None if row.last_slot.is_some() => {}
            _ => due.push(row),
        }
    }
    let overlapping: Vec<String> = if due.is_empty() {
        Vec::new()
    } else {
        let names = name_list(due.iter().map(|row| row.name.as_str()));
        session.load(Overlapping::with((&names,))).await?
    };
    let due = due.into_iter().map(|row| {
        let overlaps = overlapping.contains(&row.name);
        row.into_due(now, overlaps)
    });
    Ok((due.collect(), next.map(|next| (next.0 - now.0).to_std().unwrap_or_default())))
}

/// A slot to be taken, as the columns of [`TakeSlots`].
#[derive(Serialize)]
struct Slot {
    slot: String,
    #[serde(with = "uuid::serde::simple")]
    job: Uuid,
}

/// A time as a DATETIME is written.
fn text(time: DateTime<Utc>) -> String {
    storable(time).format("%Y-%m-%d %H:%M:%S%.6f").to_string()
}

/// Fires slots that nobody has fired, and moves the schedule's position forward. The row's lock
/// keeps others out meanwhile.
pub(super) async fn fire(session: &mut Session, firing: &Firing) -> QueryResult<Vec<JobId>> {
    let Some(row) = find(session, &firing.name).await? else { return Ok(Vec::new()) };
    if row.declared_hash != firing.declared_hash
        || row.paused_at.is_some()
        || row.dropped_at.is_some()
    {
        return Ok(Vec::new());
    }
    let fired = fire_slots(session, firing).await?;
    let last_slot = stored(firing.last_slot);
    // Another caller may have been faster: positions never go back.
    if last_slot >= row.last_slot {
        let missed = if last_slot > row.last_slot { firing.missed } else { 0 };
        let last_job = fired.last().map(|&id| DbId::from(id));
        let values = (last_slot, stored(firing.next_slot), missed, last_job, &firing.name);
        session.execute(MoveSchedule::with(values)).await?;
    }
    Ok(fired)
}

/// Takes the slots that are free and inserts their jobs.
async fn fire_slots(session: &mut Session, firing: &Firing) -> QueryResult<Vec<JobId>> {
    let mut slots = Vec::with_capacity(firing.jobs.len());
    for job in &firing.jobs {
        let slot = job.extras.as_ref().and_then(|extras| extras.slot).ok_or_else(|| {
            to_diesel(Error::new(
                ErrorKind::Config,
                format!("a job fired by schedule `{}` has no slot", firing.name),
            ))
        })?;
        slots.push(text(slot));
    }
    if slots.is_empty() {
        return Ok(Vec::new());
    }
    let values = (&firing.name, &json_text(&slots));
    let fired: Vec<DbTime> = session.load(FiredSlots::with(values)).await?;
    let mut taken: HashSet<String> = fired.into_iter().map(|slot| text(slot.0)).collect();
    let (mut jobs, mut rows) = (Vec::<NewJob>::new(), Vec::new());
    for (job, slot) in firing.jobs.iter().zip(slots) {
        if taken.insert(slot.clone()) {
            rows.push(Slot { slot, job: job.id.as_uuid() });
            jobs.push(job.clone());
        }
    }
    if !rows.is_empty() {
        session.execute(TakeSlots::with((&firing.name, &json_text(&rows)))).await?;
        insert(session, &jobs).await?;
    }
    Ok(jobs.into_iter().map(|job| job.id).collect())
}

/// Inserts or replaces a dynamic schedule. Its position stays where nothing that decides it
/// changed.
pub(super) async fn put(session: &mut Session, row: &ScheduleRow) -> QueryResult<()> {
    let _: Vec<String> = session.load(Alone::with(())).await?;
    let Some(old) = find(session, &row.name).await? else {
        return add(session, row, ScheduleSource::Dynamic).await;
    };
    refuse_code(&old)?;
    let same = old.declared_hash == row.declared_hash;
    let next_slot = if same { old.next_slot.map(Into::into) } else { row.next_slot };
    replace(session, row, next_slot).await
}

/// Pauses or resumes a schedule; answers whether there is one.
pub(super) async fn pause(session: &mut Session, name: &str, paused: bool) -> QueryResult<bool> {
    if paused {
        return Ok(session.execute(PauseSchedule::with((name,))).await? > 0);
    }
    let resume = diesel::update(taskx_schedules::table.find(name))
        .set(taskx_schedules::paused_at.eq(None::<DbTime>));
    Ok(session.execute(resume).await? > 0)
}

/// Removes a dynamic schedule; answers whether there was one.
pub(super) async fn remove(session: &mut Session, name: &str) -> QueryResult<bool> {
    let Some(row) = find(session, name).await? else { return Ok(false) };
    refuse_code(&row)?;
    session.execute(diesel::delete(taskx_schedules::table.find(name))).await?;
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
