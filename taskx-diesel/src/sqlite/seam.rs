//! `Store` and `Inspect` for SQLite: which thread does what.

use std::{any::TypeId, sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use taskx_core::{
    error::Result,
    inspect::{
        Actor, AttemptInfo, Cancelled, DatabaseInfo, Inspect, JobFilter, Page, QueueInfo,
        StateCount, TaskInfo, WorkerInfo,
    },
    job::{ClaimedJob, Job, JobId, NewJob, WorkerId},
    outcome::Settlement,
    schedule::{DueSchedule, Firing, ScheduleInfo, ScheduleRow},
    store::{
        Born, Claim, Engine, Inserted, MigrationInfo, NewWorker, Promoted, Pruned, Renewal,
        Renewed, Rescued, Settled, Store, Suspect, Suspects, TransactionBody, TransactionEnd, Wake,
        WakeSource,
    },
};
use tokio::sync::mpsc::UnboundedSender;

use crate::portions::by_ids;

use super::{
    SqliteStore,
    claim::{self, Wanted},
    insert, inspect, operate,
    presence::Hold,
    schedules, settle, upkeep, workers,
};

#[async_trait]
impl Store for SqliteStore {
    fn engine(&self) -> Engine {
        Engine::Sqlite
    }

    fn may_insert_here(&self) -> bool {
        // The writer and the readers are threads of their own.
        true
    }

    async fn migrate(&self) -> Result<()> {
        let clock = Arc::clone(&self.clock);
        self.writer
            .alone("migrate the database", move |conn| {
                crate::migrate(conn)?;
                // The record of the clock may have come with the schema.
                crate::error::Doing::doing(clock.recall(conn), "read the clock")
            })
            .await
    }

    async fn check_schema(&self) -> Result<()> {
        self.writer.alone("check the schema", crate::check_schema).await
    }

    async fn migrations(&self) -> Result<Vec<MigrationInfo>> {
        self.writer.alone("list migrations", crate::migrations).await
    }

    async fn revert(&self) -> Result<Option<String>> {
        self.writer.alone("undo a migration", crate::revert).await
    }

    async fn insert(&self, jobs: &[NewJob]) -> Result<Vec<Inserted>> {
        let jobs = jobs.to_vec();
        self.writer.write("insert jobs", move |conn, now| insert::insert(conn, now, &jobs)).await
    }

    async fn insert_claimed(&self, jobs: &[NewJob], queue: &str, owner: WorkerId) -> Result<Born> {
        let (jobs, queue) = (jobs.to_vec(), queue.to_owned());
        self.writer
            .write("insert claimed jobs", move |conn, now| {
                if claim::is_open(conn, owner, &queue)? {
                    insert::insert_claimed(conn, now, &jobs, owner)?;
                    Ok(Born::Claimed(now.0))
                } else {
                    insert::insert(conn, now, &jobs)?;
                    Ok(Born::Available)
                }
            })
            .await
    }

    async fn claim(&self, claim: &Claim) -> Result<Vec<ClaimedJob>> {
        let (wanted, calm) = (Wanted::of(claim), Arc::clone(&self.calm));
        let mut glance = None;
        if claim.after.is_some() {
            glance = self.ahead.glance(&self.readers, &calm, &wanted).await;
        } else {
            self.ahead.forget(&claim.queue);
        }
        self.writer
            .write("claim jobs", move |conn, now| {
                claim::claim(conn, now, &wanted, &calm, glance.take())
            })
            .await
    }

    async fn settle(&self, batch: &[Settlement]) -> Result<Vec<Settled>> {
        let batch = batch.to_vec();
        self.writer.write("settle jobs", move |conn, now| settle::settle(conn, now, &batch)).await
    }

    async fn promote(&self, limit: u32) -> Result<Promoted> {
        self.writer
            .write("promote due jobs", move |conn, now| upkeep::promote(conn, now, limit))
            .await
    }

    async fn park_unknown(&self, queue: &str, limit: u32) -> Result<usize> {
        let queue = queue.to_owned();
        self.writer
            .write("park unknown tasks", move |conn, _| upkeep::park_unknown(conn, &queue, limit))
            .await
    }

    async fn register(&self, worker: &NewWorker) -> Result<()> {
        let worker = worker.clone();
        self.writer
            .write("register a worker", move |conn, now| workers::register(conn, now, &worker))
            .await
    }

    async fn renew(&self, renewal: &Renewal) -> Result<Renewed> {
        let renewal = renewal.clone();
        self.writer
            .write("renew leases", move |conn, now| workers::renew(conn, now, &renewal))
            .await
    }

    async fn suspects(&self, besides: &[WorkerId]) -> Result<Suspects> {
        let (besides, now) = (besides.to_vec(), self.clock.now());
        let candidates = self
            .readers
            .read("look for dead workers", move |conn| workers::candidates(conn, now, &besides))
            .await?;
        let standings = candidates.into_iter().map(|candidate| {
            let mut suspect = candidate.suspect;
            suspect.is_absent |= candidate.presence && self.presence.is_free(suspect.id);
            suspect
        });
        Ok(Suspects::among(standings))
    }

    async fn rescue(&self, suspect: &Suspect, crash_limit: i32) -> Result<Vec<Rescued>> {
        let suspect = *suspect;
        let ended = self
            .writer
            .write("end a dead worker", move |conn, now| workers::end_suspect(conn, now, &suspect))
            .await?;
        let Some(running) = ended else { return Ok(Vec::new()) };
        let held = self.held_by(suspect.id).await?;
        let ran_alone = held.iter().filter(|(id, solo)| *solo && running.contains(id));
        let alone = ran_alone.map(|(id, _)| *id).collect();
        let rescue = Arc::new(workers::Rescue { worker: suspect.id, running, alone, crash_limit });
        let mut rescued = Vec::new();
        for portion in portions(&held) {
            let rescue = Arc::clone(&rescue);
            let taken = self
                .writer
                .write("rescue jobs", move |conn, now| rescue.take_back(conn, now, &portion))
                .await?;
            rescued.extend(taken);
        }
        self.remove(suspect.id).await?;
        Ok(rescued)
    }

    async fn retire(&self, worker: WorkerId) -> Result<usize> {
        self.writer.write("end a worker", move |conn, now| workers::end(conn, now, worker)).await?;
        let mut released = 0;
        for portion in portions(&self.held_by(worker).await?) {
            released += self
                .writer
                .write("release jobs", move |conn, now| {
                    workers::release(conn, now, worker, &portion)
                })
                .await?;
        }
        self.remove(worker).await?;
        Ok(released)
    }

    async fn hold_presence(&self, worker: WorkerId) -> Result<bool> {
        match self.presence.hold(worker) {
            Hold::Impossible => return Ok(false),
            Hold::Kept => return Ok(true),
            Hold::Taken => {}
        }
        self.writer
            .write("note the presence lock", move |conn, _| workers::set_presence(conn, worker))
            .await?;
        Ok(true)
    }

    async fn prune(&self, limit: u32) -> Result<Pruned> {
        self.writer
            .write("prune finished jobs", move |conn, now| upkeep::prune(conn, now, limit))
            .await
    }

    async fn upsert_schedules(
        &self,
        owner: &str,
        version: &str,
        declared: &[ScheduleRow],
    ) -> Result<()> {
        let (owner, version) = (owner.to_owned(), version.to_owned());
        let declared = declared.to_vec();
        self.writer
            .write("declare schedules", move |conn, now| {
                schedules::upsert(conn, now, &owner, &version, &declared)
            })
            .await
    }

    async fn due_schedules(
        &self,
        tasks: &[String],
    ) -> Result<(Vec<DueSchedule>, Option<Duration>)> {
        let (tasks, now) = (tasks.to_vec(), self.clock.now());
        let (due, next) = self
            .readers
            .read("look for due schedules", move |conn| schedules::due(conn, now, &tasks))
            .await?;
        Ok((due, next.map(|next| (next - now.0).to_std().unwrap_or_default())))
    }

    async fn fire(&self, firing: &Firing) -> Result<Vec<JobId>> {
        let firing = firing.clone();
        self.writer
            .write("fire a schedule", move |conn, now| schedules::fire(conn, now, &firing))
            .await
    }

    async fn now(&self) -> Result<DateTime<Utc>> {
        Ok(self.clock.now().0)
    }

    async fn watch(&self, wake: UnboundedSender<Wake>) -> WakeSource {
        self.writer.watch(wake).await;
        WakeSource::Messages
    }

    async fn transact(
        &self,
        connection: TypeId,
        body: TransactionBody,
        settlement: Settlement,
    ) -> Result<TransactionEnd> {
        self.transact_task(connection, body, settlement).await
    }

    async fn travel(&self, by: Duration) -> Result<()> {
        self.writer.write("travel in time", move |conn, _| upkeep::travel(conn, by)).await
    }
}

impl SqliteStore {
    /// The jobs that a worker holds, and whether each is to run alone. Looked for by a reader: the
    /// writer must not walk a million rows.
    async fn held_by(&self, worker: WorkerId) -> Result<Vec<(JobId, bool)>> {
        self.readers.read("find a worker's jobs", move |conn| workers::held_by(conn, worker)).await
    }

    async fn remove(&self, worker: WorkerId) -> Result<()> {
        self.writer.write("remove a worker", move |conn, _| workers::remove(conn, worker)).await?;
        self.presence.remove(worker);
        Ok(())
    }
}

/// Jobs in portions for one transaction each.
fn portions(held: &[(JobId, bool)]) -> Vec<Vec<JobId>> {
    let ids = |portion: &[(JobId, bool)]| portion.iter().map(|(id, _)| *id).collect();
    held.chunks(workers::PORTION).map(ids).collect()
}

#[async_trait]
impl Inspect for SqliteStore {
    async fn find(&self, id: JobId) -> Result<Option<Job>> {
        self.readers.read("find a job", move |conn| inspect::find(conn, id)).await
    }

    async fn list(&self, filter: &JobFilter, page: Page) -> Result<Vec<Job>> {
        let mut jobs = Vec::new();
        for filter in by_ids(filter) {
            let list = move |conn: &mut _| inspect::list(conn, &filter, page);
            jobs.extend(self.readers.read("list jobs", list).await?);
            if jobs.len() >= page.limit as usize {
                break;
            }
        }
        jobs.truncate(page.limit as usize);
        Ok(jobs)
    }

    async fn ids(&self, filter: &JobFilter, page: Page) -> Result<Vec<JobId>> {
        let mut ids = Vec::new();
        for filter in by_ids(filter) {
            let list = move |conn: &mut _| inspect::ids(conn, &filter, page);
            ids.extend(self.readers.read("list ids of jobs", list).await?);
            if ids.len() >= page.limit as usize {
                break;
            }
        }
        ids.truncate(page.limit as usize);
        Ok(ids)
    }

    async fn count(&self) -> Result<Vec<StateCount>> {
        self.readers.read("count jobs", inspect::count).await
    }

    async fn attempts(&self, id: JobId) -> Result<Vec<AttemptInfo>> {
        self.readers.read("list attempts", move |conn| inspect::attempts(conn, id)).await
    }

    async fn cancel(&self, id: JobId, by: &Actor) -> Result<Cancelled> {
        let by = by.clone();
        self.writer
            .write("cancel a job", move |conn, now| operate::cancel(conn, now, id, &by))
            .await
    }

    async fn retry(&self, ids: &[JobId], _by: &Actor) -> Result<usize> {
        let (ids, calm) = (ids.to_vec(), Arc::clone(&self.calm));
        self.writer
            .write("retry jobs", move |conn, now| {
                calm.disturb();
                operate::retry(conn, now, &ids)
            })
            .await
    }

    async fn discard(&self, ids: &[JobId], reason: &str, _by: &Actor) -> Result<usize> {
        let (ids, reason) = (ids.to_vec(), reason.to_owned());
        self.writer
            .write("discard jobs", move |conn, now| operate::discard(conn, now, &ids, &reason))
            .await
    }

    async fn delete(&self, ids: &[JobId], _by: &Actor) -> Result<usize> {
        let ids = ids.to_vec();
        self.writer.write("delete jobs", move |conn, _| operate::delete(conn, &ids)).await
    }

    async fn edit_payload(&self, id: JobId, payload: &str, _by: &Actor) -> Result<bool> {
        let (payload, calm) = (payload.to_owned(), Arc::clone(&self.calm));
        self.writer
            .write("edit a payload", move |conn, _| {
                calm.disturb();
                operate::edit_payload(conn, id, &payload)
            })
            .await
    }

    async fn queues(&self) -> Result<Vec<QueueInfo>> {
        self.readers.read("list queues", inspect::queues).await
    }

    async fn pause(&self, queue: &str, reason: &str, by: &Actor) -> Result<()> {
        let (queue, reason, by) = (queue.to_owned(), reason.to_owned(), by.clone());
        self.writer
            .write("pause a queue", move |conn, now| {
                operate::pause(conn, now, &queue, &reason, &by)
            })
            .await
    }

    async fn resume(&self, queue: &str, _by: &Actor) -> Result<bool> {
        let queue = queue.to_owned();
        self.writer.write("resume a queue", move |conn, _| operate::resume(conn, &queue)).await
    }

    async fn workers(&self) -> Result<Vec<WorkerInfo>> {
        self.readers.read("list workers", inspect::workers).await
    }

    async fn tasks(&self) -> Result<Vec<TaskInfo>> {
        self.readers.read("list tasks", inspect::tasks).await
    }

    async fn database(&self) -> Result<DatabaseInfo> {
        self.readers.read("look at the database", inspect::database).await
    }

    async fn oldest_wait(&self, queue: &str) -> Result<Option<Duration>> {
        let (queue, now) = (queue.to_owned(), self.clock.now());
        let oldest = self
            .readers
            .read("look for the oldest job", move |conn| inspect::oldest(conn, &queue))
            .await?;
        Ok(oldest.map(|oldest| (now.0 - oldest.0).to_std().unwrap_or_default()))
    }

    async fn schedules(&self) -> Result<Vec<ScheduleInfo>> {
        self.readers.read("list schedules", schedules::list).await
    }

    async fn put_schedule(&self, row: &ScheduleRow, _by: &Actor) -> Result<()> {
        let row = row.clone();
        self.writer.write("put a schedule", move |conn, now| schedules::put(conn, now, &row)).await
    }

    async fn pause_schedule(&self, name: &str, paused: bool, _by: &Actor) -> Result<bool> {
        let name = name.to_owned();
        self.writer
            .write("pause a schedule", move |conn, now| schedules::pause(conn, now, &name, paused))
            .await
    }

    async fn remove_schedule(&self, name: &str, _by: &Actor) -> Result<bool> {
        let name = name.to_owned();
        self.writer.write("remove a schedule", move |conn, _| schedules::remove(conn, &name)).await
    }
}
