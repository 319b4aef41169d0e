//! What all triggers have in common: fire times forward, backward and in between.

use std::fmt;
use std::iter::FusedIterator;

use chrono::{DateTime, Utc};
use chrono_tz::{Tz, TzOffset};

use crate::cron::{CronTrigger, Search};
use crate::instant::{LAST, SECOND, ceil, ceil_second, date_time, floor, floor_second};
use crate::zone::{Span, offset_at, span_index, spans};

/// A trigger's fire times as microseconds, with what the search remembers.
#[derive(Clone, Debug)]
pub(crate) enum Timetable<'a> {
    Cron(CronTable<'a>),
    Once(OnceTable),
    Every(EveryTable),
}

impl Timetable<'_> {
    /// The earliest fire time that is not before `from`.
    pub(crate) fn at_or_after(&mut self, from: i64) -> Option<i64> {
        match self {
            Self::Cron(table) => table.at_or_after(from),
            Self::Once(table) => (from <= table.at).then_some(table.at),
            Self::Every(table) => table.at_or_after(from),
        }
    }

    /// The latest fire time that is not after `until`.
    pub(crate) fn at_or_before(&mut self, until: i64) -> Option<i64> {
        match self {
            Self::Cron(table) => table.at_or_before(until),
            Self::Once(table) => (until >= table.at).then_some(table.at),
            Self::Every(table) => table.at_or_before(until),
        }
    }
}

/// Unix seconds around all that cron triggers can fire at, so that no sum comes near overflow.
const EARLIEST: i64 = -2 * 86_400;
const LATEST: i64 = LAST / SECOND;

/// The whole seconds of a cron trigger, within its window.
#[derive(Clone, Debug)]
pub(crate) struct CronTable<'a> {
    search: Search<'a>,
    /// Unix seconds, inclusive.
    first: i64,
    last: i64,
}

impl<'a> CronTable<'a> {
    pub(crate) fn new(trigger: &'a CronTrigger) -> Self {
        Self {
            search: Search::new(trigger),
            first: trigger.start.map_or(EARLIEST, ceil_second).max(EARLIEST),
            last: trigger.end.map_or(LATEST, floor_second).min(LATEST),
        }
    }

    fn at_or_after(&mut self, from: i64) -> Option<i64> {
        let from = ceil_second(from).max(self.first);
        if from > self.last {
            return None;
        }
        let second = self.search.at_or_after(from)?;
        (second <= self.last).then_some(second * SECOND)
    }

    fn at_or_before(&mut self, until: i64) -> Option<i64> {
        let until = floor_second(until).min(self.last);
        if until < self.first {
            return None;
        }
        let second = self.search.at_or_before(until)?;
        (second >= self.first).then_some(second * SECOND)
    }
}

/// A single time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OnceTable {
    pub(crate) at: i64,
}

/// `start`, `start + every`, .. up to `end`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EveryTable {
    pub(crate) start: i64,
    /// At least one second.
    pub(crate) every: i64,
    pub(crate) end: i64,
}

impl EveryTable {
    fn at_or_after(self, from: i64) -> Option<i64> {
        let at = if from <= self.start {
            self.start
        } else {
            // In 128 bits, since both ends of i64 may be asked for.
            let (start, every) = (i128::from(self.start), i128::from(self.every));
            let past = i128::from(from) - start;
            i64::try_from(start + (past + every - 1) / every * every).ok()?
        };
        (at <= self.end).then_some(at)
    }

    fn at_or_before(self, until: i64) -> Option<i64> {
        let until = until.min(self.end);
        if until < self.start {
            return None;
        }
        let past = i128::from(until) - i128::from(self.start);
        let rest = i64::try_from(past % i128::from(self.every)).ok()?;
        Some(until - rest)
    }
}

/// The fire times of a trigger between two instants, found as they are asked for, from either
/// end; made by `between`.
///
/// Nothing is collected: `.rev().take(10)` finds the last ten of a million missed times at the
/// cost of ten.
#[derive(Clone)]
#[must_use = "an iterator does nothing until it is asked"]
pub struct Slots<'a> {
    table: Timetable<'a>,
    /// A search of its own for the other end, so that each remembers its place.
    back: Timetable<'a>,
    /// Both inclusive.
    from: i64,
    until: i64,
}

impl<'a> Slots<'a> {
    /// The fire times with `after < t <= until`.
    pub(crate) fn new(table: Timetable<'a>, after: DateTime<Utc>, until: DateTime<Utc>) -> Self {
        let from = floor(after).saturating_add(1);
        Self { back: table.clone(), table, from, until: floor(until) }
    }

    pub(crate) fn empty() -> Self {
        let table = Timetable::Once(OnceTable { at: 0 });
        Self { back: table.clone(), table, from: 1, until: 0 }
    }
}

impl Iterator for Slots<'_> {
    type Item = DateTime<Utc>;

    fn next(&mut self) -> Option<DateTime<Utc>> {
        if self.from > self.until {
            return None;
        }
        let found = self.table.at_or_after(self.from).filter(|found| *found <= self.until);
        self.from = found.map_or(i64::MAX, |found| found + 1);
        if found.is_none() {
            self.until = i64::MIN;
        }
        found.map(date_time)
    }
}

impl DoubleEndedIterator for Slots<'_> {
    fn next_back(&mut self) -> Option<DateTime<Utc>> {
        if self.from > self.until {
            return None;
        }
        let found = self.back.at_or_before(self.until).filter(|found| *found >= self.from);
        self.until = found.map_or(i64::MIN, |found| found - 1);
        found.map(date_time)
    }
}

impl FusedIterator for Slots<'_> {}

impl fmt::Debug for Slots<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots").field("from", &self.from).field("until", &self.until).finish()
    }
}

/// The fire times from an instant on, in the trigger's zone.
pub(crate) struct Upcoming<'a> {
    /// `None` when the trigger has none.
    table: Option<Timetable<'a>>,
    from: i64,
    local: Localizer,
}

impl<'a> Upcoming<'a> {
    pub(crate) fn new(table: Option<Timetable<'a>>, zone: Tz, from: DateTime<Utc>) -> Self {
        Self { table, from: ceil(from), local: Localizer::new(zone) }
    }
}

impl Iterator for Upcoming<'_> {
    type Item = DateTime<Tz>;

    fn next(&mut self) -> Option<DateTime<Tz>> {
        let found = self.table.as_mut()?.at_or_after(self.from);
        match found {
            Some(found) => self.from = found + 1,
            None => self.table = None,
        }
        found.map(|found| self.local.place(found))
    }
}

impl FusedIterator for Upcoming<'_> {}

/// Puts instants into a zone, asking the zone once a span instead of each time.
struct Localizer {
    zone: Tz,
    spans: &'static [Span],
    at: usize,
    offset: Option<TzOffset>,
}

impl Localizer {
    fn new(zone: Tz) -> Self {
        Self { zone, spans: spans(zone), at: 0, offset: None }
    }

    fn place(&mut self, at: i64) -> DateTime<Tz> {
        let utc = date_time(at);
        // The first span stands for all the past, in which zones changed too.
        if at < 0 {
            return utc.with_timezone(&self.zone);
        }
        let second = floor_second(at);
        let index = span_index(self.spans, second, self.at);
        let offset = match self.offset {
            Some(offset) if index == self.at => offset,
            _ => offset_at(self.zone, second),
        };
        self.at = index;
        self.offset = Some(offset);
        DateTime::from_naive_utc_and_offset(utc.naive_utc(), offset)
    }
}

/// The methods that each kind of trigger and [`Trigger`](crate::Trigger) have in common.
///
/// The type must have `timezone` and two private methods that give an `Option<Timetable<'_>>`:
/// `table_from(from)` of a trigger that is looked at from an instant on, and `table_after(after)`
/// of one whose last fire time was that instant. They differ only where the trigger has no
/// beginning of its own.
macro_rules! timetable_methods {
    ($trigger:ty) => {
        impl $trigger {
            /// The fire times from `from` on, in the trigger's zone: first the earliest that is
            /// not before `from`, then strictly later ones, until there are no more.
            pub fn upcoming(
                &self,
                from: ::chrono::DateTime<::chrono::Utc>,
            ) -> impl ::std::iter::Iterator<Item = ::chrono::DateTime<::chrono_tz::Tz>> + '_ {
                $crate::timetable::Upcoming::new(self.table_from(from), self.timezone(), from)
            }

            /// The earliest fire time that is not before `from`, if there is one.
            #[must_use]
            pub fn first_at_or_after(
                &self,
                from: ::chrono::DateTime<::chrono::Utc>,
            ) -> Option<::chrono::DateTime<::chrono::Utc>> {
                let found = self.table_from(from)?.at_or_after($crate::instant::ceil(from))?;
                Some($crate::instant::date_time(found))
            }

            /// The earliest fire time strictly after `after`, if there is one.
            #[must_use]
            pub fn next_after(
                &self,
                after: ::chrono::DateTime<::chrono::Utc>,
            ) -> Option<::chrono::DateTime<::chrono::Utc>> {
                let from = $crate::instant::floor(after).saturating_add(1);
                let found = self.table_after(after)?.at_or_after(from)?;
                Some($crate::instant::date_time(found))
            }

            /// The fire times with `after < t <= until`, from either end, found as they are asked
            /// for.
            pub fn between(
                &self,
                after: ::chrono::DateTime<::chrono::Utc>,
                until: ::chrono::DateTime<::chrono::Utc>,
            ) -> $crate::timetable::Slots<'_> {
                match self.table_after(after) {
                    Some(table) => $crate::timetable::Slots::new(table, after, until),
                    None => $crate::timetable::Slots::empty(),
                }
            }

            /// The latest fire time with `after < t <= until`, at the cost of one search however
            /// many there are.
            #[must_use]
            pub fn latest_between(
                &self,
                after: ::chrono::DateTime<::chrono::Utc>,
                until: ::chrono::DateTime<::chrono::Utc>,
            ) -> Option<::chrono::DateTime<::chrono::Utc>> {
                self.between(after, until).next_back()
            }
        }
    };
}
pub(crate) use timetable_methods;
