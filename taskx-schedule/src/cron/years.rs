//! The years of a cron trigger: few ranges instead of eight thousand bits.

use std::borrow::Cow;

use super::field::CronField;
use super::progression::{Progression, progressions};

/// The first and the last year in which a cron trigger can fire.
pub(crate) const FIRST_YEAR: i32 = CronField::Year.min() as i32;
pub(crate) const LAST_YEAR: i32 = CronField::Year.max() as i32;

const ALL: &[Progression] =
    &[Progression { first: CronField::Year.min(), last: CronField::Year.max(), step: 1 }];

/// A set of years within 1970 to 9999, as ranges in order; equal sets have equal ranges.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Years(Cow<'static, [Progression]>);

impl Years {
    /// Every year.
    pub(crate) const ALL: Self = Self(Cow::Borrowed(ALL));

    /// Ranges as [`ranges`](Self::ranges) gave them.
    pub(crate) fn from_ranges(ranges: Vec<Progression>) -> Self {
        Self(Cow::Owned(ranges))
    }

    /// A set of years in any order, also repeated.
    pub(crate) fn from_years(mut years: Vec<u32>) -> Self {
        years.sort_unstable();
        years.dedup();
        Self(Cow::Owned(progressions(&years)))
    }

    pub(crate) fn is_all(&self) -> bool {
        self.0.as_ref() == ALL
    }

    pub(crate) fn ranges(&self) -> &[Progression] {
        &self.0
    }

    /// The first year of the set that is not before `year`.
    pub(crate) fn at_or_after(&self, year: i32) -> Option<i32> {
        let year = u32::try_from(year).unwrap_or(0);
        let first = self.0.iter().filter_map(|range| range.at_or_after(year)).min()?;
        i32::try_from(first).ok()
    }

    /// The last year of the set that is not after `year`.
    pub(crate) fn at_or_before(&self, year: i32) -> Option<i32> {
        let year = u32::try_from(year).ok()?;
        let last = self.0.iter().filter_map(|range| range.at_or_before(year)).max()?;
        i32::try_from(last).ok()
    }

    /// Is `year` in the set?
    pub(crate) fn contains(&self, year: i32) -> bool {
        self.at_or_after(year) == Some(year)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_those_of_the_sorted_list() {
        let list = [1970, 1972, 1974, 1976, 2000, 2001, 2002, 2030, 9999];
        let years = Years::from_years(list.iter().rev().chain(&list).copied().collect());
        for year in (1960..2050).chain(9_990..10_010) {
            let wanted = u32::try_from(year).unwrap();
            let after = list.iter().copied().find(|&y| y >= wanted);
            let before = list.iter().copied().rfind(|&y| y <= wanted);
            assert_eq!(years.at_or_after(year), after.map(|y| y as i32), "{year}");
            assert_eq!(years.at_or_before(year), before.map(|y| y as i32), "{year}");
            assert_eq!(years.contains(year), list.contains(&wanted), "{year}");
        }
    }

    #[test]
    fn every_year_is_all() {
        assert!(Years::from_years((1970..=9999).collect()).is_all());
        assert!(!Years::from_years((1970..=9998).collect()).is_all());
        assert_eq!(Years::ALL.at_or_after(1), Some(1970));
        assert_eq!(Years::ALL.at_or_after(10_000), None);
        assert_eq!(Years::ALL.at_or_before(10_000), Some(9999));
        assert_eq!(Years::ALL.at_or_before(1969), None);
    }
}
