//! The interval trigger: every so many seconds of real time.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::error::{TriggerError, TriggerErrorKind};
use crate::instant::{LAST, SECOND, ceil, ceil_second, date_time};
use crate::moment;
use crate::suggest::nearest;
use crate::text::{Call, Writer};
use crate::timetable::{EveryTable, Timetable};
use crate::window::Bound;
use crate::zone::{spoken, zone};

/// The units of an interval, the longest first, with their seconds.
const UNITS: [(&str, i64); 5] =
    [("weeks", 604_800), ("days", 86_400), ("hours", 3_600), ("minutes", 60), ("seconds", 1)];

/// Fires at a start and then again and again, the same real time apart.
///
/// A day is 24 hours here: over a change of the clock the wall-clock time moves. What must stay at
/// a wall-clock time is a [`CronTrigger`](crate::CronTrigger).
///
/// Without a `start_date` it has no beginning of its own: it counts from wherever it is first
/// looked at, and fires first one interval later. [`anchored_at`](Self::anchored_at) fixes that
/// beginning.
///
/// ```
/// use taskx_schedule::IntervalTrigger;
///
/// let trigger = IntervalTrigger::builder()
///     .minutes(90)
///     .start_date("2026-01-01 09:00:00")
///     .timezone("Europe/Berlin")
///     .build()?;
/// let times: Vec<String> = trigger
///     .upcoming("2026-01-01T08:00:01Z".parse()?)
///     .take(2)
///     .map(|time| time.to_rfc3339())
///     .collect();
/// assert_eq!(times, ["2026-01-01T10:30:00+01:00", "2026-01-01T12:00:00+01:00"]);
/// assert_eq!(
///     trigger.describe(),
///     "every 1 hour and 30 minutes, from 2026-01-01 09:00:00, Berlin time",
/// );
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct IntervalTrigger {
    /// Whole seconds, at least 1.
    pub(crate) seconds: i64,
    pub(crate) zone: Tz,
    /// Microseconds since 1970.
    pub(crate) start: Option<i64>,
    /// Microseconds since 1970; inclusive.
    pub(crate) end: Option<i64>,
}

impl IntervalTrigger {
    /// A builder of no length.
    pub fn builder() -> IntervalTriggerBuilder {
        IntervalTriggerBuilder::default()
    }

    /// The real time between two fire times: whole seconds, at least one.
    #[must_use]
    pub fn interval(&self) -> Duration {
        Duration::from_secs(self.seconds.unsigned_abs())
    }

    /// The zone in which fire times are shown; UTC by default.
    #[must_use]
    pub fn timezone(&self) -> Tz {
        self.zone
    }

    /// The first fire time, if the trigger has a beginning of its own.
    #[must_use]
    pub fn start_date(&self) -> Option<DateTime<Utc>> {
        self.start.map(date_time)
    }

    /// The last instant at which the trigger may fire, if there is a bound.
    #[must_use]
    pub fn end_date(&self) -> Option<DateTime<Utc>> {
        self.end.map(date_time)
    }

    /// The trigger with a beginning: its own, or else one that fires first an interval after
    /// `first_seen` (rounded up to a whole second).
    #[must_use]
    pub fn anchored_at(self, first_seen: DateTime<Utc>) -> Self {
        let start = self.start.unwrap_or_else(|| {
            let seconds = ceil_second(ceil(first_seen)).saturating_add(self.seconds);
            seconds.saturating_mul(SECOND)
        });
        Self { start: Some(start), ..self }
    }

    /// Whether the trigger fires at all.
    ///
    /// # Errors
    /// [`TriggerErrorKind::NeverFires`] if `start_date` is after `end_date`.
    pub fn check_fires(&self) -> Result<(), TriggerError> {
        match (self.start, self.end) {
            (Some(start), Some(end)) if start > end => {
                Err(TriggerError::new(TriggerErrorKind::NeverFires, "start_date is after end_date")
                    .of("end_date"))
            }
            _ => Ok(()),
        }
    }

    /// What the trigger does, in plain English, without a full stop.
    #[must_use]
    pub fn describe(&self) -> String {
        let parts: Vec<String> = self
            .units()
            .map(|(unit, count)| match count {
                1 => format!("1 {}", unit.trim_end_matches('s')),
                _ => format!("{count} {unit}"),
            })
            .collect();
        let mut text = match parts.as_slice() {
            // "every hour", but "every 1 hour and 30 minutes".
            [only] => format!("every {}", only.strip_prefix("1 ").unwrap_or(only)),
            _ => format!("every {}", crate::words::and(&parts)),
        };
        for (word, at) in [("from", self.start), ("until", self.end)] {
            if let Some(at) = at {
                text.push_str(&format!(", {word} {}", moment::write(at, self.zone)));
            }
        }
        if self.start.is_some() || self.end.is_some() || self.zone != Tz::UTC {
            text.push_str(&format!(", {}", spoken(self.zone)));
        }
        text
    }

    /// The length in units, the longest first, without those that are 0.
    fn units(&self) -> impl Iterator<Item = (&'static str, i64)> {
        let mut rest = self.seconds;
        let split = UNITS.map(|(unit, seconds)| {
            let count = rest / seconds;
            rest %= seconds;
            (unit, count)
        });
        split.into_iter().filter(|(_, count)| *count > 0)
    }

    pub(crate) fn table_from(&self, from: DateTime<Utc>) -> Option<Timetable<'_>> {
        let Self { seconds, start, .. } = self.anchored_at(from);
        Some(Timetable::Every(EveryTable {
            start: start?,
            every: seconds.saturating_mul(SECOND),
            end: self.end.unwrap_or(LAST).min(LAST),
        }))
    }

    pub(crate) fn table_after(&self, after: DateTime<Utc>) -> Option<Timetable<'_>> {
        self.table_from(after)
    }

    pub(crate) fn from_call(call: &Call<'_>) -> Result<Self, TriggerError> {
        let mut builder = Self::builder();
        for argument in &call.arguments {
            let value = argument.value;
            let known = UNITS.into_iter().find(|(unit, _)| argument.key == Some(*unit));
            builder = match (argument.key, known) {
                (_, Some((unit, seconds))) => {
                    let count = value.parse::<u32>().map_err(|_| {
                        let problem = format!("`{unit}` takes a whole number up to {}", u32::MAX);
                        let error = TriggerError::new(TriggerErrorKind::OutOfRange, problem);
                        call.place(error.of(unit).at(value, 0..value.len()).allow(0, u32::MAX))
                    })?;
                    builder.add(count, seconds)
                }
                (Some("timezone"), _) => builder.timezone(value),
                (Some("start_date"), _) => builder.start_date(value),
                (Some("end_date"), _) => builder.end_date(value),
                (key, _) => {
                    let known = UNITS.map(|(unit, _)| unit);
                    let others = ["timezone", "start_date", "end_date"];
                    let meant = nearest(key.unwrap_or(""), known.into_iter().chain(others));
                    return Err(call.unknown_key(argument, meant));
                }
            };
        }
        builder.check_given().and_then(|()| builder.build()).map_err(|error| call.place(error))
    }
}

crate::timetable::timetable_methods!(IntervalTrigger);
crate::text_serde::serde_as_text!(IntervalTrigger);

/// The canonical text, such as `interval(hours = 1, minutes = 30)`.
impl fmt::Display for IntervalTrigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut writer = Writer::new("interval");
        for (unit, count) in self.units() {
            writer.number(unit, count);
        }
        if self.zone != Tz::UTC {
            writer.text("timezone", self.zone.name());
        }
        for (key, at) in [("start_date", self.start), ("end_date", self.end)] {
            if let Some(at) = at {
                writer.text(key, &moment::write(at, self.zone));
            }
        }
        f.pad(&writer.finish())
    }
}

impl fmt::Debug for IntervalTrigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads the canonical text.
impl FromStr for IntervalTrigger {
    type Err = TriggerError;

    fn from_str(text: &str) -> Result<Self, TriggerError> {
        let call = Call::parse(text)?;
        match call.kind {
            "interval" => Self::from_call(&call),
            _ => Err(call.unknown_kind("an interval trigger, which is `interval(..)`")),
        }
    }
}

/// Builds an [`IntervalTrigger`]; made by [`IntervalTrigger::builder`]. The units add up.
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until `build`"]
pub struct IntervalTriggerBuilder {
    seconds: i64,
    timezone: Option<String>,
    start: Option<Bound>,
    end: Option<Bound>,
}

impl IntervalTriggerBuilder {
    /// Adds weeks of 7 × 24 hours.
    pub fn weeks(self, weeks: u32) -> Self {
        self.add(weeks, 604_800)
    }

    /// Adds days of 24 hours.
    pub fn days(self, days: u32) -> Self {
        self.add(days, 86_400)
    }

    /// Adds hours.
    pub fn hours(self, hours: u32) -> Self {
        self.add(hours, 3_600)
    }

    /// Adds minutes.
    pub fn minutes(self, minutes: u32) -> Self {
        self.add(minutes, 60)
    }

    /// Adds seconds.
    pub fn seconds(self, seconds: u32) -> Self {
        self.add(seconds, 1)
    }

    fn add(mut self, count: u32, seconds: i64) -> Self {
        self.seconds = self.seconds.saturating_add(i64::from(count) * seconds);
        self
    }

    /// The IANA zone in which fire times are shown and dates without an offset are read. Default:
    /// `UTC`.
    pub fn timezone(mut self, name: impl Into<String>) -> Self {
        self.timezone = Some(name.into());
        self
    }

    /// The first fire time, as text (see [`DateTrigger::parse`](crate::DateTrigger::parse)).
    pub fn start_date(mut self, text: impl Into<String>) -> Self {
        self.start = Some(Bound::Text(text.into()));
        self
    }

    /// The last instant at which the trigger may fire, as text like
    /// [`start_date`](Self::start_date).
    pub fn end_date(mut self, text: impl Into<String>) -> Self {
        self.end = Some(Bound::Text(text.into()));
        self
    }

    /// The first fire time.
    pub fn start_at(mut self, at: DateTime<Utc>) -> Self {
        self.start = Some(Bound::At(at));
        self
    }

    /// The last instant at which the trigger may fire.
    pub fn end_at(mut self, at: DateTime<Utc>) -> Self {
        self.end = Some(Bound::At(at));
        self
    }

    /// Whether any length was given: attributes and text insist on it.
    ///
    /// # Errors
    /// [`TriggerErrorKind::NoField`].
    pub fn check_given(&self) -> Result<(), TriggerError> {
        if self.seconds > 0 {
            return Ok(());
        }
        Err(TriggerError::new(TriggerErrorKind::NoField, "the interval has no length")
            .hinting("give at least one of weeks, days, hours, minutes and seconds"))
    }

    /// Reads all that was given. No length at all is one second, as in APScheduler
    /// ([`check_given`](Self::check_given)).
    ///
    /// # Errors
    /// If the zone or a date cannot be read, or the length is beyond the calendar's 10,000 years.
    pub fn build(self) -> Result<IntervalTrigger, TriggerError> {
        /// More than the years 1 to 9999 have.
        const LONGEST: i64 = 10_000 * 366 * 86_400;
        let zone = match &self.timezone {
            Some(name) => zone(name)?,
            None => Tz::UTC,
        };
        if self.seconds > LONGEST {
            let problem = "the interval is longer than the calendar";
            return Err(TriggerError::new(TriggerErrorKind::OutOfRange, problem));
        }
        let start = self.start.map(|start| start.at_start("start_date", zone)).transpose()?;
        let end = self.end.map(|end| end.at_end("end_date", zone)).transpose()?;
        Ok(IntervalTrigger { seconds: self.seconds.max(1), zone, start, end })
    }
}
