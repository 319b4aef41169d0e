//! What a settlement writes, the same on every engine.
//!
//! A [`Plan`] is the meaning of one [`Settlement`] once it is known to hold the job; the engines
//! only carry it out. Delays and retentions are microseconds, added to the database's clock.

use std::{borrow::Cow, time::Duration};

use taskx_core::{
    job::JobState,
    outcome::{DEAD_RETENTION, Failure, Outcome, Settlement},
};

/// The most bytes of an error, a backtrace or a reason that are kept.
pub(crate) const TEXT_LIMIT: usize = 8 * 1024;

/// The reason of a job whose cancellation was asked for while it ran, and that came back otherwise.
pub(crate) const CANCELLED_WHILE_RUNNING: &str = "cancelled while running";

/// What is written for one settlement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan<'a> {
    /// Where the job goes.
    pub(crate) place: Place,
    /// Why, in a sentence, or the last error. Cut.
    pub(crate) reason: Option<Cow<'a, str>>,
    /// What the job returned, as JSON.
    pub(crate) result: Option<&'a str>,
    /// The failed attempt to be kept.
    pub(crate) failure: Option<FailureRow<'a>>,
}

/// Where a settled job goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nowhere: its row is deleted.
    Gone,
    /// Into the history.
    History {
        /// Its state there.
        state: JobState,
        /// How long it stays, in microseconds.
        keep: i64,
    },
    /// Back among the live jobs, with no owner.
    Live {
        /// Its state there: available, scheduled or retryable.
        state: JobState,
        /// `run_at` becomes now plus so many microseconds; `None` leaves it.
        wait: Option<i64>,
        /// Whether the attempt does not count: `attempt` falls by one.
        uncounted: bool,
        /// Whether `snooze_count` rises by one.
        snoozed: bool,
    },
}

/// A failed attempt as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FailureRow<'a> {
    /// The word in the column `outcome`.
    pub(crate) outcome: &'static str,
    /// The error with its causes. Cut.
    pub(crate) error: Cow<'a, str>,
    /// The backtrace. Cut.
    pub(crate) backtrace: Option<Cow<'a, str>>,
}

impl<'a> Plan<'a> {
    /// What `settlement` writes. `cancel_requested`: whether the job's cancellation was asked for
    /// while it ran; then it does not go back among the live jobs.
    pub(crate) fn of(settlement: &'a Settlement, cancel_requested: bool) -> Self {
        let mut plan = Self::of_outcome(settlement);
        if cancel_requested && matches!(plan.place, Place::Live { .. }) {
            plan.place = finished(JobState::Cancelled, settlement.retention);
            plan.reason = Some(Cow::Borrowed(CANCELLED_WHILE_RUNNING));
        }
        plan
    }

    fn of_outcome(settlement: &'a Settlement) -> Self {
        let retention = settlement.retention;
        let plain = |place| Self { place, reason: None, result: None, failure: None };
        match &settlement.outcome {
            Outcome::Completed(result) => Self {
                result: result.as_deref(),
                ..plain(finished(JobState::Completed, retention))
            },
            Outcome::Retry { after, failure } => {
                let place = live(JobState::Retryable, *after, false, false);
                let failure = FailureRow::of(failure);
                Self { reason: Some(failure.error.clone()), failure: Some(failure), ..plain(place) }
            }
            Outcome::Snoozed { after, failure } => {
                let failure = failure.as_ref().map(FailureRow::of);
                Self {
                    reason: failure.as_ref().map(|failure| failure.error.clone()),
                    failure,
                    ..plain(live(JobState::Scheduled, *after, true, true))
                }
            }
            Outcome::Cancelled(reason) => Self {
                reason: Some(cut(reason)),
                ..plain(finished(JobState::Cancelled, retention))
            },
            Outcome::Discarded { reason, failure } => Self {
                reason: Some(cut(reason)),
                failure: failure.as_ref().map(FailureRow::of),
                ..plain(dead(JobState::Discarded, retention))
            },
            Outcome::Quarantined { reason, failure } => Self {
                reason: Some(cut(reason)),
                failure: failure.as_ref().map(FailureRow::of),
                ..plain(dead(JobState::Quarantined, retention))
            },
            // `Released`, and whatever a later version brings back unfinished.
            _ => plain(Place::Live {
                state: JobState::Available,
                wait: None,
                uncounted: true,
                snoozed: false,
            }),
        }
    }
}

impl<'a> FailureRow<'a> {
    fn of(failure: &'a Failure) -> Self {
        Self {
            outcome: failure.kind.name(),
            error: cut(&failure.error),
            backtrace: failure.backtrace.as_deref().map(cut),
        }
    }
}

/// A completed or cancelled job: kept for its retention, or not at all.
fn finished(state: JobState, retention: Option<Duration>) -> Place {
    retention.map_or(Place::Gone, |keep| Place::History { state, keep: micros(keep) })
}

/// A discarded or quarantined job: always kept.
fn dead(state: JobState, retention: Option<Duration>) -> Place {
    Place::History { state, keep: micros(retention.unwrap_or(DEAD_RETENTION)) }
}

fn live(later: JobState, after: Duration, uncounted: bool, snoozed: bool) -> Place {
    let state = if after.is_zero() { JobState::Available } else { later };
    Place::Live { state, wait: Some(micros(after)), uncounted, snoozed }
}

/// Microseconds of a duration, at most about a thousand years: far enough for any delay, near
/// enough that adding it to a clock overflows no engine's time type.
pub(crate) fn micros(duration: Duration) -> i64 {
    const MOST: i64 = 1_000 * 366 * 24 * 3600 * 1_000_000;
    i64::try_from(duration.as_micros()).map_or(MOST, |micros| micros.min(MOST))
}

/// A text of at most [`TEXT_LIMIT`] bytes, cut between characters, without NUL characters (which
/// PostgreSQL does not store).
pub(crate) fn cut(text: &str) -> Cow<'_, str> {
    let text = text.get(..text.floor_char_boundary_at(TEXT_LIMIT)).unwrap_or(text);
    if text.contains('\0') { Cow::Owned(text.replace('\0', "")) } else { Cow::Borrowed(text) }
}

/// `str::floor_char_boundary`, which is newer than our oldest Rust.
trait CharBoundary {
    /// The last boundary between characters at or before `most`.
    fn floor_char_boundary_at(&self, most: usize) -> usize;
}

impl CharBoundary for str {
    fn floor_char_boundary_at(&self, most: usize) -> usize {
        (0..=most.min(self.len())).rev().find(|&at| self.is_char_boundary(at)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use taskx_core::{
        job::{JobId, WorkerId},
        outcome::FailureKind,
    };

    use super::*;

    fn settlement(outcome: Outcome, retention: Option<Duration>) -> Settlement {
        Settlement {
            id: JobId::new(),
            owner: WorkerId::new(),
            fence: 1,
            attempt: 1,
            outcome,
            retention,
        }
    }

    fn failure() -> Failure {
        Failure { kind: FailureKind::Error, error: "no route".to_owned(), backtrace: None }
    }

    #[test]
    fn without_retention_the_done_go_and_the_dead_stay() {
        let done = settlement(Outcome::Completed(None), None);
        assert_eq!(Plan::of(&done, false).place, Place::Gone);
        let dead = settlement(
            Outcome::Discarded { reason: "out of attempts".to_owned(), failure: None },
            None,
        );
        let keep = micros(DEAD_RETENTION);
        let place = Place::History { state: JobState::Discarded, keep };
        assert_eq!(Plan::of(&dead, true).place, place);
    }

    #[test]
    fn a_retry_at_once_is_available_and_keeps_its_error() {
        let settlement =
            settlement(Outcome::Retry { after: Duration::ZERO, failure: failure() }, None);
        let plan = Plan::of(&settlement, false);
        assert_eq!(
            plan.place,
            Place::Live {
                state: JobState::Available,
                wait: Some(0),
                uncounted: false,
                snoozed: false
            }
        );
        assert_eq!(plan.reason.as_deref(), Some("no route"));
    }

    #[test]
    fn a_cancelled_job_does_not_come_back_but_may_complete() {
        let day = Some(Duration::from_secs(86_400));
        let place = Place::History { state: JobState::Cancelled, keep: 86_400_000_000 };
        for outcome in [
            Outcome::Released,
            Outcome::Retry { after: Duration::from_secs(1), failure: failure() },
            Outcome::Snoozed { after: Duration::from_secs(1), failure: None },
        ] {
            let settlement = settlement(outcome, day);
            let plan = Plan::of(&settlement, true);
            assert_eq!(plan.place, place);
            assert_eq!(plan.reason.as_deref(), Some(CANCELLED_WHILE_RUNNING));
        }
        let done = settlement(Outcome::Completed(None), day);
        let place = Place::History { state: JobState::Completed, keep: 86_400_000_000 };
        assert_eq!(Plan::of(&done, true).place, place);
    }

    #[test]
    fn texts_are_cut_between_characters_and_lose_their_nuls() {
        let long = "é".repeat(TEXT_LIMIT);
        let kept = cut(&long);
        assert_eq!(kept.len(), TEXT_LIMIT);
        assert_eq!(cut(&format!("x{long}")).len(), TEXT_LIMIT - 1);
        assert_eq!(cut("a\0b"), "ab");
        assert_eq!(micros(Duration::MAX), micros(Duration::from_secs(u64::MAX / 2)));
    }
}
