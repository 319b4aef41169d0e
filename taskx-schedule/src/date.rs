//! The date trigger: once, at a date.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::error::TriggerError;
use crate::instant::{ceil, date_time};
use crate::moment;
use crate::suggest::nearest;
use crate::text::{Call, Writer};
use crate::timetable::{OnceTable, Timetable};
use crate::zone::zone;

/// Fires once: at a date, or when it is first seen.
///
/// ```
/// use taskx_schedule::DateTrigger;
///
/// let trigger = DateTrigger::parse("2009-11-06 16:30:05", "America/New_York")?;
/// assert_eq!(trigger.run_date().unwrap().to_rfc3339(), "2009-11-06T21:30:05+00:00");
/// assert_eq!(trigger.describe(), "once, at 2009-11-06 16:30:05, New York time");
/// # Ok::<_, taskx_schedule::TriggerError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DateTrigger {
    /// Microseconds since 1970.
    pub(crate) at: Option<i64>,
    pub(crate) zone: Tz,
}

impl DateTrigger {
    /// Reads a date: `2009-11-06` (midnight), `2009-11-06 16:30:05`, also with a `T` between, a
    /// fraction of one to six digits, and an offset (`Z`, `+02:00`). Without an offset it is a
    /// time on the wall clock of `timezone`, an IANA name; one that the clock skips is read with
    /// the offset before the gap (02:30 is 03:30), one that comes twice is the first.
    ///
    /// # Errors
    /// If the date or the zone cannot be read.
    pub fn parse(run_date: &str, timezone: &str) -> Result<Self, TriggerError> {
        let zone = zone(timezone)?;
        Ok(Self { at: Some(moment::parse("run_date", run_date, zone)?), zone })
    }

    /// Fires at an instant, to the microsecond (rounded up); in UTC.
    #[must_use]
    pub fn at(instant: DateTime<Utc>) -> Self {
        Self { at: Some(ceil(instant)), zone: Tz::UTC }
    }

    /// Fires when it is first seen: without a date until [`anchored_at`](Self::anchored_at) gives
    /// it one. Until then [`upcoming`](Self::upcoming) and
    /// [`first_at_or_after`](Self::first_at_or_after) answer the instant that they are asked
    /// about, and nothing comes after any instant.
    #[must_use]
    pub fn when_first_seen() -> Self {
        Self { at: None, zone: Tz::UTC }
    }

    /// The trigger with its date: its own, or else `first_seen`.
    #[must_use]
    pub fn anchored_at(self, first_seen: DateTime<Utc>) -> Self {
        Self { at: Some(self.at.unwrap_or_else(|| ceil(first_seen))), ..self }
    }

    /// The date, if it is known.
    #[must_use]
    pub fn run_date(&self) -> Option<DateTime<Utc>> {
        self.at.map(date_time)
    }

    /// The zone in which the date is shown.
    #[must_use]
    pub fn timezone(&self) -> Tz {
        self.zone
    }

    /// What the trigger does, in plain English, without a full stop.
    #[must_use]
    pub fn describe(&self) -> String {
        match self.at {
            Some(at) => {
                let zone = crate::zone::spoken(self.zone);
                format!("once, at {}, {zone}", moment::write(at, self.zone))
            }
            None => "once, when it is first seen".to_owned(),
        }
    }

    pub(crate) fn table_from(&self, from: DateTime<Utc>) -> Option<Timetable<'_>> {
        let at = self.at.unwrap_or_else(|| ceil(from));
        Some(Timetable::Once(OnceTable { at }))
    }

    pub(crate) fn table_after(&self, _after: DateTime<Utc>) -> Option<Timetable<'_>> {
        self.at.map(|at| Timetable::Once(OnceTable { at }))
    }

    pub(crate) fn from_call(call: &Call<'_>) -> Result<Self, TriggerError> {
        let (mut run_date, mut timezone) = (None, "UTC");
        for argument in &call.arguments {
            match argument.key {
                Some("run_date") => run_date = Some(argument.value),
                Some("timezone") => timezone = argument.value,
                key => {
                    let meant = nearest(key.unwrap_or(""), ["run_date", "timezone"]);
                    return Err(call.unknown_key(argument, meant));
                }
            }
        }
        let parsed = match run_date {
            Some(run_date) => Self::parse(run_date, timezone),
            None => zone(timezone).map(|zone| Self { at: None, zone }),
        };
        parsed.map_err(|error| call.place(error))
    }
}

crate::timetable::timetable_methods!(DateTrigger);
crate::text_serde::serde_as_text!(DateTrigger);

/// The canonical text, such as `date(run_date = "2009-11-06", timezone = "Europe/Paris")`.
impl fmt::Display for DateTrigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut writer = Writer::new("date");
        if let Some(at) = self.at {
            writer.text("run_date", &moment::write(at, self.zone));
        }
        if self.zone != Tz::UTC {
            writer.text("timezone", self.zone.name());
        }
        f.pad(&writer.finish())
    }
}

impl fmt::Debug for DateTrigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads the canonical text, or a bare date, which is in UTC.
impl FromStr for DateTrigger {
    type Err = TriggerError;

    fn from_str(text: &str) -> Result<Self, TriggerError> {
        if !Call::looks_like(text) {
            return Self::parse(text, "UTC");
        }
        let call = Call::parse(text)?;
        match call.kind {
            "date" => Self::from_call(&call),
            _ => Err(call.unknown_kind("a date trigger, which is `date(..)`")),
        }
    }
}
