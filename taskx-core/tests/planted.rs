//! Bugs that other queues have had, planted into a store one at a time: each must be caught by the
//! rule of the conformance suite that is named beside it. A rule that catches nothing is no rule.
#![cfg(feature = "testing")]
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test")]

use std::{any::TypeId, future::Future, panic::AssertUnwindSafe, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;
use taskx_core::{
    error::{Error, ErrorKind, Result},
    inspect::{
        Actor, AttemptInfo, Cancelled, DatabaseInfo, Inspect, JobFilter, Page, QueueInfo,
        StateCount, TaskInfo, WorkerInfo,
    },
    job::{ClaimedJob, Job, JobId, JobState, NewJob, WorkerId},
    outcome::{Outcome, Settlement},
    schedule::{DueSchedule, Firing, ScheduleInfo, ScheduleRow},
    store::{
        Born, Claim, Engine, Inserted, MigrationInfo, NewWorker, News, Promoted, Pruned, Renewal,
        Renewed, Rescued, Settled, Store, Suspect, Suspects, TransactionBody, TransactionEnd, Wake,
        WakeSource, memory::MemoryStore,
    },
    testing::conformance::{birth, claim, fence, fire, insert, lease, park, rescue, settle},
};
use tokio::sync::mpsc;

/// A bug, in the words of its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bug {
    /// A settlement says the job only (most queues that have no fence).
    SettleWithoutFence,
    /// One lost settlement fails its whole batch.
    BatchFailsTogether,
    /// A repeated settlement counts as lost, so that its outcome is thought to be dropped.
    RepeatedEndIsLost,
    /// A redriven job's fence begins again.
    RedriveResetsFence,
    /// Jobs come in the order of their ids, whatever their priority.
    PriorityIgnored,
    /// Tasks that the worker does not know are claimed, and discarded by it.
    UnknownTasksClaimed,
    /// A pause stops new jobs only when the queue is empty.
    PauseIgnored,
    /// The last job of a batch is not stored.
    LastInsertLost,
    /// A rescuer does not look whether the worker was renewed meanwhile.
    RescueOfRenewed,
    /// A worker whose row was ended comes back to life by its next beat.
    EndedRowRevived,
    /// Leases are compared with the rescuer's own clock, an hour ahead.
    OwnClock,
    /// A slot is no key: whoever sees it due fires it.
    SlotFiredTwice,
    /// A worker's orderly end deletes what it holds.
    RetireDrops,
    /// A rescue uses up an attempt.
    RescueCountsAttempt,
    /// Tasks that other live workers know are parked too.
    KnownTasksParked,
}

#[derive(Debug)]
struct Planted {
    inner: MemoryStore,
    bug: Bug,
}

impl Planted {
    fn has(&self, bug: Bug) -> bool {
        self.bug == bug
    }

    async fn settled_by_id(&self, batch: &[Settlement]) -> Vec<Settlement> {
        let mut batch = batch.to_vec();
        for settlement in &mut batch {
            if let Ok(Some(job)) = self.inner.find(settlement.id).await
                && let Some(owner) = job.owner
            {
                (settlement.owner, settlement.fence) = (owner, job.fence);
            }
        }
        batch
    }

    async fn all(&self) -> Vec<Job> {
        self.inner.list(&JobFilter::default(), Page { before: None, limit: 1_000 }).await.unwrap()
    }
}

#[async_trait]
impl Store for Planted {
    fn engine(&self) -> Engine {
        Engine::Memory
    }

    async fn migrate(&self) -> Result<()> {
        Ok(())
    }

    async fn check_schema(&self) -> Result<()> {
        Ok(())
    }

    async fn migrations(&self) -> Result<Vec<MigrationInfo>> {
        self.inner.migrations().await
    }

    async fn revert(&self) -> Result<Option<String>> {
        self.inner.revert().await
    }

    async fn insert(&self, jobs: &[NewJob]) -> Result<Vec<Inserted>> {
        if self.has(Bug::LastInsertLost) && jobs.len() > 1 {
            let mut answers = self.inner.insert(&jobs[..jobs.len() - 1]).await?;
            answers.push(Inserted::New);
            return Ok(answers);
        }
        self.inner.insert(jobs).await
    }

    async fn insert_claimed(&self, jobs: &[NewJob], queue: &str, owner: WorkerId) -> Result<Born> {
        if self.has(Bug::PauseIgnored) {
            self.inner.resume(queue, &Actor("bug".to_owned())).await?;
        }
        self.inner.insert_claimed(jobs, queue, owner).await
    }

    async fn claim(&self, claim: &Claim) -> Result<Vec<ClaimedJob>> {
        let mut claim = claim.clone();
        let ada = Actor("bug".to_owned());
        if self.has(Bug::PauseIgnored) {
            self.inner.resume(&claim.queue, &ada).await?;
        }
        if self.has(Bug::UnknownTasksClaimed) {
            claim.tasks = self.all().await.into_iter().map(|job| job.task).collect();
        }
        let mut jobs = self.inner.claim(&claim).await?;
        if self.has(Bug::PriorityIgnored) {
            jobs.sort_unstable_by_key(|job| job.id);
        }
        Ok(jobs)
    }

    async fn settle(&self, batch: &[Settlement]) -> Result<Vec<Settled>> {
        if self.has(Bug::SettleWithoutFence) {
            return self.inner.settle(&self.settled_by_id(batch).await).await;
        }
        if self.has(Bug::BatchFailsTogether) && batch.len() > 1 {
            for settlement in batch {
                let job = self.inner.find(settlement.id).await?;
                if job.is_none_or(|job| job.owner != Some(settlement.owner)) {
                    return Err(Error::new(ErrorKind::Conflict, "settle jobs: one is lost"));
                }
            }
        }
        let mut answers = self.inner.settle(batch).await?;
        if self.has(Bug::RepeatedEndIsLost) {
            for answer in &mut answers {
                *answer = if *answer == Settled::Already { Settled::Lost } else { *answer };
            }
        }
        Ok(answers)
    }

    async fn promote(&self, limit: u32) -> Result<Promoted> {
        self.inner.promote(limit).await
    }

    async fn park_unknown(&self, queue: &str, limit: u32) -> Result<usize> {
        if self.has(Bug::KnownTasksParked) {
            for worker in self.inner.workers().await? {
                self.inner.retire(worker.id).await?;
            }
        }
        self.inner.park_unknown(queue, limit).await
    }

    async fn register(&self, worker: &NewWorker) -> Result<()> {
        self.inner.register(worker).await
    }

    async fn renew(&self, renewal: &Renewal) -> Result<Renewed> {
        let mut renewed = self.inner.renew(renewal).await?;
        if self.has(Bug::EndedRowRevived) {
            renewed.alive.clone_from(&renewal.workers);
        }
        Ok(renewed)
    }

    async fn suspects(&self, besides: &[WorkerId]) -> Result<Suspects> {
        if !self.has(Bug::OwnClock) {
            return self.inner.suspects(besides).await;
        }
        let ahead = self.inner.now().await? + TimeDelta::hours(1);
        let workers = self.inner.workers().await?;
        let over =
            workers.iter().filter(|row| row.lease_until < ahead && !besides.contains(&row.id));
        let suspect = |row: &WorkerInfo| Suspect {
            id: row.id,
            renewed_at: row.renewed_at,
            lease_until: row.lease_until,
            now: ahead,
            is_absent: false,
        };
        Ok(Suspects::among(over.map(suspect)))
    }

    async fn rescue(&self, suspect: &Suspect, crash_limit: i32) -> Result<Vec<Rescued>> {
        let mut suspect = *suspect;
        if self.has(Bug::RescueOfRenewed)
            && let Some(row) = self.inner.workers().await?.iter().find(|row| row.id == suspect.id)
        {
            suspect.renewed_at = row.renewed_at;
        }
        if self.has(Bug::RescueCountsAttempt) {
            let held = self.all().await.into_iter().filter(|job| job.owner == Some(suspect.id));
            let failed: Vec<_> = held
                .map(|job| Settlement {
                    id: job.id,
                    owner: suspect.id,
                    fence: job.fence,
                    attempt: job.attempt,
                    outcome: Outcome::Retry {
                        after: Duration::ZERO,
                        failure: taskx_core::outcome::Failure {
                            kind: taskx_core::outcome::FailureKind::Error,
                            error: "its worker died".to_owned(),
                            backtrace: None,
                        },
                    },
                    retention: None,
                })
                .collect();
            self.inner.settle(&failed).await?;
            self.inner.promote(1_000).await?;
        }
        self.inner.rescue(&suspect, crash_limit).await
    }

    async fn retire(&self, worker: WorkerId) -> Result<usize> {
        let held: Vec<JobId> = self
            .all()
            .await
            .into_iter()
            .filter(|job| job.owner == Some(worker) && job.state == JobState::Running)
            .map(|job| job.id)
            .collect();
        let count = self.inner.retire(worker).await?;
        if self.has(Bug::RetireDrops) {
            self.inner.delete(&held, &Actor("bug".to_owned())).await?;
        }
        Ok(count)
    }

    async fn hold_presence(&self, worker: WorkerId) -> Result<bool> {
        self.inner.hold_presence(worker).await
    }

    async fn look_around(&self, worker: WorkerId, queues: &[String]) -> Result<Option<News>> {
        self.inner.look_around(worker, queues).await
    }

    async fn prune(&self, limit: u32) -> Result<Pruned> {
        self.inner.prune(limit).await
    }

    async fn upsert_schedules(
        &self,
        owner: &str,
        version: &str,
        declared: &[ScheduleRow],
    ) -> Result<()> {
        self.inner.upsert_schedules(owner, version, declared).await
    }

    async fn due_schedules(
        &self,
        tasks: &[String],
    ) -> Result<(Vec<DueSchedule>, Option<Duration>)> {
        self.inner.due_schedules(tasks).await
    }

    async fn fire(&self, firing: &Firing) -> Result<Vec<JobId>> {
        if self.has(Bug::SlotFiredTwice) {
            self.inner.insert(&firing.jobs).await?;
            return Ok(firing.jobs.iter().map(|job| job.id).collect());
        }
        self.inner.fire(firing).await
    }

    async fn now(&self) -> Result<DateTime<Utc>> {
        self.inner.now().await
    }

    async fn watch(&self, wake: mpsc::UnboundedSender<Wake>) -> WakeSource {
        self.inner.watch(wake).await
    }

    async fn transact(
        &self,
        connection: TypeId,
        body: TransactionBody,
        settlement: Settlement,
    ) -> Result<TransactionEnd> {
        self.inner.transact(connection, body, settlement).await
    }

    async fn travel(&self, by: Duration) -> Result<()> {
        self.inner.travel(by).await
    }
}

macro_rules! inspect {
    ($($name:ident($($arg:ident: $type:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl Inspect for Planted {
            $(async fn $name(&self, $($arg: $type),*) -> Result<$answer> {
                self.inner.$name($($arg),*).await
            })*

            async fn retry(&self, ids: &[JobId], by: &Actor) -> Result<usize> {
                if !self.has(Bug::RedriveResetsFence) {
                    return self.inner.retry(ids, by).await;
                }
                for id in ids {
                    if let Some(job) = self.inner.find(*id).await? {
                        self.inner.delete(&[*id], by).await?;
                        let mut new = NewJob::new(job.queue, job.task, job.payload);
                        new.id = *id;
                        self.inner.insert(&[new]).await?;
                    }
                }
                Ok(ids.len())
            }
        }
    };
}

inspect! {
    find(id: JobId) -> Option<Job>;
    list(filter: &JobFilter, page: Page) -> Vec<Job>;
    ids(filter: &JobFilter, page: Page) -> Vec<JobId>;
    count() -> Vec<StateCount>;
    attempts(id: JobId) -> Vec<AttemptInfo>;
    cancel(id: JobId, by: &Actor) -> Cancelled;
    discard(ids: &[JobId], reason: &str, by: &Actor) -> usize;
    delete(ids: &[JobId], by: &Actor) -> usize;
    edit_payload(id: JobId, payload: &str, by: &Actor) -> bool;
    queues() -> Vec<QueueInfo>;
    pause(queue: &str, reason: &str, by: &Actor) -> ();
    resume(queue: &str, by: &Actor) -> bool;
    workers() -> Vec<WorkerInfo>;
    tasks() -> Vec<TaskInfo>;
    database() -> DatabaseInfo;
    oldest_wait(queue: &str) -> Option<Duration>;
    schedules() -> Vec<ScheduleInfo>;
    put_schedule(row: &ScheduleRow, by: &Actor) -> ();
    pause_schedule(name: &str, paused: bool, by: &Actor) -> bool;
    remove_schedule(name: &str, by: &Actor) -> bool;
}

/// Whether a rule is kept.
async fn keeps(rule: impl Future<Output = ()>) -> bool {
    AssertUnwindSafe(rule).catch_unwind().await.is_ok()
}

macro_rules! caught {
    ($($test:ident: $bug:ident by $module:ident::$rule:ident;)*) => {$(
        #[tokio::test]
        async fn $test() {
            let healthy = MemoryStore::new();
            assert!(keeps($module::$rule(&healthy)).await, "the rule fails without the bug");
            let planted = Planted { inner: MemoryStore::new(), bug: Bug::$bug };
            assert!(!keeps($module::$rule(&planted)).await, "{:?} was not caught", Bug::$bug);
        }
    )*};
}

caught! {
    a_settlement_without_fence_is_caught: SettleWithoutFence by settle::an_end_of_another_claim_is_lost;
    a_batch_that_fails_together_is_caught: BatchFailsTogether by settle::a_lost_settlement_harms_no_other;
    a_repeated_end_that_is_lost_is_caught: RepeatedEndIsLost by settle::a_repeated_end_is_already_written;
    a_redrive_that_resets_the_fence_is_caught: RedriveResetsFence by fence::it_rises_over_a_redrive;
    an_order_without_priority_is_caught: PriorityIgnored by claim::jobs_come_by_priority_then_id;
    unknown_tasks_that_are_claimed_are_caught: UnknownTasksClaimed by claim::only_known_tasks_are_claimed;
    a_pause_that_is_ignored_is_caught: PauseIgnored by claim::a_paused_queue_gives_nothing;
    a_birth_in_a_paused_queue_is_caught: PauseIgnored by birth::a_paused_queue_gives_no_birth;
    an_insert_that_is_lost_is_caught: LastInsertLost by insert::a_batch_of_five_thousand_is_one_call;
    a_rescue_of_the_renewed_is_caught: RescueOfRenewed by rescue::a_worker_that_was_renewed_is_not_ended;
    an_ended_row_that_revives_is_caught: EndedRowRevived by lease::ended_rows_are_not_renewed;
    a_clock_of_ones_own_is_caught: OwnClock by lease::a_living_worker_is_no_suspect;
    a_slot_that_fires_twice_is_caught: SlotFiredTwice by fire::a_slot_fires_once;
    a_retirement_that_drops_is_caught: RetireDrops by rescue::a_retired_workers_jobs_are_given_back;
    a_rescue_that_counts_is_caught: RescueCountsAttempt by rescue::a_rescue_is_no_failed_attempt;
    known_tasks_that_are_parked_are_caught: KnownTasksParked by park::a_task_of_another_worker_is_left;
}
