//! Workers: registered, renewed, suspected, rescued, retired; and what is pruned.

use std::collections::HashSet;

use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use taskx_core::{
    error::Result,
    job::{JobId, JobState, WorkerId},
    outcome::{DEAD_RETENTION, FINISHED_RETENTION},
    store::{NewWorker, Pruned, Renewal, Renewed, Rescued, Suspect, Suspects},
};

use crate::{
    postgres::{
        PgStore,
        lane::Lane,
        statements::{
            path::{DropAttempts, LockParking, NotifyQueues, Unpark},
            workers::{
                AskedToStop, DescribeTasks, EndWorker, FindSuspects, ForgetTasks, ForgetWorker,
                HeldBy, LockWorker, NameTasks, PruneJobs, PruneSlots, Register, Renew, Rescue,
                Retire, WriteProgress,
            },
        },
    },
    rows::{json_text, running_ids},
    settlement::micros,
    statement::Sql,
    values::{DbId, DbTime},
};

/// The most rows that one statement takes back, so that none of them holds its locks for long.
const STEP: usize = 1_000;

/// The most parked jobs that one statement brings back.
const UNPARK_STEP: i64 = 5_000;

impl PgStore {
    pub(super) async fn register_worker(&self, worker: &NewWorker) -> Result<()> {
        let names: Vec<&str> = worker.tasks.iter().map(|task| task.name.as_str()).collect();
        let owners: Vec<&str> = worker.tasks.iter().map(|task| task.owner.as_str()).collect();
        let arguments: Vec<&str> =
            worker.tasks.iter().map(|task| task.arguments.as_str()).collect();
        let versions: Vec<i32> = worker.tasks.iter().map(|task| task.version).collect();
        let (id, lease) = (DbId::from(worker.id), micros(worker.lease));
        self.lanes
            .general
            .transaction("register a worker", async |conn| {
                LockParking::with(()).execute(conn).await?;
                Register::with((
                    id,
                    &worker.service,
                    &worker.host,
                    worker.pid,
                    &worker.version,
                    lease,
                ))
                .execute(conn)
                .await?;
                NameTasks::with((id, &names)).execute(conn).await?;
                DescribeTasks::with((&names, &owners, &arguments, &versions)).execute(conn).await
            })
            .await?;
        self.unpark(&names).await
    }

    /// Brings parked jobs back, now that a live row names their tasks.
    async fn unpark(&self, tasks: &[&str]) -> Result<()> {
        loop {
            let counts: Vec<(String, i64)> = self
                .lanes
                .general
                .run("bring parked jobs back", async |conn| {
                    Unpark::with((tasks, UNPARK_STEP)).load(conn).await
                })
                .await?;
            let queues: Vec<&str> = counts.iter().map(|(queue, _)| queue.as_str()).collect();
            self.notify(&queues).await;
            if counts.iter().map(|(_, count)| count).sum::<i64>() < UNPARK_STEP {
                return Ok(());
            }
        }
    }

    pub(super) async fn renew_workers(&self, renewal: &Renewal) -> Result<Renewed> {
        let workers: Vec<DbId> = renewal.workers.iter().copied().map(DbId::from).collect();
        let running: Vec<DbId> = renewal.running.iter().copied().map(DbId::from).collect();
        let (lease, text) = (micros(renewal.lease), json_text(&renewal.running));
        let heart = &self.lanes.heart;
        // The lease comes first, and alone: on a slow server the others take their time.
        let alive: Vec<DbId> = heart
            .run("renew the lease", async |conn| {
                Renew::with((&workers, lease, &text)).load(conn).await
            })
            .await?;
        if !renewal.progress.is_empty() {
            heart.run("write progress", async |conn| write_progress(conn, renewal).await).await?;
        }
        let cancelled: Vec<DbId> = if running.is_empty() {
            Vec::new()
        } else {
            heart
                .run("look for cancellations", async |conn| {
                    AskedToStop::with((&running, &workers)).load(conn).await
                })
                .await?
        };
        let alive: HashSet<DbId> = alive.into_iter().collect();
        for worker in &renewal.workers {
            if !alive.contains(&DbId::from(*worker)) {
                self.presence.forget(*worker).await;
            }
        }
        let is_alive = |worker: &WorkerId| alive.contains(&DbId::from(*worker));
        let cancelled: HashSet<DbId> = cancelled.into_iter().collect();
        let is_cancelled = |job: &JobId| cancelled.contains(&DbId::from(*job));
        Ok(Renewed {
            alive: renewal.workers.iter().copied().filter(is_alive).collect(),
            cancelled: renewal.running.iter().copied().filter(is_cancelled).collect(),
        })
    }

    pub(super) async fn find_suspects(&self, besides: &[WorkerId]) -> Result<Suspects> {
        type Row = (bool, DbTime, Option<DbId>, Option<DbTime>, Option<DbTime>, Option<bool>);
        let besides: Vec<DbId> = besides.iter().copied().map(DbId::from).collect();
        let rows: Vec<Row> = self
            .lanes
            .heart
            .run("look for dead workers", async |conn| {
                FindSuspects::with((&besides,)).load(conn).await
            })
            .await?;
        let has_others = rows.iter().any(|(has_others, ..)| *has_others);
        let found = rows.into_iter().filter_map(|(_, now, id, renewed_at, lease_until, absent)| {
            Some(Suspect {
                id: id?.into(),
                renewed_at: renewed_at?.0,
                lease_until: lease_until?.0,
                now: now.0,
                is_absent: absent?,
            })
        });
        Ok(Suspects { found: found.collect(), has_others })
    }

    /// First the row is ended, which is the fence; then its jobs are taken back in steps; then the
    /// row goes. Whoever comes after a rescuer that died half-way goes on where it stopped.
    pub(super) async fn rescue_worker(
        &self,
        suspect: &Suspect,
        crash_limit: i32,
    ) -> Result<Vec<Rescued>> {
        let id = DbId::from(suspect.id);
        let renewed_at = DbTime(suspect.renewed_at);
        let ended = self
            .lanes
            .heart
            .transaction("end the row of a dead worker", async |conn| {
                end_worker(conn, id, Some(renewed_at)).await
            })
            .await?;
        let Some(Ended { held, executing, alone }) = ended else { return Ok(Vec::new()) };
        let keeps = (micros(FINISHED_RETENTION), micros(DEAD_RETENTION));
        let mut rescued = Vec::with_capacity(held.len());
        for step in held.chunks(STEP) {
            let rows: Vec<(DbId, String, i32)> = self
                .lanes
                .heart
                .run("take jobs back from a dead worker", async |conn| {
                    let values = (id, step, &executing, crash_limit, keeps.0, keeps.1, &alone);
                    Rescue::with(values).load(conn).await
                })
                .await?;
            rescued.extend(rows.into_iter().map(|(id, queue, state)| Rescued {
                id: id.into(),
                queue,
                quarantined: state == i32::from(JobState::Quarantined.code()),
            }));
        }
        self.forget_worker(suspect.id).await?;
        let mut queues: Vec<&str> = rescued.iter().map(|job| job.queue.as_str()).collect();
        queues.sort_unstable();
        queues.dedup();
        tell(&self.lanes.heart, &queues).await;
        Ok(rescued)
    }

    pub(super) async fn retire_worker(&self, worker: WorkerId) -> Result<usize> {
        let id = DbId::from(worker);
        let ended = self
            .lanes
            .heart
            .transaction("end a worker", async |conn| end_worker(conn, id, None).await)
            .await?;
        let Some(Ended { held, .. }) = ended else { return Ok(0) };
        let keep = micros(FINISHED_RETENTION);
        let mut queues = Vec::new();
        for step in held.chunks(STEP) {
            let rows: Vec<String> = self
                .lanes
                .heart
                .run("give jobs back", async |conn| Retire::with((id, step, keep)).load(conn).await)
                .await?;
            queues.extend(rows);
        }
        self.forget_worker(worker).await?;
        let count = queues.len();
        queues.sort_unstable();
        queues.dedup();
        let queues: Vec<&str> = queues.iter().map(String::as_str).collect();
        tell(&self.lanes.heart, &queues).await;
        Ok(count)
    }

    async fn forget_worker(&self, worker: WorkerId) -> Result<()> {
        let id = DbId::from(worker);
        self.lanes
            .heart
            .transaction("remove the row of a worker", async |conn| {
                ForgetTasks::with((id,)).execute(conn).await?;
                ForgetWorker::with((id,)).execute(conn).await
            })
            .await?;
        self.presence.forget(worker).await;
        self.claimants.forget(worker);
        Ok(())
    }

    pub(super) async fn prune_finished(&self, limit: u32) -> Result<Pruned> {
        let limit = i64::from(limit);
        let (jobs, slots) = self
            .lanes
            .general
            .transaction("prune finished jobs", async |conn| {
                let ids: Vec<DbId> = PruneJobs::with((limit,)).load(conn).await?;
                if !ids.is_empty() {
                    DropAttempts::with((&ids,)).execute(conn).await?;
                }
                let slots = PruneSlots::with((limit,)).execute(conn).await?;
                Ok((ids.len(), slots))
            })
            .await?;
        let full = |count: usize| i64::try_from(count).is_ok_and(|count| count >= limit);
        Ok(Pruned { jobs, more: full(jobs) || full(slots) })
    }

    /// Tells the listeners of queues.
    pub(super) async fn notify(&self, queues: &[&str]) {
        tell(&self.lanes.general, queues).await;
    }
}

/// Tells the listeners of queues, on a connection of the runtime that calls. What was done is done: a
/// failure here is only slower.
async fn tell(lane: &Lane, queues: &[&str]) {
    if queues.is_empty() {
        return;
    }
    let told = lane
        .run("tell the listeners", async |conn| NotifyQueues::with((queues,)).execute(conn).await)
        .await;
    if let Err(error) = told {
        tracing::debug!(%error, "listeners were not told; they will poll");
    }
}

/// What an ended row held.
struct Ended {
    held: Vec<DbId>,
    /// What was executing at its last renewal.
    executing: Vec<DbId>,
    /// Of those, what ran alone.
    alone: Vec<DbId>,
}

/// Ends a worker's row unless it was renewed since `renewed_at`. `None` if nothing is to be done.
async fn end_worker(
    conn: &mut AsyncPgConnection,
    id: DbId,
    renewed_at: Option<DbTime>,
) -> QueryResult<Option<Ended>> {
    let rows: Vec<(DbTime, Option<DbTime>, Option<String>)> =
        LockWorker::with((id,)).load(conn).await?;
    let Some((renewed, ended, running)) = rows.into_iter().next() else { return Ok(None) };
    if ended.is_none() && renewed_at.is_some_and(|seen| seen != renewed) {
        return Ok(None);
    }
    EndWorker::with((id,)).execute(conn).await?;
    let held: Vec<(DbId, i16)> = HeldBy::with((id,)).load(conn).await?;
    let running = running_ids(running.as_deref()).unwrap_or_default();
    let executing: Vec<DbId> = running.into_iter().map(DbId::from).collect();
    let ran_alone = held.iter().filter(|(id, solo)| *solo != 0 && executing.contains(id));
    let alone = ran_alone.map(|(id, _)| *id).collect();
    let held = held.into_iter().map(|(id, _)| id).collect();
    Ok(Some(Ended { held, executing, alone }))
}

async fn write_progress(conn: &mut AsyncPgConnection, renewal: &Renewal) -> QueryResult<()> {
    let ids: Vec<DbId> = renewal.progress.iter().map(|progress| progress.id.into()).collect();
    let owners: Vec<DbId> = renewal.progress.iter().map(|progress| progress.owner.into()).collect();
    let fences: Vec<i64> = renewal.progress.iter().map(|progress| progress.fence).collect();
    let texts: Vec<&str> = renewal.progress.iter().map(|progress| &*progress.text).collect();
    WriteProgress::with((&ids, &owners, &fences, &texts)).execute(conn).await.map(drop)
}
