//! How attempts end, what is kept of them, and when that is forgotten.

use std::time::Duration;

use super::tables::{Row, Tables, Time};
use crate::{
    clock::{earlier, later},
    inspect::AttemptInfo,
    job::{JobId, JobState},
    outcome::{ATTEMPTS_KEPT, DEAD_RETENTION, Failure, Outcome, Settlement, cut_text},
    store::{Pruned, Settled},
};

/// How long a slot's row is kept.
const SLOTS_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// How a job ends.
pub(super) struct Ending {
    pub(super) state: JobState,
    pub(super) reason: Option<String>,
    pub(super) result: Option<String>,
    /// How long it is kept; `None` forgets it at once.
    pub(super) retention: Option<Duration>,
}

impl Ending {
    /// An end without a result.
    pub(super) fn new(state: JobState, reason: &str, retention: Option<Duration>) -> Self {
        Self { state, reason: Some(cut_text(reason).into_owned()), result: None, retention }
    }
}

/// Writes how one attempt ended.
pub(super) fn settle(tables: &mut Tables, now: Time, settlement: &Settlement) -> Settled {
    let Some(row) = tables.live.get(settlement.id) else {
        return unheld(tables, settlement);
    };
    if !row.is_held(settlement.owner, settlement.fence) {
        return unheld(tables, settlement);
    }
    let stop = row.job.cancel_requested_at.is_some();
    if let Some(failure) = failure(&settlement.outcome) {
        record(tables, now, settlement, failure);
    }
    let retention = settlement.retention;
    let ending = match &settlement.outcome {
        Outcome::Completed(result) => {
            Ending { state: JobState::Completed, reason: None, result: result.clone(), retention }
        }
        Outcome::Cancelled(reason) => Ending::new(JobState::Cancelled, reason, retention),
        Outcome::Discarded { reason, .. } => {
            Ending::new(JobState::Discarded, reason, retention.or(Some(DEAD_RETENTION)))
        }
        Outcome::Quarantined { reason, .. } => {
            Ending::new(JobState::Quarantined, reason, retention.or(Some(DEAD_RETENTION)))
        }
        Outcome::Retry { .. } | Outcome::Snoozed { .. } | Outcome::Released if stop => {
            Ending::new(JobState::Cancelled, "cancelled while running", retention)
        }
        Outcome::Retry { after, failure } => {
            wait(tables, settlement.id, now, JobState::Retryable, *after, |row| {
                row.job.reason = Some(cut_text(&failure.error).into_owned());
            });
            return Settled::Done;
        }
        Outcome::Snoozed { after, failure } => {
            wait(tables, settlement.id, now, JobState::Scheduled, *after, |row| {
                row.job.attempt -= 1;
                row.job.snooze_count += 1;
                if let Some(failure) = failure {
                    row.job.reason = Some(cut_text(&failure.error).into_owned());
                }
            });
            return Settled::Done;
        }
        Outcome::Released => {
            tables.live.change(settlement.id, give_back);
            return Settled::Done;
        }
    };
    finish(tables, now, settlement.id, ending);
    Settled::Done
}

/// Whether a settlement of a job that is not held was written before.
fn unheld(tables: &Tables, settlement: &Settlement) -> Settled {
    let finished_so = tables.history.get(&settlement.id).is_some_and(|row| {
        row.job.owner == Some(settlement.owner) && row.job.fence == settlement.fence
    });
    let goes_on = matches!(
        settlement.outcome,
        Outcome::Retry { .. } | Outcome::Snoozed { .. } | Outcome::Released
    );
    let waits_so = tables.live.get(settlement.id).is_some_and(|row| {
        row.job.fence == settlement.fence
            && row.job.owner.is_none()
            && row.job.state != JobState::Running
    });
    if finished_so || (goes_on && waits_so) { Settled::Already } else { Settled::Lost }
}

/// Gives a running job back: available, the attempt not counted.
pub(super) fn give_back(row: &mut Row) {
    row.job.state = JobState::Available;
    row.job.owner = None;
    row.job.attempt -= 1;
}

/// Makes a running job wait in `state`, or be available where there is nothing to wait for.
fn wait(
    tables: &mut Tables,
    id: JobId,
    now: Time,
    state: JobState,
    after: Duration,
    change: impl FnOnce(&mut Row),
) {
    tables.live.change(id, |row| {
        row.job.state = if after.is_zero() { JobState::Available } else { state };
        row.job.run_at = later(now, after);
        row.job.owner = None;
        change(row);
    });
}

/// Moves a live job to the history, or forgets it.
pub(super) fn finish(tables: &mut Tables, now: Time, id: JobId, ending: Ending) {
    let Some(mut row) = tables.live.take(id) else { return };
    let Some(retention) = ending.retention else {
        tables.attempts.remove(&id);
        return;
    };
    row.job.state = ending.state;
    row.job.reason = ending.reason;
    row.job.result = ending.result;
    row.job.finished_at = Some(now);
    row.prune_at = Some(later(now, retention));
    tables.history.insert(id, row);
}

/// The failure in an outcome.
fn failure(outcome: &Outcome) -> Option<&Failure> {
    match outcome {
        Outcome::Retry { failure, .. } => Some(failure),
        Outcome::Snoozed { failure, .. }
        | Outcome::Discarded { failure, .. }
        | Outcome::Quarantined { failure, .. } => failure.as_ref(),
        Outcome::Completed(_) | Outcome::Released | Outcome::Cancelled(_) => None,
    }
}

/// Keeps a failed attempt; only the last ones are kept.
fn record(tables: &mut Tables, now: Time, settlement: &Settlement, failure: &Failure) {
    let claimed_at = tables.live.get(settlement.id).and_then(|row| row.job.claimed_at);
    let kept = tables.attempts.entry(settlement.id).or_default();
    kept.push(AttemptInfo {
        fence: settlement.fence,
        attempt: settlement.attempt,
        worker: settlement.owner,
        started_at: claimed_at.unwrap_or(now),
        ended_at: now,
        outcome: failure.kind.name().to_owned(),
        error: cut_text(&failure.error).into_owned(),
        backtrace: failure.backtrace.as_deref().map(|text| cut_text(text).into_owned()),
    });
    let surplus = kept.len().saturating_sub(ATTEMPTS_KEPT);
    kept.drain(..surplus);
}

/// Forgets finished jobs whose retention has passed, and old slots.
pub(super) fn prune(tables: &mut Tables, now: Time, limit: u32) -> Pruned {
    let limit = limit as usize;
    let past: Vec<_> = tables
        .history
        .values()
        .filter(|row| row.prune_at.is_some_and(|at| at < now))
        .map(|row| row.job.id)
        .take(limit)
        .collect();
    for id in &past {
        tables.history.remove(id);
        tables.attempts.remove(id);
    }
    let oldest = earlier(now, SLOTS_KEPT);
    tables.slots.retain(|_, fired_at| *fired_at >= oldest);
    Pruned { jobs: past.len(), more: past.len() == limit }
}
