//! The years of a cron trigger: few ranges instead of eight thousand bits.

use super::field::CronField;
use super::progression::{Progression, progressions};

/// The first and the last year in which a cron trigger can fire.
pub(crate) const FIRST_YEAR: i32 = CronField::Year.min() as i32;
pub(crate) const LAST_YEAR: i32 = CronField::Year.max() as i32;

/// A set of years within 1970 to 9999; equal sets are equal values.
///
/// All years, the usual case, are apart from the ranges: the search asks for years often.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Years {
    /// Every year.
    All,
    /// Ranges in order, at least one, not those of every year.
    Ranges(Vec<Progression>),
}

const ALL: [Progression; 1] =
    [Progression { first: CronField::Year.min(), last: CronField::Year.max(), step: 1 }];

impl Years {
    /// Ranges as [`ranges`](Self::ranges) gave them.
    pub(crate) fn from_ranges(ranges: Vec<Progression>) -> Self {
        if ranges == ALL { Self::All } else { Self::Ranges(ranges) }
    }

    /// A set of years in any order, also repeated.
    pub(crate) fn from_years(mut years: Vec<u32>) -> Self {
        years.sort_unstable();
        years.dedup();
        Self::from_ranges(progressions(&years))
    }

    pub(crate) fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }

    pub(crate) fn ranges(&self) -> &[Progression] {
        match self {
            Self::All => &ALL,
            Self::Ranges(ranges) => ranges,
        }
    }

    /// The first year of the set that is not before `year`.
    pub(crate) fn at_or_after(&self, year: i32) -> Option<i32> {
        match self {
            Self::All => (year <= LAST_YEAR).then_some(year.max(FIRST_YEAR)),
            Self::Ranges(ranges) => {
                let year = u32::try_from(year).unwrap_or(0);
                let found = ranges.iter().filter_map(|range| range.at_or_after(year)).min()?;
                i32::try_from(found).ok()
            }
        }
    }

    /// The last year of the set that is not after `year`.
    pub(crate) fn at_or_before(&self, year: i32) -> Option<i32> {
        match self {
            Self::All => (year >= FIRST_YEAR).then_some(year.min(LAST_YEAR)),
            Self::Ranges(ranges) => {
                let year = u32::try_from(year).ok()?;
                let found = ranges.iter().filter_map(|range| range.at_or_before(year)).max()?;
                i32::try_from(found).ok()
            }
        }
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
        assert_eq!(Years::All.at_or_after(1), Some(1970));
        assert_eq!(Years::All.at_or_after(10_000), None);
        assert_eq!(Years::All.at_or_before(10_000), Some(9999));
        assert_eq!(Years::All.at_or_before(1969), None);
    }
}
