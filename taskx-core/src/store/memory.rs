//! The store in this process's memory: for tests, for simulation, and the oracle that the SQL
//! stores are compared with. It does what the contract says in the plainest way: one lock, ordered
//! maps, and a scan wherever a scan will do.
//!
//! A [`MemoryStore`] is a *session*, as a connection is: [`MemoryStore::session`] opens another one
//! on the same data, as another process would. Presence locks belong to the session that took them
//! and are free when it is dropped.

mod claim;
mod insert;
mod inspect;
mod lease;
mod schedule;
mod settle;
mod tables;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, SubsecRound, Utc};
use tokio::sync::mpsc;

use self::tables::Tables;
use crate::{
    clock::{Clock, SystemClock},
    error::Result,
    job::{ClaimedJob, JobId, NewJob, WorkerId},
    outcome::Settlement,
    schedule::{DueSchedule, Firing, ScheduleRow},
    store::{
        Born, Claim, Engine, Inserted, MigrationInfo, NewWorker, Promoted, Pruned, Renewal,
        Renewed, Rescued, Settled, Store, Suspect, Suspects, Wake, WakeSource,
    },
};

/// A session on a store in memory. Dropping the last session drops the data.
#[derive(Debug)]
pub struct MemoryStore {
    shared: Arc<Shared>,
    /// Alive as long as this session; presence locks point to it.
    presence: Arc<()>,
}

/// What all sessions of one store share.
#[derive(Debug)]
struct Shared {
    clock: Arc<dyn Clock>,
    tables: Mutex<Tables>,
    watchers: Mutex<Vec<mpsc::UnboundedSender<Wake>>>,
}

impl MemoryStore {
    /// An empty store on the machine's clock.
    #[must_use]
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock))
    }

    /// An empty store on a clock of the caller's, such as a [`TestClock`](crate::clock::TestClock).
    #[must_use]
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        let shared = Shared { clock, tables: Mutex::default(), watchers: Mutex::default() };
        Self { shared: Arc::new(shared), presence: Arc::new(()) }
    }

    /// Another session on the same data.
    #[must_use]
    pub fn session(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), presence: Arc::new(()) }
    }

    /// The clock in the microseconds that databases keep.
    fn time(&self) -> DateTime<Utc> {
        self.shared.clock.now().trunc_subsecs(6)
    }

    /// Does one verb under the lock, then tells the watchers what it made available.
    fn with<T>(&self, verb: impl FnOnce(&mut Tables, DateTime<Utc>) -> T) -> T {
        let mut tables = self.shared.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = verb(&mut tables, self.time());
        let news = tables.take_news();
        drop(tables);
        if !news.is_empty() {
            let mut watchers = self.shared.watchers.lock().unwrap_or_else(PoisonError::into_inner);
            watchers.retain(|watcher| news.iter().all(|wake| watcher.send(wake.clone()).is_ok()));
        }
        answer
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Store for MemoryStore {
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
        Ok(Vec::new())
    }

    async fn revert(&self) -> Result<Option<String>> {
        Ok(None)
    }

    async fn insert(&self, jobs: &[NewJob]) -> Result<Vec<Inserted>> {
        self.with(|tables, now| insert::insert(tables, now, jobs))
    }

    async fn insert_claimed(&self, jobs: &[NewJob], queue: &str, owner: WorkerId) -> Result<Born> {
        self.with(|tables, now| {
            insert::insert(tables, now, jobs)?;
            if !claim::is_open(tables, queue, owner) {
                return Ok(Born::Available);
            }
            jobs.iter().for_each(|job| claim::take(tables, now, job.id, owner));
            Ok(Born::Claimed(now))
        })
    }

    async fn claim(&self, claim: &Claim) -> Result<Vec<ClaimedJob>> {
        Ok(self.with(|tables, now| claim::claim(tables, now, claim)))
    }

    async fn settle(&self, batch: &[Settlement]) -> Result<Vec<Settled>> {
        Ok(self.with(|tables, now| {
            batch.iter().map(|settlement| settle::settle(tables, now, settlement)).collect()
        }))
    }

    async fn promote(&self, limit: u32) -> Result<Promoted> {
        Ok(self.with(|tables, now| claim::promote(tables, now, limit)))
    }

    async fn park_unknown(&self, queue: &str, limit: u32) -> Result<usize> {
        Ok(self.with(|tables, _| claim::park_unknown(tables, queue, limit)))
    }

    async fn register(&self, worker: &NewWorker) -> Result<()> {
        self.with(|tables, now| lease::register(tables, now, worker));
        Ok(())
    }

    async fn renew(&self, renewal: &Renewal) -> Result<Renewed> {
        Ok(self.with(|tables, now| lease::renew(tables, now, renewal)))
    }

    async fn suspects(&self, besides: &[WorkerId]) -> Result<Suspects> {
        Ok(self.with(|tables, now| lease::suspects(tables, now, besides)))
    }

    async fn rescue(&self, suspect: &Suspect, crash_limit: i32) -> Result<Vec<Rescued>> {
        Ok(self.with(|tables, now| lease::rescue(tables, now, suspect, crash_limit)))
    }

    async fn retire(&self, worker: WorkerId) -> Result<usize> {
        Ok(self.with(|tables, now| lease::retire(tables, now, worker)))
    }

    async fn hold_presence(&self, worker: WorkerId) -> Result<bool> {
        Ok(self.with(|tables, _| lease::hold_presence(tables, worker, &self.presence)))
    }

    async fn prune(&self, limit: u32) -> Result<Pruned> {
        Ok(self.with(|tables, now| settle::prune(tables, now, limit)))
    }

    async fn upsert_schedules(
        &self,
        owner: &str,
        version: &str,
        declared: &[ScheduleRow],
    ) -> Result<()> {
        self.with(|tables, now| schedule::upsert(tables, now, owner, version, declared))
    }

    async fn due_schedules(
        &self,
        tasks: &[String],
    ) -> Result<(Vec<DueSchedule>, Option<Duration>)> {
        Ok(self.with(|tables, now| schedule::due(tables, now, tasks)))
    }

    async fn fire(&self, firing: &Firing) -> Result<Vec<JobId>> {
        self.with(|tables, now| schedule::fire(tables, now, firing))
    }

    async fn now(&self) -> Result<DateTime<Utc>> {
        Ok(self.time())
    }

    async fn watch(&self, wake: mpsc::UnboundedSender<Wake>) -> WakeSource {
        let mut watchers = self.shared.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        watchers.retain(|watcher| !watcher.is_closed());
        watchers.push(wake);
        WakeSource::Messages
    }

    async fn travel(&self, by: Duration) -> Result<()> {
        self.with(|tables, _| tables.move_back(by));
        Ok(())
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use async_trait::async_trait;

    use super::MemoryStore;
    use crate::{error::Result, store::Store, testing::conformance::Fixture};

    #[async_trait]
    impl Fixture for MemoryStore {
        fn store(&self) -> &dyn Store {
            self
        }

        async fn reopen(&self) -> Result<Box<dyn Store>> {
            Ok(Box::new(self.session()))
        }
    }

    async fn open() -> Option<MemoryStore> {
        Some(MemoryStore::new())
    }

    crate::conformance!(open);
}
