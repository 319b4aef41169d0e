//! Enqueue from 64 tasks at once, each awaiting its own durable commit: of one job, or of a hundred.

use taskx_measure::Work;

use super::Case;

pub(super) fn cases(size: &dyn Fn(u64) -> u64) -> Vec<Case> {
    let case = Case::new("64 callers", Work::Callers { jobs: size(20_000), callers: 64 });
    let portions = Work::Portions { jobs: size(100_000), callers: 64, each: 100 };
    vec![
        case.clone().raw(),
        case.at_least(0.65, "raw 64 callers"),
        Case::new("64 callers of 100", portions),
    ]
}
