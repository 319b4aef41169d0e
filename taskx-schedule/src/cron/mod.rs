//! The cron trigger: eight fields, a zone, a window, a rule for daylight saving.

mod builder;
mod canonical;
mod crontab;
mod describe;
mod dst;
mod field;
mod hint;
mod local;
mod next;
mod parse;
mod progression;
mod spec;
mod years;

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

pub use builder::CronTriggerBuilder;
pub use crontab::crontab_warning;
pub use dst::Dst;
pub use field::CronField;

pub(crate) use next::Search;
pub(crate) use progression::Progression;
pub(crate) use spec::{
    ALL_DAYS, ALL_HOURS, ALL_MONTHS, ALL_SIXTY, ALL_WEEKDAYS, ALL_WEEKS, CronSpec, Days,
};
pub(crate) use years::{FIRST_YEAR, LAST_YEAR, Years};

use crate::error::{TriggerError, TriggerErrorKind};
use crate::instant::date_time;
use crate::moment;
use crate::text::Call;
use crate::timetable::{CronTable, Timetable};
use crate::zone::zone;

/// Fires whenever the wall clock of a zone matches all of its fields.
///
/// Built from fields ([`builder`](Self::builder)), from crontab text
/// ([`from_crontab`](Self::from_crontab)) or from its own canonical text ([`FromStr`]). Two
/// triggers are equal when they fire at the same times by the same words of zone and window,
/// however they were written.
///
/// ```
/// use chrono::{DateTime, Utc};
/// use taskx_schedule::CronTrigger;
///
/// let trigger = CronTrigger::builder()
///     .month("6-8,11-12")
///     .day("3rd fri")
///     .hour("0-3")
///     .timezone("Europe/Paris")
///     .build()?;
/// let from: DateTime<Utc> = "2026-01-01T00:00:00Z".parse()?;
/// let first = trigger.upcoming(from).next().unwrap();
/// assert_eq!(first.to_rfc3339(), "2026-06-19T00:00:00+02:00");
/// assert_eq!(
///     trigger.describe(),
///     "at 00:00, 01:00, 02:00 and 03:00 on the third Friday of June to August, November and \
///      December, Paris time",
/// );
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CronTrigger {
    pub(crate) spec: CronSpec,
    pub(crate) zone: Tz,
    /// Microseconds since 1970; inclusive.
    pub(crate) start: Option<i64>,
    /// Microseconds since 1970; inclusive.
    pub(crate) end: Option<i64>,
    pub(crate) dst: Dst,
}

impl CronTrigger {
    /// A builder without any field.
    pub fn builder() -> CronTriggerBuilder {
        CronTriggerBuilder::default()
    }

    /// Reads crontab text of 5, 6 or 7 parts, in UTC.
    ///
    /// | parts | order | weekday numbers |
    /// |---|---|---|
    /// | 5 | minute hour day month weekday | as in a crontab: 0 and 7 are Sunday, 1 is Monday |
    /// | 6 | second, then the five | as the `cron` crate and Quartz: **1 is Sunday**, 7 is Saturday |
    /// | 7 | second, the five, year | the same |
    ///
    /// Write weekdays by name, `Mon-Fri`, and the difference does not matter. A day of the month
    /// and a weekday must **both** match, where a crontab fires on either; [`crontab_warning`]
    /// tells of both traps. `@hourly`, `@daily` (`@midnight`), `@weekly`, `@monthly` and
    /// `@yearly` (`@annually`) are known. In 7 parts, years end in 2100.
    ///
    /// ```
    /// use taskx_schedule::CronTrigger;
    ///
    /// let weekdays = CronTrigger::from_crontab("30 9 * * Mon-Fri")?;
    /// assert_eq!(weekdays, CronTrigger::from_crontab("0 30 9 * * Mon-Fri")?);
    /// assert_eq!(weekdays.describe(), "at 09:30 on Monday to Friday, UTC");
    /// # Ok::<_, taskx_schedule::TriggerError>(())
    /// ```
    ///
    /// # Errors
    /// If the number of parts is none of these, or a part cannot be read.
    pub fn from_crontab(text: &str) -> Result<Self, TriggerError> {
        let spec = crontab::parse(text)?;
        Ok(Self { spec, zone: Tz::UTC, start: None, end: None, dst: Dst::Rfc })
    }

    /// The same fields on the wall clock of another zone, an IANA name such as `Europe/Paris`.
    ///
    /// A window (`start_date`, `end_date`) stays at the instants where it was.
    ///
    /// # Errors
    /// If the zone is not known.
    pub fn with_timezone(self, name: &str) -> Result<Self, TriggerError> {
        Ok(Self { zone: zone(name)?, ..self })
    }

    /// The same fields with another rule for daylight saving.
    #[must_use]
    pub fn with_dst(self, dst: Dst) -> Self {
        Self { dst, ..self }
    }

    /// The zone whose wall clock counts; UTC by default.
    #[must_use]
    pub fn timezone(&self) -> Tz {
        self.zone
    }

    /// The first instant at which the trigger may fire, if there is a bound.
    #[must_use]
    pub fn start_date(&self) -> Option<DateTime<Utc>> {
        self.start.map(date_time)
    }

    /// The last instant at which the trigger may fire, if there is a bound.
    #[must_use]
    pub fn end_date(&self) -> Option<DateTime<Utc>> {
        self.end.map(date_time)
    }

    /// The rule for daylight saving.
    #[must_use]
    pub fn dst(&self) -> Dst {
        self.dst
    }

    /// What the trigger does, in plain English, without a full stop.
    #[must_use]
    pub fn describe(&self) -> String {
        describe::describe(self)
    }

    /// Whether the trigger fires at all, in bounded time (microseconds to a few milliseconds).
    ///
    /// # Errors
    /// [`TriggerErrorKind::NeverFires`] with the reason: no such day (30 February, week 53 in
    /// June), an empty window, or only times that daylight saving removes.
    pub fn check_fires(&self) -> Result<(), TriggerError> {
        if !local::any_day(&self.spec) {
            return Err(self.no_such_day());
        }
        let never = TriggerErrorKind::NeverFires;
        if let (Some(start), Some(end)) = (self.start, self.end)
            && start > end
        {
            return Err(TriggerError::new(never, "start_date is after end_date").of("end_date"));
        }
        if Timetable::Cron(CronTable::new(self)).at_or_after(i64::MIN).is_some() {
            return Ok(());
        }
        let unbounded = Self { start: None, end: None, ..self.clone() };
        if Timetable::Cron(CronTable::new(&unbounded)).at_or_after(i64::MIN).is_none() {
            let problem = format!("the clock of {} skips this time", self.zone);
            return Err(TriggerError::new(never, problem).of("dst"));
        }
        let (field, problem) = match self.end {
            Some(_) => ("end_date", "there is no fire time up to end_date"),
            None => ("start_date", "there is no fire time from start_date on"),
        };
        Err(TriggerError::new(never, problem).of(field))
    }

    /// Why no day of any year matches: the smallest set of fields that excludes it.
    fn no_such_day(&self) -> TriggerError {
        let text = |field| canonical::field_text(&self.spec, field);
        let mut given: Vec<CronField> =
            CronField::ALL.into_iter().take(5).filter(|field| !self.spec.is_all(*field)).collect();
        // Leave out what does not matter: without it, there is still no day.
        for field in given.clone() {
            let mut relaxed = CronSpec::ALL;
            for other in given.iter().filter(|other| **other != field) {
                relaxed.copy(*other, &self.spec);
            }
            if !local::any_day(&relaxed) {
                given.retain(|other| *other != field);
            }
        }
        let parts: Vec<String> =
            given.iter().map(|field| format!("{field} = {:?}", text(*field))).collect();
        let problem = format!("no day has {}", parts.join(" and "));
        let error = TriggerError::new(TriggerErrorKind::NeverFires, problem);
        match given.as_slice() {
            [.., field] => error.of(field.name()),
            [] => error,
        }
    }

    pub(crate) fn table_from(&self, _from: DateTime<Utc>) -> Option<Timetable<'_>> {
        Some(Timetable::Cron(CronTable::new(self)))
    }

    pub(crate) fn table_after(&self, _after: DateTime<Utc>) -> Option<Timetable<'_>> {
        Some(Timetable::Cron(CronTable::new(self)))
    }

    pub(crate) fn from_call(call: &Call<'_>) -> Result<Self, TriggerError> {
        let mut builder = Self::builder();
        for argument in &call.arguments {
            let value = argument.value;
            builder = match argument.key {
                None => builder.crontab(value),
                Some("timezone") => builder.timezone(value),
                Some("start_date") => builder.start_date(value),
                Some("end_date") => builder.end_date(value),
                Some("dst") => builder.dst(value.parse().map_err(|error| call.place(error))?),
                Some(key) => match key.parse::<CronField>() {
                    Ok(field) => builder.field(field, value),
                    Err(_) => return Err(call.unknown_key(argument, field::keyword_meant(key))),
                },
            };
        }
        builder.check_given().and_then(|()| builder.build()).map_err(|error| call.place(error))
    }
}

crate::timetable::timetable_methods!(CronTrigger);
crate::text_serde::serde_as_text!(CronTrigger);

/// The canonical text, such as `cron(day = "3rd fri", hour = "0-3", timezone = "Europe/Paris")`:
/// the fields that matter, most significant first, then zone, window and rule where they are not
/// the default. [`FromStr`] reads it back as an equal trigger.
impl fmt::Display for CronTrigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut writer = crate::text::Writer::new("cron");
        for (field, text) in canonical::fields(&self.spec) {
            writer.text(field.name(), &text);
        }
        if self.zone != Tz::UTC {
            writer.text("timezone", self.zone.name());
        }
        for (key, at) in [("start_date", self.start), ("end_date", self.end)] {
            if let Some(at) = at {
                writer.text(key, &moment::write(at, self.zone));
            }
        }
        if self.dst != Dst::default() {
            writer.text("dst", self.dst.as_str());
        }
        f.pad(&writer.finish())
    }
}

impl fmt::Debug for CronTrigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads the canonical text, `cron("*/5 * * * *", timezone = "..")`, or bare crontab text.
impl FromStr for CronTrigger {
    type Err = TriggerError;

    fn from_str(text: &str) -> Result<Self, TriggerError> {
        if !Call::looks_like(text) {
            return Self::from_crontab(text);
        }
        let call = Call::parse(text)?;
        match call.kind {
            "cron" => Self::from_call(&call),
            _ => Err(call.unknown_kind("a cron trigger, which is `cron(..)`")),
        }
    }
}
