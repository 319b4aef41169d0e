//! Triggers as plain numbers: what the attribute macros emit as constants, so that nothing is
//! parsed when a program starts.
//!
//! Hidden from the documentation and bound to this very version: only `taskx-macros` and the code
//! that it emits may use it.

use std::borrow::Cow;

use crate::cron::{
    ALL_DAYS, ALL_HOURS, ALL_MONTHS, ALL_SIXTY, ALL_WEEKDAYS, ALL_WEEKS, CronSpec, CronTrigger,
    Days, Dst, FIRST_YEAR, LAST_YEAR, Progression, Years,
};
use crate::date::DateTrigger;
use crate::error::{TriggerError, TriggerErrorKind};
use crate::interval::IntervalTrigger;
use crate::trigger::Trigger;
use crate::zone::zone;

/// A trigger of any kind; every value can be written as a constant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TriggerParts {
    /// See [`CronTrigger`].
    Cron(CronParts),
    /// See [`DateTrigger`].
    Date(DateParts),
    /// See [`IntervalTrigger`].
    Interval(IntervalParts),
}

/// The bit sets of a cron trigger; instants are microseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CronParts {
    /// First, last and step of each range, in order.
    pub years: Cow<'static, [(u32, u32, u32)]>,
    /// Bits 1 to 12.
    pub months: u16,
    /// Bits 1 to 31.
    pub days: u32,
    /// The first to the fifth of a weekday in the month; bits 0 (Monday) to 6.
    pub nth: [u8; 5],
    /// The last of a weekday in the month; bits 0 (Monday) to 6.
    pub last_of: u8,
    /// The last day of the month.
    pub last: bool,
    /// Bits 1 to 53.
    pub weeks: u64,
    /// Bits 0 (Monday) to 6.
    pub weekdays: u8,
    /// Bits 0 to 23.
    pub hours: u32,
    /// Bits 0 to 59.
    pub minutes: u64,
    /// Bits 0 to 59.
    pub seconds: u64,
    /// IANA name.
    pub timezone: &'static str,
    /// Inclusive.
    pub start: Option<i64>,
    /// Inclusive.
    pub end: Option<i64>,
    /// The rule is [`Dst::WallClock`].
    pub wall_clock: bool,
}

/// A date trigger; the instant is in microseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DateParts {
    /// `None`: when first seen.
    pub at: Option<i64>,
    /// IANA name.
    pub timezone: &'static str,
}

/// An interval trigger; instants are microseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntervalParts {
    /// At least 1.
    pub seconds: i64,
    /// IANA name.
    pub timezone: &'static str,
    /// `None`: one interval after it is first seen.
    pub start: Option<i64>,
    /// Inclusive.
    pub end: Option<i64>,
}

impl Trigger {
    /// The numbers that [`TriggerParts::trigger`] makes the same trigger of.
    #[doc(hidden)]
    #[must_use]
    pub fn parts(&self) -> TriggerParts {
        match self {
            Self::Cron(trigger) => TriggerParts::Cron(cron_parts(trigger)),
            Self::Date(DateTrigger { at, zone }) => {
                TriggerParts::Date(DateParts { at: *at, timezone: zone.name() })
            }
            Self::Interval(IntervalTrigger { seconds, zone, start, end }) => {
                TriggerParts::Interval(IntervalParts {
                    seconds: *seconds,
                    timezone: zone.name(),
                    start: *start,
                    end: *end,
                })
            }
        }
    }
}

fn cron_parts(trigger: &CronTrigger) -> CronParts {
    let CronTrigger { spec, zone, start, end, dst } = trigger;
    let CronSpec { years, months, days, weeks, weekdays, hours, minutes, seconds } = spec;
    CronParts {
        years: years.ranges().iter().map(|range| (range.first, range.last, range.step)).collect(),
        months: *months,
        days: days.numbers,
        nth: days.nth,
        last_of: days.last_of,
        last: days.last,
        weeks: *weeks,
        weekdays: *weekdays,
        hours: *hours,
        minutes: *minutes,
        seconds: *seconds,
        timezone: zone.name(),
        start: *start,
        end: *end,
        wall_clock: *dst == Dst::WallClock,
    }
}

impl TriggerParts {
    /// The trigger itself: the zone is looked up by its name, the rest is taken as it is.
    ///
    /// # Errors
    /// If the numbers are not those of a trigger, or the zone is not known here: the macro and the
    /// program were built with different versions.
    pub fn trigger(&self) -> Result<Trigger, TriggerError> {
        match self {
            Self::Cron(parts) => parts.trigger().map(Trigger::Cron),
            Self::Date(DateParts { at, timezone }) => {
                Ok(Trigger::Date(DateTrigger { at: *at, zone: zone(timezone)? }))
            }
            Self::Interval(IntervalParts { seconds, timezone, start, end }) => {
                if *seconds < 1 {
                    return Err(not_a_trigger());
                }
                let (seconds, start, end) = (*seconds, *start, *end);
                let zone = zone(timezone)?;
                Ok(Trigger::Interval(IntervalTrigger { seconds, zone, start, end }))
            }
        }
    }
}

impl CronParts {
    fn trigger(&self) -> Result<CronTrigger, TriggerError> {
        let days =
            Days { numbers: self.days, nth: self.nth, last_of: self.last_of, last: self.last };
        let within = |bits: u64, all: u64| bits != 0 && bits & !all == 0;
        let weekdays = self.nth.iter().fold(self.last_of, |all, weekdays| all | weekdays);
        let sound = within(u64::from(self.months), u64::from(ALL_MONTHS))
            && (days.numbers & !ALL_DAYS) == 0
            && (weekdays & !ALL_WEEKDAYS) == 0
            && days != Days::from_numbers(0)
            && within(self.weeks, ALL_WEEKS)
            && within(u64::from(self.weekdays), u64::from(ALL_WEEKDAYS))
            && within(u64::from(self.hours), u64::from(ALL_HOURS))
            && within(self.minutes, ALL_SIXTY)
            && within(self.seconds, ALL_SIXTY)
            && !self.years.is_empty()
            && self.years.iter().all(|(first, last, step)| {
                *first >= FIRST_YEAR as u32
                    && first <= last
                    && *last <= LAST_YEAR as u32
                    && *step > 0
            });
        if !sound {
            return Err(not_a_trigger());
        }
        let ranges =
            self.years.iter().map(|&(first, last, step)| Progression { first, last, step });
        Ok(CronTrigger {
            spec: CronSpec {
                years: Years::from_ranges(ranges.collect()),
                months: self.months,
                days,
                weeks: self.weeks,
                weekdays: self.weekdays,
                hours: self.hours,
                minutes: self.minutes,
                seconds: self.seconds,
            },
            zone: zone(self.timezone)?,
            start: self.start,
            end: self.end,
            dst: if self.wall_clock { Dst::WallClock } else { Dst::Rfc },
        })
    }
}

fn not_a_trigger() -> TriggerError {
    TriggerError::new(TriggerErrorKind::Syntax, "these numbers are not those of a trigger")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a macro emits must be possible in a constant.
    const EVERY_FIVE_MINUTES: TriggerParts = TriggerParts::Cron(CronParts {
        years: Cow::Borrowed(&[(1970, 9999, 1)]),
        months: 0x1ffe,
        days: 0xffff_fffe,
        nth: [0; 5],
        last_of: 0,
        last: false,
        weeks: 0x3f_ffff_ffff_fffe,
        weekdays: 0x7f,
        hours: 0xff_ffff,
        minutes: 0x84_2108_4210_8421,
        seconds: 1,
        timezone: "Europe/Paris",
        start: None,
        end: None,
        wall_clock: false,
    });

    #[test]
    fn a_constant_is_the_trigger_that_was_parsed() {
        let parsed: Trigger =
            "cron(minute = \"*/5\", timezone = \"Europe/Paris\")".parse().unwrap();
        assert_eq!(parsed.parts(), EVERY_FIVE_MINUTES);
        assert_eq!(EVERY_FIVE_MINUTES.trigger(), Ok(parsed));
    }

    #[test]
    fn every_kind_survives_the_way() {
        for text in [
            "cron(year = \"2024-2030/2\", day = \"3rd fri,last\", dst = \"wall_clock\")",
            "cron(hour = \"*\", start_date = \"2024-01-01\", end_date = \"2025-01-01\")",
            "date(run_date = \"2009-11-06\", timezone = \"Asia/Tokyo\")",
            "date()",
            "interval(hours = 1, minutes = 30)",
            "interval(days = 1, start_date = \"2024-01-01\", end_date = \"2025-01-01\")",
        ] {
            let trigger: Trigger = text.parse().unwrap();
            assert_eq!(trigger.parts().trigger(), Ok(trigger.clone()), "{text}");
            assert_eq!(trigger.to_string(), text);
        }
    }

    #[test]
    fn numbers_of_no_trigger_are_refused() {
        let TriggerParts::Cron(sound) = EVERY_FIVE_MINUTES else { unreachable!() };
        for broken in [
            CronParts { months: 0, ..sound.clone() },
            CronParts { months: 1, ..sound.clone() },
            CronParts { days: 0, ..sound.clone() },
            CronParts { hours: 1 << 24, ..sound.clone() },
            CronParts { years: Cow::Borrowed(&[]), ..sound.clone() },
            CronParts { years: Cow::Borrowed(&[(2000, 2001, 0)]), ..sound.clone() },
            CronParts { timezone: "Mars/Base", ..sound },
        ] {
            assert!(TriggerParts::Cron(broken.clone()).trigger().is_err(), "{broken:?}");
        }
        let parts = IntervalParts { seconds: 0, timezone: "UTC", start: None, end: None };
        assert!(TriggerParts::Interval(parts).trigger().is_err());
    }
}
