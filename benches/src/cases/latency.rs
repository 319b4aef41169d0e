//! Latency of single jobs on an idle worker, in the caller's process and in another.

use taskx_measure::{Side, Work};

use super::{Beside, Case};

pub(super) fn cases(size: &dyn Fn(u64) -> u64) -> Vec<Case> {
    let of = |side| Work::Latency { jobs: size(500), side };
    vec![
        Case::new("latency", of(Side::Both)),
        Case::new("latency across", of(Side::Caller)).beside(Beside::Worker),
    ]
}
