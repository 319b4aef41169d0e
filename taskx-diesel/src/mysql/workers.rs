//! Worker rows: made, renewed, suspected, ended.

use std::{collections::HashSet, time::Duration};

use diesel::QueryResult;
use serde::Serialize;
use taskx_core::{
    job::{JobId, JobState, WorkerId},
    outcome::{DEAD_RETENTION, FINISHED_RETENTION},
    store::{NewWorker, Renewal, Renewed, Rescued, Suspect, Suspects},
};
use uuid::Uuid;

use super::{
    batch::{hex_list, name_list},
    run::{Run, Session},
    settle::{Ending, finish},
    statements::workers::{
        AddWorker, Alive, Alone, AskedToStop, DescribeTasks, EndSuspect, HeldAlone, HeldBy,
        NameTasks, ParkedOf, RemoveTasks, RemoveWorker, Renew, RunningOf, Standings, StillHeld,
        TakeBack, Unpark, Uptime, WriteProgress,
    },
};
use crate::{
    rows::{json_text, running_ids},
    settlement::{CANCELLED_WHILE_RUNNING, micros},
    statement::Sql,
    values::{DbId, DbTime},
};

/// The most jobs that one transaction takes back or makes available.
pub(super) const PORTION: i32 = 1_000;

/// For so long after a server's start its locks tell nothing: they are all free.
const SETTLING: u64 = 10;

/// What is told of a task, as the columns of [`DescribeTasks`].
#[derive(Serialize)]
struct Described<'a> {
    name: &'a str,
    owner: &'a str,
    arguments: &'a str,
    version: i32,
}

/// Makes the row of a worker, with its tasks.
pub(super) async fn register(session: &mut Session, worker: &NewWorker) -> QueryResult<()> {
    let id = DbId::from(worker.id);
    let _: Vec<String> = session.load(Alone::with(())).await?;
    let lease = micros(worker.lease);
    let values = (id, &worker.service, &worker.host, worker.pid, &worker.version, lease);
    session.execute(AddWorker::with(values)).await?;
    if worker.tasks.is_empty() {
        return Ok(());
    }
    let names = name_list(worker.tasks.iter().map(|task| task.name.as_str()));
    session.execute(NameTasks::with((id, &names))).await?;
    let rows: Vec<_> = worker
        .tasks
        .iter()
        .map(|task| Described {
            name: &task.name,
            owner: &task.owner,
            arguments: &task.arguments,
            version: task.version,
        })
        .collect();
    session.execute(DescribeTasks::with((&json_text(&rows),))).await?;
    Ok(())
}

/// Brings up to [`PORTION`] parked jobs of a worker's tasks back; answers how many it looked at.
pub(super) async fn unpark(session: &mut Session, tasks: &str) -> QueryResult<usize> {
    let ids: Vec<DbId> = session.load(ParkedOf::with((tasks, PORTION))).await?;
    if !ids.is_empty() {
        session.execute(Unpark::with((&hex_list(ids.iter().map(|id| id.0)),))).await?;
    }
    Ok(ids.len())
}

/// A line of progress, as the columns of [`WriteProgress`].
#[derive(Serialize)]
struct Line<'a> {
    #[serde(with = "uuid::serde::simple")]
    id: Uuid,
    #[serde(with = "uuid::serde::simple")]
    owner: Uuid,
    fence: i64,
    text: &'a str,
}

/// Renews leases, writes progress, and looks for what shall stop. No transaction: each statement
/// stands for itself, and the lease comes first.
pub(super) async fn renew(session: &mut Session, renewal: &Renewal) -> QueryResult<Renewed> {
    let mut renewed = Renewed::default();
    if !renewal.workers.is_empty() {
        let list = hex_list(renewal.workers.iter().map(|worker| worker.as_uuid()));
        let running = json_text(&renewal.running);
        let found = session.execute(Renew::with((&list, micros(renewal.lease), &running))).await?;
        // Whoever ends a row from now on did not see this renewal, and so does not end it.
        renewed.alive = if found == renewal.workers.len() {
            renewal.workers.clone()
        } else {
            let alive: Vec<DbId> = session.load(Alive::with((&list,))).await?;
            let alive: HashSet<WorkerId> = alive.into_iter().map(WorkerId::from).collect();
            renewal.workers.iter().filter(|worker| alive.contains(worker)).copied().collect()
        };
    }
    if !renewal.progress.is_empty() {
        let mut lines: Vec<_> = renewal
            .progress
            .iter()
            .map(|progress| Line {
                id: progress.id.as_uuid(),
                owner: progress.owner.as_uuid(),
                fence: progress.fence,
                text: &progress.text,
            })
            .collect();
        lines.sort_by_key(|line| line.id);
        session.execute(WriteProgress::with((&json_text(&lines),))).await?;
    }
    if !renewal.running.is_empty() {
        let list = hex_list(renewal.running.iter().map(|job| job.as_uuid()));
        let asked: Vec<(DbId, Option<DbId>)> = session.load(AskedToStop::with((&list,))).await?;
        let ours = |owner: WorkerId| renewal.workers.contains(&owner);
        let asked: HashSet<JobId> = asked
            .into_iter()
            .filter(|(_, owner)| owner.is_some_and(|owner| ours(owner.into())))
            .map(|(id, _)| id.into())
            .collect();
        renewed.cancelled =
            renewal.running.iter().filter(|job| asked.contains(job)).copied().collect();
    }
    Ok(renewed)
}

/// The workers that may be dead, besides the caller's own.
pub(super) async fn suspects(session: &mut Session, besides: &[WorkerId]) -> QueryResult<Suspects> {
    let rows: Vec<(DbId, DbTime, DbTime, DbTime, bool, bool)> =
        session.load(Standings::with(())).await?;
    let mut rows: Vec<_> =
        rows.into_iter().filter(|(id, ..)| !besides.contains(&WorkerId::from(*id))).collect();
    if rows.iter().any(|&(.., ended, free)| free && !ended) {
        let status: Vec<(String, String)> = session.load(Uptime::with(())).await?;
        let uptime = status.first().and_then(|(_, seconds)| seconds.parse::<u64>().ok());
        if uptime.is_none_or(|uptime| uptime < SETTLING) {
            rows.iter_mut().for_each(|(.., free)| *free = false);
        }
    }
    let rows = rows.into_iter().map(|(id, renewed_at, lease_until, now, ended, free)| Suspect {
        id: id.into(),
        renewed_at: renewed_at.into(),
        lease_until: lease_until.into(),
        now: now.into(),
        is_absent: ended || free,
    });
    Ok(Suspects::among(rows))
}

/// Ends the row of a suspect; answers what it executed at its last renewal, and what of that ran
/// alone, or `None` if the row is not to be ended or gone.
pub(super) async fn end_suspect(
    session: &mut Session,
    suspect: &Suspect,
) -> QueryResult<Option<(HashSet<JobId>, HashSet<JobId>)>> {
    let id = DbId::from(suspect.id);
    let ended = session.execute(EndSuspect::with((id, DbTime(suspect.renewed_at)))).await?;
    if ended == 0 {
        return Ok(None);
    }
    let texts: Vec<Option<String>> = session.load(RunningOf::with((id,))).await?;
    let running = texts.first().and_then(|text| running_ids(text.as_deref()));
    let running: HashSet<JobId> = running.unwrap_or_default().into_iter().collect();
    let alone: Vec<DbId> = session.load(HeldAlone::with((id,))).await?;
    let alone = alone.into_iter().map(JobId::from).filter(|id| running.contains(id)).collect();
    Ok(Some((running, alone)))
}

/// Why jobs are taken back.
#[derive(Debug)]
pub(super) enum Why {
    /// The worker died: what it executed, and how many deaths a job may see.
    Death {
        /// Jobs that were executing at the last renewal.
        running: HashSet<JobId>,
        /// Of those, what ran alone, and so is to blame.
        alone: HashSet<JobId>,
        /// What is to blame for so many crashes is quarantined.
        crash_limit: i32,
    },
    /// The worker ends in order.
    Retirement,
}

/// A job that is taken back, as the columns of [`TakeBack`].
#[derive(Serialize)]
struct Taken {
    #[serde(with = "uuid::serde::simple")]
    id: Uuid,
    crashes: i32,
    /// `None` leaves it as it is.
    solo: Option<u8>,
}

/// The next jobs that a worker holds whose row has been ended. Read without a lock: other workers'
/// jobs lie between them.
pub(super) async fn held_by(session: &mut Session, worker: WorkerId) -> QueryResult<Vec<DbId>> {
    session.load(HeldBy::with((DbId::from(worker), PORTION))).await
}

/// Takes those of these jobs back that the worker still holds.
pub(super) async fn take_back(
    session: &mut Session,
    worker: WorkerId,
    ids: &[DbId],
    why: &Why,
) -> QueryResult<Vec<Rescued>> {
    let list = hex_list(ids.iter().map(|id| id.0));
    let held: Vec<(DbId, String, i32, bool)> =
        session.load(StillHeld::with((&list, DbId::from(worker)))).await?;
    let (mut taken, mut endings, mut rescued) = (Vec::new(), Vec::new(), Vec::new());
    for (id, queue, crashes, asked_to_stop) in held {
        let job = JobId::from(id);
        let (crashes, solo, quarantined) = match why {
            Why::Retirement => (crashes, None, false),
            Why::Death { running, alone, .. } if alone.is_empty() => {
                let crashes = crashes.saturating_add(1);
                // A job that nobody saw executing is suspected too once it was there at two deaths.
                (crashes, Some(u8::from(running.contains(&job) || crashes >= 2)), false)
            }
            Why::Death { alone, crash_limit, .. } if alone.contains(&job) => {
                let crashes = crashes.saturating_add(1);
                (crashes, None, crashes >= *crash_limit)
            }
            Why::Death { .. } => (crashes, None, false),
        };
        taken.push(Taken { id: id.0, crashes, solo });
        if quarantined {
            let reason = format!("its process died {crashes} times while it ran");
            endings.push(ending(id.0, JobState::Quarantined, DEAD_RETENTION, reason.into()));
        } else if asked_to_stop {
            let reason = CANCELLED_WHILE_RUNNING.into();
            endings.push(ending(id.0, JobState::Cancelled, FINISHED_RETENTION, reason));
        }
        rescued.push(Rescued { id: job, queue, quarantined });
    }
    if !taken.is_empty() {
        session.execute(TakeBack::with((&json_text(&taken),))).await?;
        finish(session, &endings).await?;
    }
    Ok(rescued)
}

/// A job's end with a reason and without a result.
pub(super) fn ending<'a>(
    id: Uuid,
    state: JobState,
    keep: Duration,
    reason: std::borrow::Cow<'a, str>,
) -> Ending<'a> {
    Ending { id, state: state.code(), keep: micros(keep), reason: Some(reason), result: None }
}

/// Removes a worker's row, with what it told of its tasks.
pub(super) async fn remove(session: &mut Session, worker: WorkerId) -> QueryResult<()> {
    let id = (DbId::from(worker),);
    session.execute(RemoveTasks::with(id)).await?;
    session.execute(RemoveWorker::with(id)).await.map(drop)
}
