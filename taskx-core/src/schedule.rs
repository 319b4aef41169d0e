//! Schedules as rows: what is declared, what is due, what is fired.

use std::{cmp::Ordering, time::Duration};

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::job::{JobId, NewJob};

/// A schedule to be declared.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleRow {
    /// Its key, unique in the database (default: the task's name).
    pub name: String,
    /// The service that declares it.
    pub owner: String,
    /// Whether it is declared in code (an attribute) or at run time.
    pub source: ScheduleSource,
    /// Wire name of its task.
    pub task: String,
    /// The trigger's canonical text.
    pub trigger: String,
    /// The arguments of its jobs: a JSON object.
    pub args: String,
    /// Queue, priority, misfire policy and so on: a JSON object, read by the schedule loop.
    pub options: String,
    /// Hash of all that is declared; a changed one makes the position be computed anew.
    pub declared_hash: String,
    /// The declaring application's version, compared number by number; an older declaration does
    /// not replace a newer one.
    pub declared_version: String,
    /// The first slot by the trigger, where the caller computed it.
    pub next_slot: Option<DateTime<Utc>>,
}

/// Where a schedule comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum ScheduleSource {
    /// An attribute in the application's code.
    Code,
    /// Made at run time.
    Dynamic,
}

impl ScheduleSource {
    /// The word in the column `source`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Dynamic => "dynamic",
        }
    }
}

/// A schedule that is due, or whose next slot is not known yet.
#[derive(Debug, Clone, PartialEq)]
pub struct DueSchedule {
    /// Its key.
    pub name: String,
    /// Wire name of its task.
    pub task: String,
    /// The trigger's canonical text.
    pub trigger: String,
    /// The arguments of its jobs.
    pub args: String,
    /// Its options, as declared.
    pub options: String,
    /// The last slot that was fired or passed over; `None` before the first.
    pub last_slot: Option<DateTime<Utc>>,
    /// The slot that is due; `None` if it must be computed.
    pub next_slot: Option<DateTime<Utc>>,
    /// When the schedule was first declared, by the database's clock; an interval counts from it.
    pub created_at: DateTime<Utc>,
    /// The hash that the position belongs to; given back in [`Firing`].
    pub declared_hash: String,
    /// The database's clock when it was read.
    pub now: DateTime<Utc>,
    /// Whether a job of an earlier slot is still live.
    pub overlapping: bool,
}

/// Slots of one schedule to be fired.
#[derive(Debug, Clone, PartialEq)]
pub struct Firing {
    /// The schedule's key.
    pub name: String,
    /// The hash under which it was read; if the row has another one now, nothing is done.
    pub declared_hash: String,
    /// The jobs, each with its slot in [`JobExtras::slot`](crate::job::JobExtras::slot).
    pub jobs: Vec<NewJob>,
    /// The last slot that is dealt with, fired or passed over. Positions only move forward.
    pub last_slot: Option<DateTime<Utc>>,
    /// The next slot; `None` when the trigger is exhausted.
    pub next_slot: Option<DateTime<Utc>>,
    /// Slots passed over by the misfire policy, for the record.
    pub missed: i64,
}

/// A schedule as an operator sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ScheduleInfo {
    /// Its key.
    pub name: String,
    /// The service that declares it.
    pub owner: String,
    /// Where it comes from.
    pub source: ScheduleSource,
    /// Wire name of its task.
    pub task: String,
    /// The trigger's canonical text.
    pub trigger: String,
    /// The arguments of its jobs.
    pub args: String,
    /// Its options, as declared.
    pub options: String,
    /// The declaring application's version.
    pub declared_version: String,
    /// When it was paused.
    pub paused_at: Option<DateTime<Utc>>,
    /// When its owner was first seen without it; such a schedule is not fired.
    pub dropped_at: Option<DateTime<Utc>>,
    /// The last slot that was fired or passed over.
    pub last_slot: Option<DateTime<Utc>>,
    /// The next slot; `None` when exhausted or not computed yet.
    pub next_slot: Option<DateTime<Utc>>,
    /// Slots passed over so far.
    pub missed: i64,
    /// The job fired last.
    pub last_job: Option<JobId>,
    /// When it was first declared.
    pub created_at: DateTime<Utc>,
}

impl ScheduleInfo {
    /// A row as it stands in the database, with nothing fired yet.
    #[must_use]
    pub fn new(row: &ScheduleRow, created_at: DateTime<Utc>) -> Self {
        Self {
            name: row.name.clone(),
            owner: row.owner.clone(),
            source: row.source,
            task: row.task.clone(),
            trigger: row.trigger.clone(),
            args: row.args.clone(),
            options: row.options.clone(),
            declared_version: row.declared_version.clone(),
            paused_at: None,
            dropped_at: None,
            last_slot: None,
            next_slot: row.next_slot,
            missed: 0,
            last_job: None,
            created_at,
        }
    }
}

/// The longest that a schedule loop sleeps without looking, so that changes made by others are
/// picked up.
pub const SCHEDULE_POLL: Duration = Duration::from_secs(5);

/// Compares versions number by number (`0.10.0` is newer than `0.9.1`); what is no number counts
/// as 0, what is missing too (`1.0` equals `1.0.0`), and what follows `-` or `+` does not count.
#[must_use]
pub fn compare_versions(left: &str, right: &str) -> Ordering {
    let numbers = |text: &str| -> Vec<u64> {
        let release = text.split(['-', '+']).next().unwrap_or_default();
        let mut numbers: Vec<_> =
            release.split('.').map(|part| part.parse().unwrap_or_default()).collect();
        numbers.truncate(numbers.iter().rposition(|number| *number > 0).map_or(0, |last| last + 1));
        numbers
    };
    numbers(left).cmp(&numbers(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_number_by_number() {
        assert!(compare_versions("0.10.0", "0.9.1").is_gt());
        assert!(compare_versions("1.0", "1.0.0").is_eq());
        assert!(compare_versions("1.2.3-rc.1", "1.2.3+4.5").is_eq());
        assert!(compare_versions("1.2", "1.2.1").is_lt());
        assert!(compare_versions("0.9", "1").is_lt());
        assert!(compare_versions("2.0.0-rc.1", "2.0.0").is_eq());
        assert!(compare_versions("", "0").is_eq());
    }
}
