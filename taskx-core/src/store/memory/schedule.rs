//! Schedules: declared, due, fired.

use std::{cmp::Ordering, time::Duration};

use super::{
    insert::insert,
    tables::{Schedule, Tables, Time},
};
use crate::{
    error::{Error, ErrorKind, Result},
    job::JobId,
    schedule::{DueSchedule, Firing, ScheduleInfo, ScheduleRow, ScheduleSource, compare_versions},
    store::Inserted,
};

/// Makes the schedules of `owner` what its `version` declares.
pub(super) fn upsert(
    tables: &mut Tables,
    now: Time,
    owner: &str,
    version: &str,
    declared: &[ScheduleRow],
) -> Result<()> {
    declared.iter().try_for_each(|row| refuse_taken(tables, owner, row))?;
    for row in declared {
        declare(tables, now, row);
    }
    for Schedule { info, .. } in tables.schedules.values_mut() {
        let gone = info.source == ScheduleSource::Code
            && info.owner == owner
            && !declared.iter().any(|row| row.name == info.name);
        // An old version that starts again must not drop what a newer one brought.
        let protected = compare_versions(&info.declared_version, version).is_gt();
        if gone && !protected && info.dropped_at.is_none() {
            info.dropped_at = Some(now);
            // Nor may it bring back what a newer one dropped.
            version.clone_into(&mut info.declared_version);
        }
    }
    Ok(())
}

/// Fails if the name belongs to another owner, or to a schedule made at run time.
fn refuse_taken(tables: &Tables, owner: &str, row: &ScheduleRow) -> Result<()> {
    let holder = match tables.schedules.get(&row.name) {
        Some(Schedule { info, .. }) if info.owner != owner => format!("to `{}`", info.owner),
        Some(Schedule { info, .. }) if info.source != row.source => "to a dynamic one".to_owned(),
        _ => return Ok(()),
    };
    Err(Error::new(
        ErrorKind::Conflict,
        format!("declare schedule `{}` of `{owner}`: its name belongs {holder}", row.name),
    ))
}

/// Inserts a schedule, or updates it if the declaration is not older and says something else.
fn declare(tables: &mut Tables, now: Time, row: &ScheduleRow) {
    let Some(there) = tables.schedules.get_mut(&row.name) else {
        put(tables, now, row);
        return;
    };
    let order = compare_versions(&row.declared_version, &there.info.declared_version);
    if order == Ordering::Less {
        return;
    }
    there.info.dropped_at = None;
    if there.declared_hash == row.declared_hash {
        there.info.declared_version.clone_from(&row.declared_version);
    } else {
        put(tables, now, row);
    }
}

/// Writes all that is declared; what happened so far (slots, pause, count) stays.
pub(super) fn put(tables: &mut Tables, now: Time, row: &ScheduleRow) {
    let mut info = ScheduleInfo::new(row, now);
    if let Some(Schedule { info: there, .. }) = tables.schedules.get(&row.name) {
        info.created_at = there.created_at;
        info.paused_at = there.paused_at;
        info.last_slot = there.last_slot;
        info.missed = there.missed;
        info.last_job = there.last_job;
    }
    let declared_hash = row.declared_hash.clone();
    tables.schedules.insert(row.name.clone(), Schedule { info, declared_hash });
}

/// The schedules that are due, and how long until the next of the others.
pub(super) fn due(
    tables: &Tables,
    now: Time,
    tasks: &[String],
) -> (Vec<DueSchedule>, Option<Duration>) {
    let (mut due, mut next) = (Vec::new(), None::<Time>);
    for Schedule { info, declared_hash } in tables.schedules.values() {
        if info.paused_at.is_some() || info.dropped_at.is_some() || !tasks.contains(&info.task) {
            continue;
        }
        match info.next_slot {
            Some(slot) if slot > now => next = Some(next.map_or(slot, |next| next.min(slot))),
            None if info.last_slot.is_some() => {}
            _ => due.push(DueSchedule {
                name: info.name.clone(),
                task: info.task.clone(),
                trigger: info.trigger.clone(),
                args: info.args.clone(),
                options: info.options.clone(),
                last_slot: info.last_slot,
                next_slot: info.next_slot,
                created_at: info.created_at,
                declared_hash: declared_hash.clone(),
                now,
                overlapping: has_live_job(tables, &info.name),
            }),
        }
    }
    (due, next.map(|slot| (slot - now).to_std().unwrap_or_default()))
}

fn has_live_job(tables: &Tables, schedule: &str) -> bool {
    tables.live.rows().any(|row| row.job.extras.schedule.as_deref() == Some(schedule))
}

/// Fires slots that were not fired before, and moves the position forward.
pub(super) fn fire(tables: &mut Tables, now: Time, firing: &Firing) -> Result<Vec<JobId>> {
    let stands = |there: &&mut Schedule| {
        there.declared_hash == firing.declared_hash
            && there.info.paused_at.is_none()
            && there.info.dropped_at.is_none()
    };
    if tables.schedules.get_mut(&firing.name).filter(stands).is_none() {
        return Ok(Vec::new());
    }
    let mut new = Vec::new();
    for job in &firing.jobs {
        let slot = job.extras.as_ref().and_then(|extras| extras.slot).ok_or_else(|| {
            Error::new(
                ErrorKind::Config,
                format!("fire schedule `{}`: a job has no slot", firing.name),
            )
        })?;
        if !tables.slots.contains_key(&(firing.name.clone(), slot)) {
            new.push((slot, job.clone()));
        }
    }
    let jobs: Vec<_> = new.iter().map(|(_, job)| job.clone()).collect();
    let answers = insert(tables, now, &jobs)?;
    tables.slots.extend(new.iter().map(|(slot, _)| ((firing.name.clone(), *slot), now)));
    let inserted: Vec<_> = jobs
        .iter()
        .zip(answers)
        .filter(|(_, answer)| *answer == Inserted::New)
        .map(|(job, _)| job.id)
        .collect();
    if let Some(Schedule { info, .. }) = tables.schedules.get_mut(&firing.name) {
        if let Some(last) = inserted.last() {
            info.last_job = Some(*last);
        }
        advance(info, firing);
    }
    Ok(inserted)
}

/// Moves the position, never back; what was passed over counts only when it moved.
fn advance(info: &mut ScheduleInfo, firing: &Firing) {
    if firing.last_slot < info.last_slot {
        return;
    }
    if firing.last_slot > info.last_slot {
        info.missed += firing.missed;
    }
    info.last_slot = firing.last_slot;
    info.next_slot = firing.next_slot;
}
