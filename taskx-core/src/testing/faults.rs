//! A store whose n-th call of a verb fails: before it did anything, after it was committed, or
//! without an answer for a while. Whatever runs on it must behave as on a healthy one, only later.

use std::{
    any::TypeId,
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::mpsc;

use crate::{
    error::{Error, ErrorKind, Result},
    inspect::{
        Actor, AttemptInfo, Cancelled, DatabaseInfo, Inspect, JobFilter, Page, QueueInfo,
        StateCount, TaskInfo, WorkerInfo,
    },
    job::{ClaimedJob, Job, JobId, NewJob, WorkerId},
    outcome::Settlement,
    schedule::{DueSchedule, Firing, ScheduleInfo, ScheduleRow},
    store::{
        Born, Claim, Engine, Inserted, MigrationInfo, NewWorker, News, Promoted, Pruned, Renewal,
        Renewed, Rescued, Settled, Store, Suspect, Suspects, TransactionBody, TransactionEnd, Wake,
        WakeSource,
    },
};

/// The verbs of a store that can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is the verb of its name")]
pub enum Verb {
    Insert,
    InsertClaimed,
    Claim,
    Settle,
    Promote,
    Register,
    Renew,
    Suspects,
    Rescue,
    Retire,
    Presence,
    Declare,
    Due,
    Fire,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Self; 14] = [
        Self::Insert,
        Self::InsertClaimed,
        Self::Claim,
        Self::Settle,
        Self::Promote,
        Self::Register,
        Self::Renew,
        Self::Suspects,
        Self::Rescue,
        Self::Retire,
        Self::Presence,
        Self::Declare,
        Self::Due,
        Self::Fire,
    ];
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Nothing is done, and a transient error is answered.
    Before,
    /// It is done and committed, but a transient error is answered.
    After,
    /// Nothing is done, and the error comes after this long.
    Hang(Duration),
    /// It is done and committed, and the error comes after this long.
    HangAfter(Duration),
    /// Nothing is done, and this kind of error is answered.
    Refuse(ErrorKind),
}

/// Another store, with faults. Calls that are not to fail go through unchanged.
#[derive(Debug)]
pub struct FaultStore {
    inner: Arc<dyn Store>,
    plan: Mutex<Plan>,
}

#[derive(Debug, Default)]
struct Plan {
    calls: BTreeMap<Verb, u64>,
    faults: BTreeMap<(Verb, u64), Fault>,
    /// Faults of every call, while they stand.
    outages: BTreeMap<Verb, Fault>,
}

impl FaultStore {
    /// A store that works until faults are planned.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner, plan: Mutex::default() }
    }

    /// The `n`-th call of a verb from the store's beginning, counted from 1, fails.
    #[must_use]
    pub fn with(self, verb: Verb, n: u64, fault: Fault) -> Self {
        self.plan().faults.insert((verb, n), fault);
        self
    }

    /// From now on every call of a verb fails, or, by `None`, none does.
    pub fn every(&self, verb: Verb, fault: Option<Fault>) {
        let mut plan = self.plan();
        match fault {
            Some(fault) => drop(plan.outages.insert(verb, fault)),
            None => drop(plan.outages.remove(&verb)),
        }
    }

    /// How many calls of a verb there have been.
    #[must_use]
    pub fn calls(&self, verb: Verb) -> u64 {
        self.plan().calls.get(&verb).copied().unwrap_or(0)
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self, verb: Verb) -> Option<Fault> {
        let mut plan = self.plan();
        let count = plan.calls.entry(verb).or_default();
        *count += 1;
        let count = *count;
        let planned = plan.faults.get(&(verb, count)).copied();
        planned.or_else(|| plan.outages.get(&verb).copied())
    }

    async fn through<R>(&self, verb: Verb, call: impl Future<Output = Result<R>>) -> Result<R> {
        let lost = || Error::new(ErrorKind::Transient, format!("{verb:?}: a planned fault"));
        match self.next(verb) {
            None => call.await,
            Some(Fault::Before) => Err(lost()),
            Some(Fault::After) => call.await.and_then(|_| Err(lost())),
            Some(Fault::Hang(pause)) => {
                tokio::time::sleep(pause).await;
                Err(lost())
            }
            Some(Fault::HangAfter(pause)) => {
                let answer = call.await;
                tokio::time::sleep(pause).await;
                answer.and_then(|_| Err(lost()))
            }
            Some(Fault::Refuse(kind)) => Err(Error::new(kind, "a planned refusal")),
        }
    }
}

macro_rules! through {
    ($($verb:ident: $name:ident($($arg:ident: $type:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl Store for FaultStore {
            $(async fn $name(&self, $($arg: $type),*) -> Result<$answer> {
                self.through(Verb::$verb, self.inner.$name($($arg),*)).await
            })*

            fn engine(&self) -> Engine {
                self.inner.engine()
            }

            async fn migrate(&self) -> Result<()> {
                self.inner.migrate().await
            }

            async fn check_schema(&self) -> Result<()> {
                self.inner.check_schema().await
            }

            async fn migrations(&self) -> Result<Vec<MigrationInfo>> {
                self.inner.migrations().await
            }

            async fn revert(&self) -> Result<Option<String>> {
                self.inner.revert().await
            }

            async fn park_unknown(&self, queue: &str, limit: u32) -> Result<usize> {
                self.inner.park_unknown(queue, limit).await
            }

            async fn prune(&self, limit: u32) -> Result<Pruned> {
                self.inner.prune(limit).await
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
    };
}

through! {
    Insert: insert(jobs: &[NewJob]) -> Vec<Inserted>;
    InsertClaimed: insert_claimed(jobs: &[NewJob], queue: &str, owner: WorkerId) -> Born;
    Claim: claim(claim: &Claim) -> Vec<ClaimedJob>;
    Settle: settle(batch: &[Settlement]) -> Vec<Settled>;
    Promote: promote(limit: u32) -> Promoted;
    Register: register(worker: &NewWorker) -> ();
    Renew: renew(renewal: &Renewal) -> Renewed;
    Suspects: suspects(besides: &[WorkerId]) -> Suspects;
    Rescue: rescue(suspect: &Suspect, crash_limit: i32) -> Vec<Rescued>;
    Retire: retire(worker: WorkerId) -> usize;
    Presence: hold_presence(worker: WorkerId) -> bool;
    Presence: look_around(worker: WorkerId, queues: &[String]) -> Option<News>;
    Declare: upsert_schedules(owner: &str, version: &str, declared: &[ScheduleRow]) -> ();
    Due: due_schedules(tasks: &[String]) -> (Vec<DueSchedule>, Option<Duration>);
    Fire: fire(firing: &Firing) -> Vec<JobId>;
}

macro_rules! inspect {
    ($($name:ident($($arg:ident: $type:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl Inspect for FaultStore {
            $(async fn $name(&self, $($arg: $type),*) -> Result<$answer> {
                self.inner.$name($($arg),*).await
            })*
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
    retry(ids: &[JobId], by: &Actor) -> usize;
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
