//! Several worker processes on one database; and one for so long that its memory shows.

use taskx_measure::{Handler, Setting, Work};

use super::{Beside, Case, drain, fill};
use crate::site::Engine;

pub(super) fn cases(size: &dyn Fn(u64) -> u64) -> Vec<Case> {
    let (jobs, many) = (size(200_000), size(2_000_000));
    let shared = Work::Drain { jobs, setting: Setting::Best, at_most: None, shared: true };
    let of = |name: &str, processes: usize| {
        let mut case = Case::new(name, shared.clone())
            .before(fill(jobs, Handler::Nothing))
            .beside(Beside::Others(processes - 1));
        case.engines = &[Engine::Postgres];
        case.at_least(1.0, "drain 200k best").most_pairs(3)
    };
    let long = Case::new("drain 2M", drain(many, super::newcomer(64)))
        .before(fill(many, Handler::Nothing))
        .most_pairs(1);
    vec![of("2 processes", 2), of("4 processes", 4), long]
}
