//! One type over the kinds of trigger.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::cron::CronTrigger;
use crate::date::DateTrigger;
use crate::error::TriggerError;
use crate::interval::IntervalTrigger;
use crate::text::Call;
use crate::timetable::Timetable;

/// When something fires: by the wall clock, once, or in intervals.
///
/// Its text is that of the kinds, `cron(..)`, `date(..)` or `interval(..)`; bare crontab text is a
/// cron trigger too. This is how schedules are stored and shown.
///
/// ```
/// use taskx_schedule::Trigger;
///
/// let trigger: Trigger = "*/5 * * * *".parse()?;
/// assert_eq!(trigger.to_string(), "cron(minute = \"*/5\")");
/// assert_eq!(trigger.describe(), "every 5 minutes, UTC");
/// assert_eq!(trigger, trigger.to_string().parse()?);
/// # Ok::<_, taskx_schedule::TriggerError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Trigger {
    /// By the fields of the wall clock.
    Cron(CronTrigger),
    /// Once.
    Date(DateTrigger),
    /// Every so many seconds.
    Interval(IntervalTrigger),
}

impl Trigger {
    /// The zone in which fire times are shown, and by which a cron trigger reads the clock.
    #[must_use]
    pub fn timezone(&self) -> Tz {
        match self {
            Self::Cron(trigger) => trigger.timezone(),
            Self::Date(trigger) => trigger.timezone(),
            Self::Interval(trigger) => trigger.timezone(),
        }
    }

    /// What the trigger does, in plain English, without a full stop.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Cron(trigger) => trigger.describe(),
            Self::Date(trigger) => trigger.describe(),
            Self::Interval(trigger) => trigger.describe(),
        }
    }

    /// Whether the trigger fires at all, in bounded time.
    ///
    /// # Errors
    /// [`TriggerErrorKind::NeverFires`](crate::TriggerErrorKind::NeverFires) with the reason.
    pub fn check_fires(&self) -> Result<(), TriggerError> {
        match self {
            Self::Cron(trigger) => trigger.check_fires(),
            Self::Date(_) => Ok(()),
            Self::Interval(trigger) => trigger.check_fires(),
        }
    }

    /// The trigger with a beginning of its own, for one that is first seen now: an interval
    /// without `start_date` counts from there, a date trigger without a date fires there. All
    /// others stay as they are.
    #[must_use]
    pub fn anchored_at(self, first_seen: DateTime<Utc>) -> Self {
        match self {
            Self::Cron(_) => self,
            Self::Date(trigger) => Self::Date(trigger.anchored_at(first_seen)),
            Self::Interval(trigger) => Self::Interval(trigger.anchored_at(first_seen)),
        }
    }

    pub(crate) fn table_from(&self, from: DateTime<Utc>) -> Option<Timetable<'_>> {
        match self {
            Self::Cron(trigger) => trigger.table_from(from),
            Self::Date(trigger) => trigger.table_from(from),
            Self::Interval(trigger) => trigger.table_from(from),
        }
    }

    pub(crate) fn table_after(&self, after: DateTime<Utc>) -> Option<Timetable<'_>> {
        match self {
            Self::Cron(trigger) => trigger.table_after(after),
            Self::Date(trigger) => trigger.table_after(after),
            Self::Interval(trigger) => trigger.table_after(after),
        }
    }
}

crate::timetable::timetable_methods!(Trigger);
crate::text_serde::serde_as_text!(Trigger);

impl From<CronTrigger> for Trigger {
    fn from(trigger: CronTrigger) -> Self {
        Self::Cron(trigger)
    }
}

impl From<DateTrigger> for Trigger {
    fn from(trigger: DateTrigger) -> Self {
        Self::Date(trigger)
    }
}

impl From<IntervalTrigger> for Trigger {
    fn from(trigger: IntervalTrigger) -> Self {
        Self::Interval(trigger)
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cron(trigger) => fmt::Display::fmt(trigger, f),
            Self::Date(trigger) => fmt::Display::fmt(trigger, f),
            Self::Interval(trigger) => fmt::Display::fmt(trigger, f),
        }
    }
}

impl fmt::Debug for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Trigger {
    type Err = TriggerError;

    fn from_str(text: &str) -> Result<Self, TriggerError> {
        if !Call::looks_like(text) {
            return CronTrigger::from_crontab(text).map(Self::Cron);
        }
        let call = Call::parse(text)?;
        match call.kind {
            "cron" => CronTrigger::from_call(&call).map(Self::Cron),
            "date" => DateTrigger::from_call(&call).map(Self::Date),
            "interval" => IntervalTrigger::from_call(&call).map(Self::Interval),
            _ => Err(call.unknown_kind("a trigger: the kinds are `cron`, `date` and `interval`")),
        }
    }
}
