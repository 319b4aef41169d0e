//! What becomes available, what is claimed, what is set aside because nobody knows it.

use std::collections::BTreeSet;

use super::tables::{Row, Tables, Time};
use crate::{
    job::{ClaimedJob, JobExtras, JobId, JobState, WorkerId},
    store::{Claim, Promoted},
};

/// Claims jobs of one queue.
pub(super) fn claim(tables: &mut Tables, now: Time, claim: &Claim) -> Vec<ClaimedJob> {
    if !is_open(tables, &claim.queue, claim.owner) {
        return Vec::new();
    }
    let mut chosen = Vec::new();
    for id in choose(tables, claim) {
        take(tables, now, id, claim.owner);
        chosen.extend(tables.live.get(id).and_then(|row| claimed(row, claim)));
    }
    chosen
}

/// Whether a worker may claim from a queue.
pub(super) fn is_open(tables: &Tables, queue: &str, owner: WorkerId) -> bool {
    tables.workers.contains_key(&owner) && !tables.pauses.contains_key(queue)
}

/// Makes a job a worker's.
pub(super) fn take(tables: &mut Tables, now: Time, id: JobId, owner: WorkerId) {
    tables.live.change(id, |row| {
        let job = &mut row.job;
        job.state = JobState::Running;
        job.owner = Some(owner);
        job.claimed_at = Some(now);
        job.fence += 1;
        job.attempt += 1;
    });
}

/// The first fitting job if it is solo, else the first fitting ones that are not.
fn choose(tables: &Tables, claim: &Claim) -> Vec<JobId> {
    let mut fitting = tables
        .live
        .ready(&claim.queue)
        .filter(|row| claim.after.is_none_or(|after| (row.job.priority, row.job.id) > after))
        .filter(|row| claim.tasks.contains(&row.job.task))
        .peekable();
    if let Some(first) = fitting.peek().filter(|row| row.solo) {
        return vec![first.job.id];
    }
    let limit = claim.limit as usize;
    fitting.filter(|row| !row.solo).take(limit).map(|row| row.job.id).collect()
}

/// A claimed row as its worker gets it.
fn claimed(row: &Row, claim: &Claim) -> Option<ClaimedJob> {
    let job = &row.job;
    let extras = job.extras.clone();
    Some(ClaimedJob {
        id: job.id,
        owner: job.owner?,
        fence: job.fence,
        queue: claim.queue.clone(),
        task: job.task.clone(),
        priority: job.priority,
        attempt: job.attempt,
        max_attempts: job.max_attempts,
        payload: job.payload.clone(),
        payload_format: job.payload_format,
        inserted_at: job.inserted_at,
        run_at: job.run_at,
        crash_count: job.crash_count,
        snooze_count: job.snooze_count,
        solo: row.solo,
        cancel_requested: job.cancel_requested_at.is_some(),
        extras: (extras != JobExtras::default()).then(|| Box::new(extras)),
    })
}

/// Makes due jobs available, the longest due first.
pub(super) fn promote(tables: &mut Tables, now: Time, limit: u32) -> Promoted {
    let mut waiting: Vec<(Time, JobId)> = tables
        .live
        .rows()
        .filter(|row| matches!(row.job.state, JobState::Scheduled | JobState::Retryable))
        .map(|row| (row.job.run_at, row.job.id))
        .collect();
    waiting.sort_unstable();
    let due = waiting.iter().take_while(|(run_at, _)| *run_at <= now).count();
    let rest = waiting.split_off(due.min(limit as usize));
    let mut queues = BTreeSet::new();
    for &(_, id) in &waiting {
        tables.live.change(id, |row| {
            row.job.state = JobState::Available;
            queues.insert(row.job.queue.clone());
        });
    }
    Promoted {
        queues: queues.into_iter().collect(),
        count: waiting.len(),
        next_due: rest.first().map(|(run_at, _)| (*run_at - now).to_std().unwrap_or_default()),
    }
}

/// Parks available jobs that no live worker knows.
pub(super) fn park_unknown(tables: &mut Tables, queue: &str, limit: u32) -> usize {
    let unknown: Vec<_> = tables
        .live
        .ready(queue)
        .take(limit as usize)
        .filter(|row| !tables.is_known(&row.job.task))
        .map(|row| row.job.id)
        .collect();
    for &id in &unknown {
        tables.live.change(id, |row| {
            row.job.state = JobState::Parked;
            row.job.reason = Some(format!("no live worker knows task `{}`", row.job.task));
        });
    }
    unknown.len()
}
