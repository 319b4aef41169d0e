//! Random operations by three workers and an operator, on the memory store and on a SQL store: every
//! answer and every job must be the same. What differs is shrunk to the shortest list that differs.
//!
//! `TASKX_CASES=n` runs n cases an engine instead of 2,000 over all.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::too_many_lines,
    clippy::unwrap_used,
    reason = "a difference is a panic"
)]

#[cfg(feature = "mysql")]
mod mysql_database;
#[cfg(feature = "postgres")]
mod postgres_schema;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
    test_runner::{Config, TestRunner},
};
use taskx_core::{
    inspect::{Actor, Inspect, JobFilter},
    job::{ClaimedJob, JobId, NewJob, PAYLOAD_JSON, RunAt, WorkerId},
    outcome::{Failure, FailureKind, Outcome, Settlement},
    store::{Born, Claim, Engine, NewWorker, Renewal, Store, TaskRow, memory::MemoryStore},
};

const QUEUES: [&str; 2] = ["mail", "video"];

/// The last one is known to nobody.
const TASKS: [&str; 3] = ["send", "resize", "forgotten"];

/// Times are multiples of this, and travels a millisecond longer, so that no case depends on how
/// long it takes.
const STEP: Duration = Duration::from_secs(10);
const LEASE: Duration = Duration::from_secs(25);

#[derive(Clone, Debug)]
enum Op {
    Insert { count: usize, queue: usize, task: usize, priority: i16, wait: u32 },
    InsertAgain(Index),
    InsertClaimed { worker: usize, queue: usize, count: usize },
    Claim { worker: usize, queue: usize, limit: u32 },
    Settle { held: Index, how: How, keep: bool },
    Promote,
    Renew { worker: usize, named: Vec<Index> },
    Travel(u32),
    Rescue,
    Retire(usize),
    Park(usize),
    Prune,
    Cancel(Index),
    Retry(Index),
    Discard(Index),
    Delete(Index),
    Edit(Index),
    Pause(usize),
    Resume(usize),
}

#[derive(Clone, Copy, Debug)]
enum How {
    Completed,
    Result,
    Retry,
    Snooze,
    Release,
    Cancel,
    Discard,
    Quarantine,
}

fn op() -> impl Strategy<Value = Op> {
    let queue = 0..QUEUES.len();
    let how = select(vec![
        How::Completed,
        How::Result,
        How::Retry,
        How::Snooze,
        How::Release,
        How::Cancel,
        How::Discard,
        How::Quarantine,
    ]);
    prop_oneof![
        6 => (1..5_usize, queue.clone(), 0..TASKS.len(), -1..2_i16, 0..3_u32).prop_map(
            |(count, queue, task, priority, wait)| Op::Insert { count, queue, task, priority, wait }
        ),
        1 => any::<Index>().prop_map(Op::InsertAgain),
        3 => (0..3_usize, queue.clone(), 1..4_usize)
            .prop_map(|(worker, queue, count)| Op::InsertClaimed { worker, queue, count }),
        8 => (0..3_usize, queue.clone(), 1..6_u32)
            .prop_map(|(worker, queue, limit)| Op::Claim { worker, queue, limit }),
        8 => (any::<Index>(), how, any::<bool>())
            .prop_map(|(held, how, keep)| Op::Settle { held, how, keep }),
        3 => Just(Op::Promote),
        3 => (0..3_usize, vec(any::<Index>(), 0..3))
            .prop_map(|(worker, named)| Op::Renew { worker, named }),
        4 => (1..4_u32).prop_map(Op::Travel),
        3 => Just(Op::Rescue),
        1 => (0..3_usize).prop_map(Op::Retire),
        1 => queue.clone().prop_map(Op::Park),
        1 => Just(Op::Prune),
        1 => any::<Index>().prop_map(Op::Cancel),
        1 => any::<Index>().prop_map(Op::Retry),
        1 => any::<Index>().prop_map(Op::Discard),
        1 => any::<Index>().prop_map(Op::Delete),
        1 => any::<Index>().prop_map(Op::Edit),
        1 => queue.clone().prop_map(Op::Pause),
        1 => queue.prop_map(Op::Resume),
    ]
}

/// The two stores, and what was done on them so far.
struct Pair<'s> {
    oracle: MemoryStore,
    store: &'s dyn Store,
    workers: [Option<WorkerId>; 3],
    /// Every worker row that there was.
    rows: BTreeSet<WorkerId>,
    jobs: Vec<JobId>,
    /// Every claim, also those that are over.
    claims: Vec<ClaimedJob>,
}

/// Asks both, and gives the answer if it is the same.
macro_rules! both {
    ($pair:ident, $call:ident($($argument:expr),*)) => {{
        let expected = $pair.oracle.$call($($argument),*).await.unwrap();
        let found = $pair.store.$call($($argument),*).await.unwrap();
        assert_eq!(expected, found, "{}", stringify!($call));
        expected
    }};
}

/// What is compared of a claim: all but its times.
fn told(job: &ClaimedJob) -> ClaimedJob {
    let epoch = chrono::DateTime::UNIX_EPOCH;
    ClaimedJob { inserted_at: epoch, run_at: epoch, ..job.clone() }
}

/// A job that a worker holds since its birth.
fn born(job: NewJob, owner: WorkerId, at: chrono::DateTime<chrono::Utc>) -> ClaimedJob {
    ClaimedJob {
        id: job.id,
        owner,
        fence: 1,
        queue: job.queue,
        task: job.task.into_owned(),
        priority: job.priority,
        attempt: 1,
        max_attempts: job.max_attempts,
        payload: job.payload,
        payload_format: PAYLOAD_JSON,
        inserted_at: at,
        run_at: at,
        crash_count: 0,
        snooze_count: 0,
        solo: false,
        cancel_requested: false,
        extras: None,
    }
}

impl Pair<'_> {
    fn job(&self, index: Index) -> Option<JobId> {
        (!self.jobs.is_empty()).then(|| self.jobs[index.index(self.jobs.len())])
    }

    async fn worker(&mut self, at: usize) -> WorkerId {
        if let Some(worker) = self.workers[at] {
            return worker;
        }
        let names: &[&str] = if at == 2 { &TASKS[..1] } else { &TASKS[..2] };
        let task = |name: &&str| TaskRow {
            name: (*name).to_owned(),
            owner: "shop".to_owned(),
            arguments: "[]".to_owned(),
            version: 1,
        };
        let worker = NewWorker {
            id: WorkerId::new(),
            service: "shop".to_owned(),
            host: "web".to_owned(),
            pid: 1,
            version: "1.0.0".to_owned(),
            lease: LEASE,
            tasks: names.iter().map(task).collect(),
        };
        both!(self, register(&worker));
        self.workers[at] = Some(worker.id);
        self.rows.insert(worker.id);
        worker.id
    }

    fn gone(&mut self, worker: WorkerId) {
        for place in &mut self.workers {
            place.take_if(|held| *held == worker);
        }
    }

    async fn apply(&mut self, op: &Op) {
        let ada = Actor("cli:ada".to_owned());
        match op {
            Op::Insert { count, queue, task, priority, wait } => {
                let mut jobs = Vec::new();
                for n in 0..*count {
                    let payload = format!("{{\"n\":{n}}}");
                    let mut job = NewJob::new(QUEUES[*queue], TASKS[*task], payload);
                    job.priority = *priority;
                    job.run_at = if *wait == 0 { RunAt::Now } else { RunAt::In(STEP * *wait) };
                    self.jobs.push(job.id);
                    jobs.push(job);
                }
                both!(self, insert(&jobs));
            }
            Op::InsertAgain(index) => {
                let Some(id) = self.job(*index) else { return };
                let mut job = NewJob::new(QUEUES[0], TASKS[0], "{}".to_owned());
                (job.id, job.check_id) = (id, true);
                both!(self, insert(std::slice::from_ref(&job)));
            }
            Op::InsertClaimed { worker, queue, count } => {
                // MySQL only inserts.
                if self.store.engine() == Engine::Mysql {
                    return;
                }
                let owner = self.worker(*worker).await;
                let new = |_| NewJob::new(QUEUES[*queue], TASKS[0], "{}".to_owned());
                let jobs: Vec<NewJob> = (0..*count).map(new).collect();
                let (queue, epoch) = (QUEUES[*queue], chrono::DateTime::UNIX_EPOCH);
                let expected = self.oracle.insert_claimed(&jobs, queue, owner).await.unwrap();
                let found = self.store.insert_claimed(&jobs, queue, owner).await.unwrap();
                let is_held = matches!(expected, Born::Claimed(_));
                assert_eq!(is_held, matches!(found, Born::Claimed(_)), "insert_claimed");
                self.jobs.extend(jobs.iter().map(|job| job.id));
                if is_held {
                    self.claims.extend(jobs.into_iter().map(|job| born(job, owner, epoch)));
                }
            }
            Op::Claim { worker, queue, limit } => {
                let owner = self.worker(*worker).await;
                let known = if *worker == 2 { &TASKS[..1] } else { &TASKS[..2] };
                let tasks: Vec<String> = known.iter().map(|task| (*task).to_owned()).collect();
                let (queue, tasks) = (QUEUES[*queue].into(), Arc::from(tasks));
                let claim = Claim { owner, queue, tasks, limit: *limit, after: None };
                let expected = self.oracle.claim(&claim).await.unwrap();
                let found = self.store.claim(&claim).await.unwrap();
                let all_told = |jobs: &[ClaimedJob]| jobs.iter().map(told).collect::<Vec<_>>();
                assert_eq!(all_told(&expected), all_told(&found), "claim");
                self.claims.extend(expected);
            }
            Op::Settle { held, how, keep } => {
                if self.claims.is_empty() {
                    return;
                }
                let job = &self.claims[held.index(self.claims.len())];
                let settlement = settlement(job, *how, *keep);
                both!(self, settle(std::slice::from_ref(&settlement)));
            }
            Op::Promote => {
                let expected = self.oracle.promote(100).await.unwrap();
                let found = self.store.promote(100).await.unwrap();
                let queues = |all: Vec<String>| all.into_iter().collect::<BTreeSet<_>>();
                assert_eq!(expected.count, found.count, "promoted");
                assert_eq!(queues(expected.queues), queues(found.queues), "promoted in");
                let seconds =
                    |wait: Option<Duration>| wait.map_or(-10.0, |wait| wait.as_secs_f64());
                let apart = seconds(expected.next_due) - seconds(found.next_due);
                assert!(apart.abs() < 3.0, "next due: {apart} s apart");
            }
            Op::Renew { worker, named } => {
                let Some(owner) = self.workers[*worker] else { return };
                let held: Vec<_> = self.claims.iter().filter(|job| job.owner == owner).collect();
                let named = named.iter().filter(|_| !held.is_empty());
                let running: BTreeSet<_> = named.map(|at| held[at.index(held.len())].id).collect();
                let running = running.into_iter().collect();
                let workers = vec![owner];
                let renewal = Renewal { workers, lease: LEASE, running, progress: Vec::new() };
                let renewed = both!(self, renew(&renewal));
                if renewed.alive.is_empty() {
                    self.gone(owner);
                }
            }
            Op::Travel(steps) => {
                both!(self, travel((STEP + Duration::from_millis(1)) * *steps));
            }
            Op::Rescue => self.rescue().await,
            Op::Retire(worker) => {
                let Some(owner) = self.workers[*worker] else { return };
                both!(self, retire(owner));
                self.gone(owner);
            }
            Op::Park(queue) => drop(both!(self, park_unknown(QUEUES[*queue], 100))),
            Op::Prune => drop(both!(self, prune(100))),
            Op::Cancel(index) => {
                let Some(id) = self.job(*index) else { return };
                both!(self, cancel(id, &ada));
            }
            Op::Retry(index) => {
                let Some(id) = self.job(*index) else { return };
                both!(self, retry(&[id], &ada));
            }
            Op::Discard(index) => {
                let Some(id) = self.job(*index) else { return };
                both!(self, discard(&[id], "of no use", &ada));
            }
            Op::Delete(index) => {
                let Some(id) = self.job(*index) else { return };
                both!(self, delete(&[id], &ada));
            }
            Op::Edit(index) => {
                let Some(id) = self.job(*index) else { return };
                both!(self, edit_payload(id, "{\"edited\":true}", &ada));
            }
            Op::Pause(queue) => both!(self, pause(QUEUES[*queue], "too hot", &ada)),
            Op::Resume(queue) => drop(both!(self, resume(QUEUES[*queue], &ada))),
        }
    }

    /// Every worker whose lease is over dies.
    async fn rescue(&mut self) {
        let mut expected = self.oracle.suspects(&[]).await.unwrap().found;
        let mut found = self.store.suspects(&[]).await.unwrap().found;
        found.retain(|suspect| self.rows.contains(&suspect.id));
        expected.sort_unstable_by_key(|suspect| suspect.id);
        found.sort_unstable_by_key(|suspect| suspect.id);
        let ids = |all: &[taskx_core::store::Suspect]| {
            all.iter().map(|suspect| (suspect.id, suspect.is_expired())).collect::<Vec<_>>()
        };
        assert_eq!(ids(&expected), ids(&found), "suspects");
        for (expected, found) in expected.iter().zip(&found) {
            let mut left = self.oracle.rescue(expected, 3).await.unwrap();
            let mut right = self.store.rescue(found, 3).await.unwrap();
            left.sort_unstable_by_key(|job| job.id);
            right.sort_unstable_by_key(|job| job.id);
            assert_eq!(left, right, "rescue");
            self.gone(expected.id);
        }
    }

    /// Every job stands alike.
    async fn compare(&self) {
        for &id in &self.jobs {
            let expected = self.oracle.find(id).await.unwrap();
            let found = self.store.find(id).await.unwrap();
            let stands = |job: Option<taskx_core::job::Job>| {
                job.map(|job| {
                    let counts = (job.attempt, job.fence, job.crash_count, job.snooze_count);
                    let texts = (job.payload, job.result, job.reason, job.progress);
                    let asked = job.cancel_requested_at.is_some();
                    (job.state, counts, job.owner, job.priority, asked, texts)
                })
            };
            assert_eq!(stands(expected), stands(found), "job {id}");
            let noted = |all: Vec<taskx_core::inspect::AttemptInfo>| {
                let told =
                    all.into_iter().map(|one| (one.fence, one.attempt, one.worker, one.error));
                told.collect::<Vec<_>>()
            };
            let expected = noted(self.oracle.attempts(id).await.unwrap());
            assert_eq!(expected, noted(self.store.attempts(id).await.unwrap()), "attempts of {id}");
        }
    }

    /// Leaves the store as it was found.
    async fn clean_up(&self) {
        let ada = Actor("cli:ada".to_owned());
        for worker in &self.rows {
            self.store.retire(*worker).await.unwrap();
        }
        self.store.delete(&self.jobs, &ada).await.unwrap();
        for queue in QUEUES {
            self.store.resume(queue, &ada).await.unwrap();
        }
        let all = JobFilter::default();
        let left = self.store.list(&all, taskx_core::inspect::Page::default()).await.unwrap();
        assert_eq!(left, [], "a job is left that nobody inserted");
    }
}

fn settlement(job: &ClaimedJob, how: How, keep: bool) -> Settlement {
    let failure = Failure {
        kind: FailureKind::Error,
        error: format!("no route, attempt {}", job.attempt),
        backtrace: None,
    };
    let outcome = match how {
        How::Completed => Outcome::Completed(None),
        How::Result => Outcome::Completed(Some("{\"a\":\"ü\"}".to_owned())),
        How::Retry => Outcome::Retry { after: STEP, failure },
        How::Snooze => Outcome::Snoozed { after: STEP, failure: None },
        How::Release => Outcome::Released,
        How::Cancel => Outcome::Cancelled("not needed".to_owned()),
        How::Discard => Outcome::Discarded { reason: "gave up".to_owned(), failure: Some(failure) },
        How::Quarantine => {
            Outcome::Quarantined { reason: "strange".to_owned(), failure: Some(failure) }
        }
    };
    let retention = keep.then_some(STEP * 6);
    Settlement {
        id: job.id,
        owner: job.owner,
        fence: job.fence,
        attempt: job.attempt,
        outcome,
        retention,
    }
}

/// One list of operations on an empty store.
async fn run(store: &dyn Store, ops: &[Op]) {
    let mut pair = Pair {
        oracle: MemoryStore::new(),
        store,
        workers: [None; 3],
        rows: BTreeSet::new(),
        jobs: Vec::new(),
        claims: Vec::new(),
    };
    for op in ops {
        pair.apply(op).await;
    }
    pair.compare().await;
    pair.clean_up().await;
}

/// Many lists, each on a store that `open` gives; after a difference on a fresh one.
fn differ<S: Store>(usual: u32, open: impl AsyncFn() -> S) {
    let cases = std::env::var("TASKX_CASES").ok().and_then(|text| text.parse().ok());
    let cases = cases.unwrap_or(usual);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = std::cell::RefCell::new(None);
    let config =
        Config { cases, failure_persistence: None, max_shrink_iters: 2_000, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let outcome = runner.run(&vec(op(), 1..50), |ops| {
        let used = store.take();
        let used = match used {
            Some(used) => used,
            None => runtime.block_on(open()),
        };
        let ran = std::panic::AssertUnwindSafe(|| runtime.block_on(run(&used, &ops)));
        match std::panic::catch_unwind(ran) {
            Ok(()) => {
                store.replace(Some(used));
                Ok(())
            }
            Err(panic) => {
                runtime.block_on(async { drop(used) });
                let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
                Err(TestCaseError::fail(text))
            }
        }
    });
    runtime.block_on(async { drop(store.take()) });
    if let Err(difference) = outcome {
        panic!("{difference}");
    }
}

#[cfg(feature = "sqlite")]
#[test]
fn sqlite_does_what_the_memory_store_does() {
    use taskx_diesel::{SqliteOptions, SqliteStore};
    differ(1_400, async || {
        let store = SqliteStore::open(":memory:", SqliteOptions::default()).unwrap();
        store.migrate().await.unwrap();
        store
    });
}

#[cfg(feature = "postgres")]
#[test]
fn postgres_does_what_the_memory_store_does() {
    use taskx_diesel::{PgOptions, PgStore};
    let schemas = std::cell::RefCell::new(Vec::new());
    let Some(first) = postgres_schema::Schema::create() else {
        taskx_core::testing::conformance::left_out("differential on PostgreSQL");
        return;
    };
    schemas.borrow_mut().push(first);
    differ(400, async || {
        let url = {
            let mut schemas = schemas.borrow_mut();
            schemas.push(postgres_schema::Schema::create().unwrap());
            schemas.last().unwrap().url.clone()
        };
        let store = PgStore::connect(&url, PgOptions::default()).await.unwrap();
        store.migrate().await.unwrap();
        store
    });
}

#[cfg(feature = "mysql")]
#[test]
fn mysql_does_what_the_memory_store_does() {
    use taskx_diesel::{MysqlOptions, MysqlStore};
    let databases = std::cell::RefCell::new(Vec::new());
    let Some(first) = mysql_database::Database::create() else {
        taskx_core::testing::conformance::left_out("differential on MySQL");
        return;
    };
    databases.borrow_mut().push(first);
    differ(200, async || {
        let url = {
            let mut databases = databases.borrow_mut();
            databases.push(mysql_database::Database::create().unwrap());
            databases.last().unwrap().url.clone()
        };
        let store = MysqlStore::connect(&url, MysqlOptions::default()).await.unwrap();
        store.migrate().await.unwrap();
        store
    });
}
