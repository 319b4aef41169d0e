//! Sorted numbers as few arithmetic progressions: what `1-5`, `*/10` and `7` have in common.

/// `first, first + step, ..` up to and including `last`.
///
/// A single number has `first == last` and step 1; otherwise `last` is one of the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Progression {
    /// The lowest number.
    pub(crate) first: u32,
    /// The highest number.
    pub(crate) last: u32,
    /// The distance of two neighbours, at least 1.
    pub(crate) step: u32,
}

impl Progression {
    /// The lowest number that is not below `bound`.
    pub(crate) fn at_or_after(self, bound: u32) -> Option<u32> {
        let above = bound.saturating_sub(self.first);
        let number = self.first + above.div_ceil(self.step) * self.step;
        (number <= self.last).then_some(number)
    }

    /// The highest number that is not above `bound`.
    pub(crate) fn at_or_before(self, bound: u32) -> Option<u32> {
        let above = bound.min(self.last).checked_sub(self.first)?;
        Some(self.first + above / self.step * self.step)
    }
}

/// Splits sorted, distinct numbers into progressions, taking each as long as it gets.
///
/// Two numbers make a progression of their own only if they are neighbours.
pub(crate) fn progressions(sorted: &[u32]) -> Vec<Progression> {
    let mut found = Vec::new();
    let mut rest = sorted;
    while let [first, tail @ ..] = rest {
        let step = tail.first().map_or(1, |second| second - first);
        let longest = tail
            .iter()
            .zip(rest)
            .take_while(|(number, previous)| *number - *previous == step)
            .count();
        // Two numbers that are no neighbours read better apart, and may begin a longer run.
        let taken = if step > 1 && longest < 2 { 0 } else { longest };
        let last = rest.get(taken).copied().unwrap_or(*first);
        found.push(Progression { first: *first, last, step: if taken == 0 { 1 } else { step } });
        rest = rest.get(taken + 1..).unwrap_or(&[]);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_from_their_progressions() {
        for (numbers, expected) in [
            (vec![], vec![]),
            (vec![7], vec![(7, 7, 1)]),
            (vec![1, 2], vec![(1, 2, 1)]),
            (vec![1, 3], vec![(1, 1, 1), (3, 3, 1)]),
            (vec![0, 1, 5, 10, 15], vec![(0, 1, 1), (5, 15, 5)]),
            (vec![0, 10, 20, 21, 22], vec![(0, 20, 10), (21, 22, 1)]),
        ] {
            let found = progressions(&numbers);
            let triples: Vec<_> = found.iter().map(|p| (p.first, p.last, p.step)).collect();
            assert_eq!(triples, expected);
            let back: Vec<u32> = found
                .iter()
                .flat_map(|p| (p.first..=p.last).step_by(usize::try_from(p.step).unwrap()))
                .collect();
            assert_eq!(back, numbers);
        }
    }
}
