//! Enqueue one by one: each when the one before is durable.

use taskx_measure::Work;

use super::Case;

pub(super) fn cases(size: &dyn Fn(u64) -> u64) -> Vec<Case> {
    let case = Case::new("one by one", Work::OneByOne { jobs: size(2_000) });
    vec![case.clone().raw(), case.at_least(0.75, "raw one by one")]
}
