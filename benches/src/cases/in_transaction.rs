//! Enqueue in the caller's own transaction, which writes a row of the caller's too.

use taskx_measure::Work;

use super::Case;

pub(super) fn cases(size: &dyn Fn(u64) -> u64) -> Vec<Case> {
    vec![Case::new("in a transaction", Work::InTransaction { jobs: size(2_000) })]
}
