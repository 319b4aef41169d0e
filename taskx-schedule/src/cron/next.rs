//! The search in a zone: fire times as Unix seconds, forward and backward, under both rules for
//! daylight saving.
//!
//! Within one span of constant offset the wall clock runs evenly, so a search there is the search
//! of `local.rs`. The rules differ only near the border of two spans:
//!
//! - **gap** (the clock jumps forward by `d`): by [`Dst::Rfc`] a schedule of fixed hours fires
//!   what falls into the gap `d` later, that is at the instant that the old offset gives;
//! - **repeat** (the clock is set back by `d`): by [`Dst::Rfc`] a schedule of fixed hours leaves
//!   out the first `d` of the new span;
//! - otherwise (a schedule of all 24 hours, or [`Dst::WallClock`]) every real second whose wall
//!   clock matches fires, no more and no less.
//!
//! Spans last for days and offsets differ by a day at most (tests in `zone.rs`), so only the
//! neighbour counts.

use super::local::{self, Month};
use super::spec::{ALL_HOURS, CronSpec};
use super::{CronTrigger, Dst};
use crate::zone::{Span, span_index, spans};

/// A search that remembers where it was, so that chained calls are cheap.
#[derive(Clone, Debug)]
pub(crate) struct Search<'a> {
    spec: &'a CronSpec,
    /// Each wall-clock time fires exactly once, shifted or not.
    once: bool,
    spans: &'static [Span],
    /// The span that was looked at last.
    at: usize,
    month: Month,
}

impl<'a> Search<'a> {
    pub(crate) fn new(trigger: &'a CronTrigger) -> Self {
        Self {
            spec: &trigger.spec,
            once: trigger.dst == Dst::Rfc && trigger.spec.hours != ALL_HOURS,
            spans: spans(trigger.zone),
            at: 0,
            month: Month::NONE,
        }
    }

    /// The earliest fire time that is not before the Unix second `from`.
    pub(crate) fn at_or_after(&mut self, from: i64) -> Option<i64> {
        let mut from = from;
        self.at = span_index(self.spans, from, self.at);
        loop {
            let span = *self.spans.get(self.at)?;
            let step = self.step_into(self.at);
            // After a repeat, the times of its second pass have fired already.
            let begin = if self.once && step < 0 { from.max(span.begin - step) } else { from };
            let regular = self.match_after(begin, span.offset);
            let shifted = if self.once && step > 0 && from < span.begin + step {
                self.match_after(from, span.offset - step).filter(|at| *at < span.begin + step)
            } else {
                None
            };
            let found = [regular, shifted].into_iter().flatten().min();
            if let Some(found) = found.filter(|found| *found < span.end) {
                return Some(found);
            }
            self.at = self.skip(self.at, found)?;
            from = self.spans.get(self.at)?.begin;
        }
    }

    /// The latest fire time that is not after the Unix second `until`.
    pub(crate) fn at_or_before(&mut self, until: i64) -> Option<i64> {
        let mut until = until;
        self.at = span_index(self.spans, until, self.at);
        loop {
            let span = *self.spans.get(self.at)?;
            let step = self.step_into(self.at);
            let begin = if self.once && step < 0 { span.begin - step } else { span.begin };
            let regular = self.match_before(until, span.offset).filter(|at| *at >= begin);
            let shifted = if self.once && step > 0 {
                self.match_before(until.min(span.begin + step - 1), span.offset - step)
                    .filter(|at| *at >= span.begin)
            } else {
                None
            };
            if let Some(found) = regular.max(shifted) {
                return Some(found);
            }
            self.at = self.at.checked_sub(1)?;
            until = span.begin - 1;
        }
    }

    /// The first match from a Unix second on, as if `offset` held for ever.
    fn match_after(&mut self, second: i64, offset: i64) -> Option<i64> {
        local::at_or_after(self.spec, &mut self.month, second + offset).map(|at| at - offset)
    }

    /// The last match up to a Unix second, as if `offset` had always held.
    fn match_before(&mut self, second: i64, offset: i64) -> Option<i64> {
        local::at_or_before(self.spec, &mut self.month, second + offset).map(|at| at - offset)
    }

    /// The next span to search after one that holds no further match, where `found` is the next
    /// match by that span's offset.
    fn skip(&self, at: usize, found: Option<i64>) -> Option<usize> {
        /// More than any offset changes at once, and less than a span lasts.
        const SLACK: i64 = 2 * 86_400;
        let next = at + 1;
        // Where the clock is set back, wall-clock times from before `from` come again.
        if !self.once && self.step_into(next) < 0 {
            return Some(next);
        }
        // Everywhere else no wall-clock time before the match is left. Usually the walk is short.
        let found = found?;
        let later = self.spans.get(next..)?;
        Some(next + later.iter().take_while(|span| span.end < found - SLACK).count())
    }

    /// By how many seconds the clock jumps forward when this span begins; negative when it is set
    /// back.
    fn step_into(&self, index: usize) -> i64 {
        let before = index.checked_sub(1).and_then(|before| self.spans.get(before));
        match (before, self.spans.get(index)) {
            (Some(before), Some(span)) => span.offset - before.offset,
            _ => 0,
        }
    }
}
