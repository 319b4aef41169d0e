//! Worker rows: made, renewed, suspected, ended.

use std::{
    collections::HashSet,
    sync::{Arc, Weak},
};

use super::{
    settle::{Ending, finish, give_back},
    tables::{Tables, Time, WorkerRow},
};
use crate::{
    clock::later,
    inspect::{TaskInfo, WorkerInfo},
    job::{JobId, JobState, WorkerId},
    outcome::{DEAD_RETENTION, FINISHED_RETENTION},
    store::{NewWorker, Renewal, Renewed, Rescued, Suspect, Suspects},
};

/// Makes a worker row, and brings parked jobs of its tasks back.
pub(super) fn register(tables: &mut Tables, now: Time, worker: &NewWorker) {
    if tables.workers.contains_key(&worker.id) {
        return;
    }
    let tasks: Vec<_> = worker.tasks.iter().map(|task| task.name.clone()).collect();
    let parked: Vec<_> = tables
        .live
        .rows()
        .filter(|row| row.job.state == JobState::Parked && tasks.contains(&row.job.task))
        .map(|row| row.job.id)
        .collect();
    for id in parked {
        tables.live.change(id, |row| {
            row.job.state = JobState::Available;
            row.job.reason = None;
        });
    }
    for task in &worker.tasks {
        let info = TaskInfo {
            name: task.name.clone(),
            owner: Some(task.owner.clone()),
            arguments: Some(task.arguments.clone()),
            last_seen: Some(now),
            ..TaskInfo::default()
        };
        tables.tasks.insert(task.name.clone(), info);
    }
    let info = WorkerInfo {
        id: worker.id,
        service: worker.service.clone(),
        host: worker.host.clone(),
        pid: worker.pid,
        version: worker.version.clone(),
        started_at: now,
        renewed_at: now,
        lease_until: later(now, worker.lease),
        running: Vec::new(),
        tasks,
    };
    tables.workers.insert(worker.id, WorkerRow { info, presence: None });
}

/// Renews leases, writes progress, and tells of cancellations.
pub(super) fn renew(tables: &mut Tables, now: Time, renewal: &Renewal) -> Renewed {
    let mut alive = Vec::new();
    for id in &renewal.workers {
        if let Some(WorkerRow { info, .. }) = tables.workers.get_mut(id) {
            info.renewed_at = now;
            info.lease_until = later(now, renewal.lease);
            info.running.clone_from(&renewal.running);
            alive.push(*id);
        }
    }
    for progress in &renewal.progress {
        if tables
            .live
            .get(progress.id)
            .is_some_and(|row| row.is_held(progress.owner, progress.fence))
        {
            tables.live.change(progress.id, |row| row.job.progress = Some(progress.text.clone()));
        }
    }
    let is_cancelled = |id: &JobId| {
        tables.live.get(*id).is_some_and(|row| {
            row.job.cancel_requested_at.is_some()
                && row.job.owner.is_some_and(|owner| renewal.workers.contains(&owner))
        })
    };
    let cancelled = renewal.running.iter().copied().filter(is_cancelled).collect();
    Renewed { alive, cancelled }
}

/// Takes the presence lock of a worker for a session.
pub(super) fn hold_presence(tables: &mut Tables, worker: WorkerId, session: &Arc<()>) -> bool {
    let Some(row) = tables.workers.get_mut(&worker) else { return false };
    row.presence = Some(Arc::downgrade(session));
    true
}

/// The workers that may be dead.
pub(super) fn suspects(tables: &Tables, now: Time, besides: &[WorkerId]) -> Suspects {
    let standing = |row: &WorkerRow| Suspect {
        id: row.info.id,
        renewed_at: row.info.renewed_at,
        lease_until: row.info.lease_until,
        now,
        is_absent: row.presence.as_ref().is_some_and(|p| Weak::strong_count(p) == 0),
    };
    let others = tables.workers.values().filter(|row| !besides.contains(&row.info.id));
    Suspects::among(others.map(standing))
}

/// Ends the row of a dead worker and takes its jobs back.
pub(super) fn rescue(
    tables: &mut Tables,
    now: Time,
    suspect: &Suspect,
    crash_limit: i32,
) -> Vec<Rescued> {
    let unchanged = |row: &WorkerRow| row.info.renewed_at == suspect.renewed_at;
    if !tables.workers.get(&suspect.id).is_some_and(unchanged) {
        return Vec::new();
    }
    let executing: HashSet<JobId> = tables
        .workers
        .remove(&suspect.id)
        .map(|row| row.info.running.into_iter().collect())
        .unwrap_or_default();
    let held = held_by(tables, suspect.id);
    let is_solo = |id: &JobId| tables.live.get(*id).is_some_and(|row| row.solo);
    let alone: HashSet<JobId> =
        held.iter().copied().filter(|id| executing.contains(id) && is_solo(id)).collect();
    let guilt = |id: &JobId| match (alone.is_empty(), alone.contains(id)) {
        (true, _) => Guilt::Suspected { executing: executing.contains(id) },
        (false, true) => Guilt::Certain { crash_limit },
        (false, false) => Guilt::None,
    };
    held.into_iter().filter_map(|id| take_back(tables, now, id, guilt(&id))).collect()
}

/// How a job stands to its process's death.
#[derive(Clone, Copy)]
enum Guilt {
    /// Another one ran alone.
    None,
    /// It may have been it.
    Suspected { executing: bool },
    /// It ran alone.
    Certain { crash_limit: i32 },
}

/// Takes one job back from a dead worker.
fn take_back(tables: &mut Tables, now: Time, id: JobId, guilt: Guilt) -> Option<Rescued> {
    tables.live.change(id, |row| {
        give_back(row);
        row.job.crash_count += i32::from(!matches!(guilt, Guilt::None));
        if let Guilt::Suspected { executing } = guilt {
            // What nobody saw executing is suspected too once it was there at two deaths.
            row.solo = executing || row.job.crash_count >= 2;
        }
    });
    let job = &tables.live.get(id)?.job;
    let (crashes, stop) = (job.crash_count, job.cancel_requested_at.is_some());
    let quarantined = matches!(guilt, Guilt::Certain { crash_limit } if crashes >= crash_limit);
    let rescued = Rescued { id, queue: job.queue.clone(), quarantined };
    if rescued.quarantined {
        let reason = format!("its process died {crashes} times while it ran");
        finish(tables, now, id, Ending::new(JobState::Quarantined, &reason, Some(DEAD_RETENTION)));
    } else if stop {
        stop_now(tables, now, id);
    }
    Some(rescued)
}

/// The orderly end of a worker row.
pub(super) fn retire(tables: &mut Tables, now: Time, worker: WorkerId) -> usize {
    tables.workers.remove(&worker);
    let held = held_by(tables, worker);
    for &id in &held {
        tables.live.change(id, give_back);
        if tables.live.get(id).is_some_and(|row| row.job.cancel_requested_at.is_some()) {
            stop_now(tables, now, id);
        }
    }
    held.len()
}

/// Ends a job whose cancellation was asked for while a worker held it that is gone now.
fn stop_now(tables: &mut Tables, now: Time, id: JobId) {
    let reason = "cancelled while running";
    finish(tables, now, id, Ending::new(JobState::Cancelled, reason, Some(FINISHED_RETENTION)));
}

/// The jobs that a worker holds.
fn held_by(tables: &Tables, worker: WorkerId) -> Vec<JobId> {
    tables
        .live
        .rows()
        .filter(|row| row.job.state == JobState::Running && row.job.owner == Some(worker))
        .map(|row| row.job.id)
        .collect()
}
