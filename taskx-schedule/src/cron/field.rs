//! The eight fields of a cron trigger: their names, ranges and order.

use std::fmt;
use std::str::FromStr;

use crate::error::{TriggerError, TriggerErrorKind};
use crate::suggest::nearest;

/// Lower-case names of the months, January first.
pub(crate) const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// Lower-case names of the weekdays, Monday first.
pub(crate) const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// A field of a cron trigger, the most significant first.
///
/// ```
/// use taskx_schedule::CronField;
///
/// assert_eq!(CronField::DayOfWeek.name(), "day_of_week");
/// assert_eq!(CronField::Hour.range(), 0..=23);
/// let error = "weekday".parse::<CronField>().unwrap_err();
/// assert_eq!(error.hint(), Some("did you mean `day_of_week`?"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CronField {
    /// 1970 to 9999.
    Year,
    /// 1 to 12, or `jan` to `dec`.
    Month,
    /// 1 to 31, `3rd fri`, `last fri` or `last`.
    Day,
    /// ISO 8601 week, 1 to 53.
    Week,
    /// 0 (Monday) to 6 (Sunday), or `mon` to `sun`.
    DayOfWeek,
    /// 0 to 23.
    Hour,
    /// 0 to 59.
    Minute,
    /// 0 to 59.
    Second,
}

impl CronField {
    /// All fields, the most significant first.
    pub const ALL: [Self; 8] = [
        Self::Year,
        Self::Month,
        Self::Day,
        Self::Week,
        Self::DayOfWeek,
        Self::Hour,
        Self::Minute,
        Self::Second,
    ];

    /// The keyword of the field, as in the attribute and the builder.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Year => "year",
            Self::Month => "month",
            Self::Day => "day",
            Self::Week => "week",
            Self::DayOfWeek => "day_of_week",
            Self::Hour => "hour",
            Self::Minute => "minute",
            Self::Second => "second",
        }
    }

    /// The numbers that the field takes.
    #[must_use]
    pub const fn range(self) -> std::ops::RangeInclusive<u32> {
        self.min()..=self.max()
    }

    pub(crate) const fn min(self) -> u32 {
        match self {
            Self::Year => 1970,
            Self::Month | Self::Day | Self::Week => 1,
            Self::DayOfWeek | Self::Hour | Self::Minute | Self::Second => 0,
        }
    }

    pub(crate) const fn max(self) -> u32 {
        match self {
            Self::Year => 9999,
            Self::Month => 12,
            Self::Day => 31,
            Self::Week => 53,
            Self::DayOfWeek => 6,
            Self::Hour => 23,
            Self::Minute | Self::Second => 59,
        }
    }

    /// The names that stand for numbers in this field, the first for [`min`](Self::min).
    pub(crate) const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Month => &MONTHS,
            Self::DayOfWeek => &WEEKDAYS,
            _ => &[],
        }
    }

    /// The place of the field in [`ALL`](Self::ALL).
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for CronField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for CronField {
    type Err = TriggerError;

    fn from_str(name: &str) -> Result<Self, TriggerError> {
        Self::ALL.into_iter().find(|field| field.name() == name).ok_or_else(|| {
            TriggerError::new(
                TriggerErrorKind::UnknownField,
                format!("a cron trigger has no field `{name}`"),
            )
            .at(name, 0..name.len())
            .hinting(match keyword_meant(name) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => {
                    "the fields are year, month, day, week, day_of_week, hour, minute and second"
                        .to_owned()
                }
            })
        })
    }
}

/// The field that a wrong keyword probably means.
pub(crate) fn keyword_meant(name: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    match lower.as_str() {
        "weekday" | "weekdays" | "dow" | "dayofweek" | "day_of_the_week" | "wday" => {
            Some("day_of_week")
        }
        "dom" | "day_of_month" | "mday" | "date" => Some("day"),
        "sec" | "secs" => Some("second"),
        "min" | "mins" => Some("minute"),
        "hr" | "hrs" => Some("hour"),
        "mon" => Some("month"),
        "iso_week" | "week_of_year" => Some("week"),
        _ => nearest(&lower, CronField::ALL.map(CronField::name)),
    }
}
