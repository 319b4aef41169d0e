//! `Store` and `Inspect` for MySQL: which pool does what, and in what kind of transaction.

use std::{any::TypeId, sync::atomic::Ordering, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use taskx_core::{
    error::{Error, ErrorKind, Result},
    inspect::{
        Actor, AttemptInfo, Cancelled, DatabaseInfo, Inspect, JobFilter, Page, QueueInfo,
        StateCount, TaskInfo, WorkerInfo,
    },
    job::{ClaimedJob, Job, JobId, NewJob, WorkerId},
    outcome::Settlement,
    schedule::{DueSchedule, Firing, ScheduleInfo, ScheduleRow},
    store::{
        Claim, Engine, Inserted, MigrationInfo, NewWorker, News, Promoted, Pruned, Renewal,
        Renewed, Rescued, Settled, Store, Suspect, Suspects, TransactionBody, TransactionEnd, Wake,
        WakeSource,
    },
};
use tokio::sync::mpsc::UnboundedSender;

use crate::portions::{by_ids, by_size};

use super::{
    MysqlConn, MysqlStore,
    batch::name_list,
    claim, insert, inspect, operate,
    run::Run,
    schedules, settle,
    statements::{
        upkeep::{Now, OldestWait, Resume},
        workers::End,
    },
    upkeep,
    workers::{self, PORTION, Why},
};
use crate::{
    statement::Sql,
    values::{DbId, DbTime},
};

/// How often an insert is tried whose checked ids others insert at the same time.
const TRIES: u32 = 5;

/// The most ids that one transaction of an operator changes.
const STEP: usize = 1_000;

#[async_trait]
impl Store for MysqlStore {
    fn engine(&self) -> Engine {
        Engine::Mysql
    }

    fn may_insert_here(&self) -> bool {
        // By the pool of the caller's runtime if that is always driven, else by that of the App's, which
        // is entered for the poll.
        true
    }

    async fn migrate(&self) -> Result<()> {
        self.blocking("migrate the database", crate::migrate).await
    }

    async fn check_schema(&self) -> Result<()> {
        self.blocking("check the schema", crate::check_schema).await
    }

    async fn migrations(&self) -> Result<Vec<MigrationInfo>> {
        self.blocking("list migrations", crate::migrations).await
    }

    async fn revert(&self) -> Result<Option<String>> {
        self.blocking("undo a migration", crate::revert).await
    }

    async fn insert(&self, jobs: &[NewJob]) -> Result<Vec<Inserted>> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let doing = "insert jobs";
        if insert::is_one_statement(jobs) {
            return self.pool.run(doing, async |session| insert::insert(session, jobs).await).await;
        }
        let mut tries = 1;
        loop {
            let answer = self
                .pool
                .transaction(doing, async |session| insert::insert(session, jobs).await)
                .await;
            match answer {
                // A checked id came between the look and the insert: the next look sees it.
                Err(error)
                    if error.kind() == ErrorKind::Conflict
                        && tries < TRIES
                        && jobs.iter().any(|job| job.check_id) =>
                {
                    tries += 1;
                }
                other => return other,
            }
        }
    }

    async fn claim(&self, wanted: &Claim) -> Result<Vec<ClaimedJob>> {
        let doing = "claim jobs";
        // At rest mostly nothing waits, which one statement without a transaction tells.
        if self.rests.load(Ordering::Relaxed)
            && !self
                .pool
                .run(doing, async |session| upkeep::waits(session, &wanted.queue).await)
                .await?
        {
            return Ok(Vec::new());
        }
        let claimed = self
            .pool
            .transaction(doing, async |session| claim::claim(session, wanted).await)
            .await?;
        self.rests.store(claimed.is_empty(), Ordering::Relaxed);
        Ok(claimed)
    }

    async fn settle(&self, batch: &[Settlement]) -> Result<Vec<Settled>> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        // What a first portion wrote before a second failed is found again by the repeated call.
        let mut answers = Vec::with_capacity(batch.len());
        for portion in by_size(batch) {
            let write = async |session: &mut _| settle::settle(session, portion).await;
            answers.extend(self.pool.transaction("settle jobs", write).await?);
        }
        Ok(answers)
    }

    async fn promote(&self, limit: u32) -> Result<Promoted> {
        // Mostly nothing is due, which one statement without a transaction tells.
        let next_due = self
            .pool
            .run("look for due jobs", async |session| upkeep::next_due(session).await)
            .await?;
        if next_due != Some(Duration::ZERO) {
            return Ok(Promoted { next_due, ..Promoted::default() });
        }
        self.pool
            .transaction("promote due jobs", async |session| upkeep::promote(session, limit).await)
            .await
    }

    async fn park_unknown(&self, queue: &str, limit: u32) -> Result<usize> {
        // Mostly nothing waits, which one statement without a transaction tells.
        let waits = async |session: &mut _| upkeep::waits(session, queue).await;
        if !self.pool.run("look for waiting jobs", waits).await? {
            return Ok(0);
        }
        self.pool
            .transaction("park unknown tasks", async |session| {
                upkeep::park_unknown(session, queue, limit).await
            })
            .await
    }

    async fn register(&self, worker: &NewWorker) -> Result<()> {
        self.pool
            .transaction("register a worker", async |session| {
                workers::register(session, worker).await
            })
            .await?;
        let names = name_list(worker.tasks.iter().map(|task| task.name.as_str()));
        // The row is to be seen, so nobody parks these any more.
        while !worker.tasks.is_empty() {
            let looked_at = self
                .pool
                .run("bring parked jobs back", async |session| {
                    workers::unpark(session, &names).await
                })
                .await?;
            if looked_at < usize::try_from(PORTION).unwrap_or(usize::MAX) {
                break;
            }
        }
        Ok(())
    }

    async fn renew(&self, renewal: &Renewal) -> Result<Renewed> {
        let renewed = self
            .pool
            .run("renew leases", async |session| workers::renew(session, renewal).await)
            .await?;
        for worker in renewal.workers.iter().filter(|worker| !renewed.alive.contains(worker)) {
            self.presence.forget(*worker).await;
        }
        Ok(renewed)
    }

    async fn suspects(&self, besides: &[WorkerId]) -> Result<Suspects> {
        self.pool
            .run("look for dead workers", async |session| workers::suspects(session, besides).await)
            .await
    }

    async fn rescue(&self, suspect: &Suspect, crash_limit: i32) -> Result<Vec<Rescued>> {
        let ended = self
            .pool
            .run("end a dead worker", async |session| workers::end_suspect(session, suspect).await)
            .await?;
        let Some((running, alone)) = ended else { return Ok(Vec::new()) };
        let why = Why::Death { running, alone, crash_limit };
        self.take_back(suspect.id, &why, "rescue jobs").await
    }

    async fn retire(&self, worker: WorkerId) -> Result<usize> {
        self.pool
            .run("end a worker", async |session| {
                session.execute(End::with((DbId::from(worker),))).await
            })
            .await?;
        let released = self.take_back(worker, &Why::Retirement, "release jobs").await?;
        self.presence.forget(worker).await;
        Ok(released.len())
    }

    async fn hold_presence(&self, worker: WorkerId) -> Result<bool> {
        self.presence.hold(worker, &[]).await.map(|(held, _)| held)
    }

    async fn look_around(&self, worker: WorkerId, queues: &[String]) -> Result<Option<News>> {
        self.presence.hold(worker, queues).await.map(|(_, news)| news)
    }

    async fn prune(&self, limit: u32) -> Result<Pruned> {
        self.pool
            .transaction("prune finished jobs", async |session| upkeep::prune(session, limit).await)
            .await
    }

    async fn upsert_schedules(
        &self,
        owner: &str,
        version: &str,
        declared: &[ScheduleRow],
    ) -> Result<()> {
        self.pool
            .transaction("declare schedules", async |session| {
                schedules::upsert(session, owner, version, declared).await
            })
            .await
    }

    async fn due_schedules(
        &self,
        tasks: &[String],
    ) -> Result<(Vec<DueSchedule>, Option<Duration>)> {
        self.pool
            .run("look for due schedules", async |session| schedules::due(session, tasks).await)
            .await
    }

    async fn fire(&self, firing: &Firing) -> Result<Vec<JobId>> {
        self.pool
            .transaction("fire a schedule", async |session| schedules::fire(session, firing).await)
            .await
    }

    async fn now(&self) -> Result<DateTime<Utc>> {
        let times: Vec<DbTime> = self
            .pool
            .run("read the clock", async |session| session.load(Now::with(())).await)
            .await?;
        let now = times.first().map(|time| time.0);
        now.ok_or_else(|| Error::new(ErrorKind::Transient, "read the clock: no answer"))
    }

    async fn watch(&self, _wake: UnboundedSender<Wake>) -> WakeSource {
        WakeSource::Poll
    }

    async fn transact(
        &self,
        connection: TypeId,
        body: TransactionBody,
        settlement: Settlement,
    ) -> Result<TransactionEnd> {
        self.transactions.transact(connection, body, settlement).await
    }

    async fn travel(&self, by: Duration) -> Result<()> {
        self.pool
            .transaction("travel in time", async |session| upkeep::travel(session, by).await)
            .await
    }
}

impl MysqlStore {
    /// Runs what needs a sync connection on a thread that may block.
    async fn blocking<R: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&mut MysqlConn) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        let conn = self.connection().await.map_err(|error| error.context(doing))?;
        let running = tokio::task::spawn_blocking(move || {
            let mut conn = MysqlConn::from(conn);
            work(&mut conn)
        });
        running.await.map_err(|error| Error::new(ErrorKind::Transient, doing).with_source(error))?
    }

    /// Takes all jobs back that a worker holds whose row has been ended, and removes the row.
    async fn take_back(
        &self,
        worker: WorkerId,
        why: &Why,
        doing: &'static str,
    ) -> Result<Vec<Rescued>> {
        let mut taken = Vec::new();
        loop {
            let held = self
                .pool
                .run(doing, async |session| workers::held_by(session, worker).await)
                .await?;
            if held.is_empty() {
                break;
            }
            let portion = self
                .pool
                .transaction(doing, async |session| {
                    workers::take_back(session, worker, &held, why).await
                })
                .await?;
            taken.extend(portion);
        }
        self.pool
            .transaction("remove a worker", async |session| workers::remove(session, worker).await)
            .await?;
        Ok(taken)
    }
}

#[async_trait]
impl Inspect for MysqlStore {
    async fn find(&self, id: JobId) -> Result<Option<Job>> {
        self.readers.run("find a job", async |session| inspect::find(session, id).await).await
    }

    async fn list(&self, filter: &JobFilter, page: Page) -> Result<Vec<Job>> {
        let mut jobs = Vec::new();
        for filter in &by_ids(filter) {
            let list = async |session: &mut _| inspect::list(session, filter, page).await;
            jobs.extend(self.readers.snapshot("list jobs", list).await?);
            if jobs.len() >= page.limit as usize {
                break;
            }
        }
        jobs.truncate(page.limit as usize);
        Ok(jobs)
    }

    async fn ids(&self, filter: &JobFilter, page: Page) -> Result<Vec<JobId>> {
        let mut ids = Vec::new();
        for filter in &by_ids(filter) {
            let list = async |session: &mut _| inspect::ids(session, filter, page).await;
            ids.extend(self.readers.snapshot("list ids of jobs", list).await?);
            if ids.len() >= page.limit as usize {
                break;
            }
        }
        ids.truncate(page.limit as usize);
        Ok(ids)
    }

    async fn count(&self) -> Result<Vec<StateCount>> {
        self.readers.snapshot("count jobs", async |session| inspect::count(session).await).await
    }

    async fn attempts(&self, id: JobId) -> Result<Vec<AttemptInfo>> {
        self.readers
            .run("list attempts", async |session| inspect::attempts(session, id).await)
            .await
    }

    async fn cancel(&self, id: JobId, by: &Actor) -> Result<Cancelled> {
        self.pool
            .transaction("cancel a job", async |session| operate::cancel(session, id, by).await)
            .await
    }

    async fn retry(&self, ids: &[JobId], _by: &Actor) -> Result<usize> {
        let mut changed = 0;
        for ids in ids.chunks(STEP) {
            changed += self
                .pool
                .transaction("retry jobs", async |session| operate::retry(session, ids).await)
                .await?;
        }
        Ok(changed)
    }

    async fn discard(&self, ids: &[JobId], reason: &str, _by: &Actor) -> Result<usize> {
        let mut changed = 0;
        for ids in ids.chunks(STEP) {
            changed += self
                .pool
                .transaction("discard jobs", async |session| {
                    operate::discard(session, ids, reason).await
                })
                .await?;
        }
        Ok(changed)
    }

    async fn delete(&self, ids: &[JobId], _by: &Actor) -> Result<usize> {
        let mut changed = 0;
        for ids in ids.chunks(STEP) {
            changed += self
                .pool
                .transaction("delete jobs", async |session| operate::delete(session, ids).await)
                .await?;
        }
        Ok(changed)
    }

    async fn edit_payload(&self, id: JobId, payload: &str, _by: &Actor) -> Result<bool> {
        self.pool
            .transaction("edit a payload", async |session| {
                operate::edit_payload(session, id, payload).await
            })
            .await
    }

    async fn queues(&self) -> Result<Vec<QueueInfo>> {
        self.readers.snapshot("list queues", async |session| inspect::queues(session).await).await
    }

    async fn pause(&self, queue: &str, reason: &str, by: &Actor) -> Result<()> {
        self.pool
            .run("pause a queue", async |session| operate::pause(session, queue, reason, by).await)
            .await
    }

    async fn resume(&self, queue: &str, _by: &Actor) -> Result<bool> {
        let changed = self
            .pool
            .run("resume a queue", async |session| session.execute(Resume::with((queue,))).await)
            .await?;
        Ok(changed > 0)
    }

    async fn workers(&self) -> Result<Vec<WorkerInfo>> {
        self.readers.snapshot("list workers", async |session| inspect::workers(session).await).await
    }

    async fn tasks(&self) -> Result<Vec<TaskInfo>> {
        self.readers.snapshot("list tasks", async |session| inspect::tasks(session).await).await
    }

    async fn database(&self) -> Result<DatabaseInfo> {
        self.readers
            .run("look at the database", async |session| inspect::database(session).await)
            .await
    }

    async fn oldest_wait(&self, queue: &str) -> Result<Option<Duration>> {
        let waits: Vec<Option<i64>> = self
            .readers
            .run("look for the oldest job", async |session| {
                session.load(OldestWait::with((queue,))).await
            })
            .await?;
        Ok(waits.into_iter().next().flatten().map(upkeep::duration))
    }

    async fn schedules(&self) -> Result<Vec<ScheduleInfo>> {
        self.readers.run("list schedules", async |session| schedules::list(session).await).await
    }

    async fn put_schedule(&self, row: &ScheduleRow, _by: &Actor) -> Result<()> {
        self.pool
            .transaction("put a schedule", async |session| schedules::put(session, row).await)
            .await
    }

    async fn pause_schedule(&self, name: &str, paused: bool, _by: &Actor) -> Result<bool> {
        self.pool
            .run("pause a schedule", async |session| schedules::pause(session, name, paused).await)
            .await
    }

    async fn remove_schedule(&self, name: &str, _by: &Actor) -> Result<bool> {
        self.pool
            .transaction("remove a schedule", async |session| {
                schedules::remove(session, name).await
            })
            .await
    }
}
