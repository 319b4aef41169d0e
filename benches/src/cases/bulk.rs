//! Enqueue 100,000 by the batch interface.

use taskx_measure::Work;

use super::Case;

pub(super) fn cases(size: &dyn Fn(u64) -> u64) -> Vec<Case> {
    let case = Case::new("bulk", Work::Bulk { jobs: size(100_000) });
    let large = Case::new("bulk of 4 KB", Work::Bulk { jobs: size(20_000) }).of_bytes(4_096);
    vec![case.clone().raw(), case.at_least(0.6, "raw bulk"), large]
}
