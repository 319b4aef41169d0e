//! What a worker costs that waits for jobs which do not come.

use std::time::Duration;

use taskx_measure::Work;

use super::Case;

pub(super) fn cases(share: u64) -> Vec<Case> {
    let lasts = Duration::from_secs((30 / share).max(5));
    vec![Case::new("idle", Work::Idle { lasts }).most_pairs(1)]
}
