//! How an attempt ends, and what a worker writes of it.

use std::{borrow::Cow, time::Duration};

use crate::job::{JobId, WorkerId};

/// How an attempt failed, as kept in `taskx_attempts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Of which kind.
    pub kind: FailureKind,
    /// The error with its causes. Cut to 8 KiB before it is stored.
    pub error: String,
    /// The backtrace, where there is one. Cut to 8 KiB before it is stored.
    pub backtrace: Option<String>,
}

/// Of which kind a [`Failure`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// The task returned an error.
    Error,
    /// The task panicked.
    Panic,
    /// The task ran longer than its timeout.
    Timeout,
    /// The arguments did not decode.
    Undecodable,
}

impl FailureKind {
    /// The word in the column `outcome`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Panic => "panic",
            Self::Timeout => "timeout",
            Self::Undecodable => "undecodable",
        }
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// Done, with the result as JSON; `None` where there is none to keep.
    Completed(Option<String>),
    /// Failed; the next attempt is due after the delay.
    Retry {
        /// How long until the next attempt, by the database's clock.
        after: Duration,
        /// Why it failed.
        failure: Failure,
    },
    /// Wants to run later; the attempt does not count, `snooze_count` rises.
    Snoozed {
        /// How long, by the database's clock.
        after: Duration,
        /// Why, where it is not by the task's own wish.
        failure: Option<Failure>,
    },
    /// Given back unstarted or unfinished: available at once, the attempt does not count.
    Released,
    /// Stopped by its own code or by a person.
    Cancelled(String),
    /// Gave up: out of attempts, or by its own code.
    Discarded {
        /// Why, in a sentence.
        reason: String,
        /// The last failure, where an attempt failed.
        failure: Option<Failure>,
    },
    /// Set aside with its payload as it is.
    Quarantined {
        /// Why, in a sentence.
        reason: String,
        /// The last failure.
        failure: Option<Failure>,
    },
}

/// An outcome to be written for one claim of one job.
#[derive(Debug, Clone, PartialEq)]
pub struct Settlement {
    /// The job.
    pub id: JobId,
    /// The worker row that holds it.
    pub owner: WorkerId,
    /// The claim's number.
    pub fence: i64,
    /// The attempt's number, for the record of a failed attempt.
    pub attempt: i32,
    /// How it ended.
    pub outcome: Outcome,
    /// How long a finished job is kept; `None` deletes a completed or cancelled job at once.
    /// Discarded and quarantined jobs are always kept, for [`DEAD_RETENTION`] where this is `None`.
    pub retention: Option<Duration>,
}

/// How long completed and cancelled jobs are kept by default: 3 days.
pub const FINISHED_RETENTION: Duration = Duration::from_secs(3 * 24 * 3600);

/// How long discarded and quarantined jobs are kept by default: 90 days.
pub const DEAD_RETENTION: Duration = Duration::from_secs(90 * 24 * 3600);

/// The most failed attempts of a job that are kept.
pub const ATTEMPTS_KEPT: usize = 10;

/// The most bytes that are kept of an error, a backtrace or a reason.
pub const TEXT_LIMIT: usize = 8 * 1024;

/// A text as it is stored: cut to [`TEXT_LIMIT`] bytes at a character's boundary, without NUL, which
/// PostgreSQL cannot hold.
#[must_use]
pub fn cut_text(text: &str) -> Cow<'_, str> {
    let clean =
        if text.contains('\0') { Cow::Owned(text.replace('\0', "")) } else { Cow::Borrowed(text) };
    if clean.len() <= TEXT_LIMIT {
        return clean;
    }
    let end = (0..=TEXT_LIMIT).rev().find(|&at| clean.is_char_boundary(at)).unwrap_or(0);
    match clean {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(..end).unwrap_or_default()),
        Cow::Owned(mut text) => {
            text.truncate(end);
            Cow::Owned(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters_and_lose_their_nuls() {
        assert_eq!(cut_text("a\0b"), "ab");
        let long = "é".repeat(TEXT_LIMIT);
        assert_eq!(cut_text(&format!("x{long}")).len(), TEXT_LIMIT - 1);
        assert_eq!(cut_text(&long).len(), TEXT_LIMIT);
    }
}
