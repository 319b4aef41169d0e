//! Collects a cron trigger's fields as text and reads them in the end.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::field::CronField;
use super::parse::parse_field;
use super::spec::CronSpec;
use super::{CronTrigger, Dst, crontab};
use crate::error::{TriggerError, TriggerErrorKind};
use crate::window::Bound;
use crate::zone::zone;

/// Builds a [`CronTrigger`] from fields; made by [`CronTrigger::builder`].
///
/// A field takes text or a whole number. Each field is a list, separated by commas, of:
///
/// | item | meaning | fields |
/// |---|---|---|
/// | `*` | every one | all |
/// | `5`, `5-9` | one, or a range | all |
/// | `*/3`, `5/3`, `5-20/3` | every third, from the lowest or from 5 | all |
/// | `jun`, `mon-fri` | by name, three letters | `month`, `day_of_week` |
/// | `3rd fri`, `last fri`, `last` | a weekday's place in the month, the last day | `day` |
///
/// **All** fields must match. Weekdays count from Monday, 0, to Sunday, 6; weeks are those of ISO
/// 8601. Fields that are left out are `*` if a less significant one is given, otherwise their
/// lowest value (`week` and `day_of_week`: `*`): `day = 1, minute = 20` fires at 20 minutes past
/// every hour of each month's first day.
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until `build`"]
pub struct CronTriggerBuilder {
    fields: [Option<String>; CronField::ALL.len()],
    crontab: Option<String>,
    timezone: Option<String>,
    start: Option<Bound>,
    end: Option<Bound>,
    dst: Dst,
}

impl CronTriggerBuilder {
    /// Sets a field that is known at run time only.
    #[expect(clippy::needless_pass_by_value, reason = "as all setters: `.hour(5)`, `.hour(\"5\")`")]
    pub fn field(mut self, field: CronField, value: impl ToString) -> Self {
        if let Some(slot) = self.fields.get_mut(field.index()) {
            *slot = Some(value.to_string());
        }
        self
    }

    /// Years, 1970 to 9999.
    pub fn year(self, value: impl ToString) -> Self {
        self.field(CronField::Year, value)
    }

    /// Months, 1 to 12 or `jan` to `dec`.
    pub fn month(self, value: impl ToString) -> Self {
        self.field(CronField::Month, value)
    }

    /// Days of the month: 1 to 31, `3rd fri`, `last fri`, `last`.
    pub fn day(self, value: impl ToString) -> Self {
        self.field(CronField::Day, value)
    }

    /// ISO 8601 weeks, 1 to 53.
    pub fn week(self, value: impl ToString) -> Self {
        self.field(CronField::Week, value)
    }

    /// Weekdays, 0 (Monday) to 6 (Sunday) or `mon` to `sun`.
    pub fn day_of_week(self, value: impl ToString) -> Self {
        self.field(CronField::DayOfWeek, value)
    }

    /// Hours, 0 to 23.
    pub fn hour(self, value: impl ToString) -> Self {
        self.field(CronField::Hour, value)
    }

    /// Minutes, 0 to 59.
    pub fn minute(self, value: impl ToString) -> Self {
        self.field(CronField::Minute, value)
    }

    /// Seconds, 0 to 59.
    pub fn second(self, value: impl ToString) -> Self {
        self.field(CronField::Second, value)
    }

    /// All fields at once, as crontab text (see [`CronTrigger::from_crontab`]).
    pub fn crontab(mut self, text: impl Into<String>) -> Self {
        self.crontab = Some(text.into());
        self
    }

    /// The IANA zone whose wall clock counts. Default: `UTC`.
    pub fn timezone(mut self, name: impl Into<String>) -> Self {
        self.timezone = Some(name.into());
        self
    }

    /// The first instant at which the trigger may fire, as text (`2024-02-01`,
    /// `2024-02-01 08:00:00`, with an offset if wanted), by default in the trigger's zone.
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

    /// The first instant at which the trigger may fire.
    pub fn start_at(mut self, at: DateTime<Utc>) -> Self {
        self.start = Some(Bound::At(at));
        self
    }

    /// The last instant at which the trigger may fire.
    pub fn end_at(mut self, at: DateTime<Utc>) -> Self {
        self.end = Some(Bound::At(at));
        self
    }

    /// What to do when the clock jumps or is set back. Default: [`Dst::Rfc`].
    pub fn dst(mut self, dst: Dst) -> Self {
        self.dst = dst;
        self
    }

    /// Whether at least one field (or crontab text) was given: attributes and text insist on it,
    /// since nothing at all is every second.
    ///
    /// # Errors
    /// [`TriggerErrorKind::NoField`].
    pub fn check_given(&self) -> Result<(), TriggerError> {
        if self.crontab.is_some() || self.fields.iter().any(Option::is_some) {
            return Ok(());
        }
        Err(TriggerError::new(TriggerErrorKind::NoField, "no field is given")
            .hinting("give at least one, such as `hour = \"*\"`; every second is `second = \"*\"`"))
    }

    /// Reads all that was given. No field at all is every second, as in APScheduler
    /// ([`check_given`](Self::check_given)).
    ///
    /// # Errors
    /// The first mistake: an unknown zone, then the fields from year to second, then the window. A trigger that can never fire is no error here
    /// ([`CronTrigger::check_fires`]).
    pub fn build(self) -> Result<CronTrigger, TriggerError> {
        let zone = match &self.timezone {
            Some(name) => zone(name)?,
            None => Tz::UTC,
        };
        let spec = self.spec()?;
        let start = self.start.map(|start| start.at_start("start_date", zone)).transpose()?;
        let end = self.end.map(|end| end.at_end("end_date", zone)).transpose()?;
        Ok(CronTrigger { spec, zone, start, end, dst: self.dst })
    }

    fn spec(&self) -> Result<CronSpec, TriggerError> {
        let given = |field: CronField| self.fields.get(field.index()).and_then(Option::as_deref);
        let least = CronField::ALL.into_iter().rfind(|field| given(*field).is_some());
        match (&self.crontab, least) {
            (Some(text), None) => crontab::parse(text),
            (Some(_), Some(field)) => Err(TriggerError::new(
                TriggerErrorKind::Conflict,
                format!("crontab text and the field `{field}` exclude each other"),
            )
            .of(field.name())),
            (None, None) => Ok(CronSpec::ALL),
            (None, Some(least)) => {
                let mut spec = CronSpec::ALL;
                for field in CronField::ALL {
                    match given(field) {
                        Some(text) => parse_field(&mut spec, field, text)?,
                        None if field > least => spec.set_least(field),
                        None => {}
                    }
                }
                Ok(spec)
            }
        }
    }
}
