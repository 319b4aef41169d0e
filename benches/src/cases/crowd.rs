//! The drain among a million jobs each that are due later, wait elsewhere, and are finished.

use taskx_measure::{Handler, Setting, Work};

use super::{Case, drain, fill};

pub(super) fn cases(size: &dyn Fn(u64) -> u64) -> Vec<Case> {
    let (crowd, jobs) = (size(1_000_000), size(200_000));
    let of =
        |elsewhere, later| Work::Fill { jobs: crowd, elsewhere, later, handler: Handler::Nothing };
    let case = Case::new("drain in a crowd", drain(jobs, Setting::Best))
        .before(fill(crowd, Handler::Nothing))
        .before(drain(crowd, Setting::Best))
        .before(of(false, true))
        .before(of(true, false))
        .before(fill(jobs, Handler::Nothing));
    vec![case.at_least(0.8, "drain 200k best").most_pairs(2)]
}
