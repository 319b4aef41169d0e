//! What the code declares of schedules, as rows.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    time::Duration,
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use taskx_schedule::{Misfire, Trigger};

use crate::{
    error::{Error, ErrorKind, Result, chain},
    schedule::{ScheduleRow, ScheduleSource},
    task::{Overlap, ScheduleDef, TaskDef, TaskOptions},
};

/// What the column `options` holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ScheduleOptions {
    pub(crate) queue: String,
    pub(crate) priority: i16,
    pub(crate) max_attempts: u16,
    pub(crate) misfire: Misfire,
    /// How late a slot may be fired.
    pub(crate) grace: Duration,
    pub(crate) overlap: Overlap,
    /// The most that is added to a job's time.
    pub(crate) jitter: Duration,
}

impl Default for ScheduleOptions {
    fn default() -> Self {
        Self {
            queue: TaskOptions::DEFAULT.queue.to_owned(),
            priority: TaskOptions::DEFAULT.priority,
            max_attempts: TaskOptions::DEFAULT.max_attempts,
            misfire: Misfire::default(),
            grace: Duration::from_secs(3600),
            overlap: Overlap::default(),
            jitter: Duration::ZERO,
        }
    }
}

impl ScheduleOptions {
    /// The options of a task's schedules, before the schedule's own.
    pub(crate) fn of_task(task: &TaskDef) -> Self {
        Self {
            queue: task.options.queue.to_owned(),
            priority: task.options.priority,
            max_attempts: task.options.max_attempts,
            ..Self::default()
        }
    }

    /// The options in a row.
    ///
    /// # Errors
    /// `Config` if they cannot be read.
    pub(crate) fn read(text: &str) -> Result<Self> {
        serde_json::from_str(text)
            .map_err(|e| Error::new(ErrorKind::Config, "its options cannot be read").with_source(e))
    }

    /// The options as they are stored.
    ///
    /// # Errors
    /// Never in practice: they are plain values.
    pub(crate) fn write(&self) -> Result<String> {
        serde_json::to_string(self)
            .map_err(|e| Error::new(ErrorKind::Config, "write a schedule's options").with_source(e))
    }
}

/// The schedules of these tasks as rows. Those that name no zone count by `zone`.
///
/// # Errors
/// `Config` if two have one name, or if arguments cannot be written as JSON.
pub(crate) fn rows(
    tasks: &[&TaskDef],
    owner: &str,
    version: &str,
    zone: &str,
    now: DateTime<Utc>,
) -> Result<Vec<ScheduleRow>> {
    let wrong = mistakes(tasks, zone);
    if !wrong.is_empty() {
        return Err(Error::new(ErrorKind::Config, wrong.join("\n")));
    }
    let mut rows: Vec<ScheduleRow> = Vec::new();
    for task in tasks {
        for schedule in task.schedules {
            let trigger = schedule.trigger_in(zone)?;
            rows.push(row(task, schedule, &trigger, owner, version, now)?);
        }
    }
    Ok(rows)
}

/// What is wrong with the schedules of these tasks, each in a sentence with its place.
pub(crate) fn mistakes(tasks: &[&TaskDef], zone: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut places: BTreeMap<&str, String> = BTreeMap::new();
    for schedule in tasks.iter().flat_map(|task| task.schedules) {
        let place = format!("{}:{}", schedule.file, schedule.line);
        if let Err(error) = schedule.trigger_in(zone).map(drop).and((schedule.args)().map(drop)) {
            wrong.push(format!("{place}: schedule `{}`: {}", schedule.name, chain(&error)));
        }
        match places.entry(schedule.name) {
            Entry::Vacant(name) => drop(name.insert(place)),
            Entry::Occupied(first) => wrong.push(format!(
                "{place}: the schedule name `{}` is used at {} already; give one another with `schedule = \"..\"`",
                schedule.name,
                first.get()
            )),
        }
    }
    wrong
}

fn row(
    task: &TaskDef,
    schedule: &ScheduleDef,
    trigger: &Trigger,
    owner: &str,
    version: &str,
    now: DateTime<Utc>,
) -> Result<ScheduleRow> {
    let options = ScheduleOptions {
        misfire: schedule.misfire,
        grace: schedule.misfire_grace,
        overlap: schedule.overlap,
        jitter: schedule.jitter,
        ..ScheduleOptions::of_task(task)
    };
    let mut row = ScheduleRow {
        name: schedule.name.to_owned(),
        owner: owner.to_owned(),
        source: ScheduleSource::Code,
        task: task.name.to_owned(),
        trigger: trigger.to_string(),
        args: (schedule.args)()?,
        options: options.write()?,
        declared_hash: String::new(),
        declared_version: version.to_owned(),
        next_slot: first_slot(trigger, now),
    };
    row.declared_hash = hash(&row);
    Ok(row)
}

/// The slot that a schedule first seen now waits for. A date counts even if it is past, so that it
/// is fired within its grace or recorded as missed.
pub(crate) fn first_slot(trigger: &Trigger, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let trigger = trigger.clone().anchored_at(now);
    match &trigger {
        Trigger::Date(date) => date.run_date(),
        _ => trigger.upcoming(now).next().map(|at| at.with_timezone(&Utc)),
    }
}

/// A short hash of all that is declared, stable over builds and releases (FNV-1a, 64 bits): it
/// only tells a changed declaration from an unchanged one.
pub(crate) fn hash(row: &ScheduleRow) -> String {
    let parts = [&row.task, &row.trigger, &row.args, &row.options];
    let bytes = parts.into_iter().flat_map(|part| part.bytes().chain([0]));
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}
