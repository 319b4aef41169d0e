//! The drain while another session holds an old snapshot, so that no dead row can be cleared away.

use std::time::Duration;

use taskx_measure::{Handler, Setting, Work};

use super::{Beside, Case, fill};
use crate::site::Engine;

pub(super) fn cases(size: &dyn Fn(u64) -> u64) -> Vec<Case> {
    // More than a minute's work.
    let jobs = size(7_000_000);
    let work = Work::Drain {
        jobs,
        setting: Setting::Best,
        at_most: Some(Duration::from_secs(60)),
        shared: false,
    };
    let case = |name: &str, beside| {
        let case = Case::new(name, work.clone()).before(fill(jobs, Handler::Nothing));
        Case { engines: &[Engine::Postgres], ..case.beside(beside).most_pairs(1) }
    };
    vec![
        case("drain 60 s", Beside::Nothing),
        case("drain 60 s under a snapshot", Beside::Snapshot).at_least(0.7, "drain 60 s"),
    ]
}
