//! Drain what waits, from the start of the worker until the last job is recorded as finished.

use taskx_measure::{Handler, Setting};

use super::{Case, drain, fill, newcomer};

pub(super) fn cases(size: &dyn Fn(u64) -> u64) -> Vec<Case> {
    let (few, many) = (size(20_000), size(200_000));
    let of = |name: &str, jobs, setting, handler| {
        Case::new(name, drain(jobs, setting)).before(fill(jobs, handler))
    };
    let kept = Handler::Nothing;
    vec![
        of("drain 20k", few, Setting::Best, kept).raw(),
        of("drain 20k best", few, Setting::Best, kept).at_least(0.7, "raw drain 20k"),
        of("drain 20k at 10", few, newcomer(10), kept)
            .at_least(0.7, "raw drain 20k")
            .at_least(0.8, "drain 20k best"),
        of("drain 20k at 64", few, newcomer(64), kept).at_least(0.7, "raw drain 20k"),
        of("drain 200k", many, Setting::Best, kept).raw(),
        of("drain 200k best", many, Setting::Best, kept).at_least(0.7, "raw drain 200k"),
        of("drain 200k at 10", many, newcomer(10), kept).at_least(0.7, "raw drain 200k"),
        of("drain 200k at 64", many, newcomer(64), kept).at_least(0.7, "raw drain 200k"),
        of("drain 200k forgotten", many, Setting::Best, Handler::Forget)
            .at_least(1.0, "drain 200k best"),
        of("drain 20k of 4 KB", few, Setting::Best, kept).of_bytes(4_096),
        of("drain 2k of 5 ms at 64", size(2_000), newcomer(64), Handler::Sleep),
    ]
}
