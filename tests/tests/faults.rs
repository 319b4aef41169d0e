//! Every call that a worker makes of its store fails once, in every way: nothing is lost, nothing is
//! done twice under one fence, no attempt is used up.
//!
//! `TASKX_FAULTS=n` sweeps the first n calls of each verb instead of the first 4.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic, and its story is one"
)]

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use taskx::prelude::*;
use taskx_core::{
    config::Config,
    inspect::{Actor, Inspect, JobFilter, Page},
    job::{Job, JobState, NewJob, WorkerId},
    store::{Claim, NewWorker, Store, TaskRow, memory::MemoryStore},
    task::Overlap,
    testing::faults::{Fault, FaultStore, Verb},
};
use taskx_diesel::{SqliteOptions, SqliteStore};
use tokio::task::JoinSet;

const JOBS: u32 = 12;
const HANG: Duration = Duration::from_millis(300);
const FAULTS: [Fault; 4] = [Fault::Before, Fault::After, Fault::Hang(HANG), Fault::HangAfter(HANG)];

/// How often each claim of each job was executed.
#[derive(Default)]
struct Effects(Mutex<HashMap<(JobId, i64), u32>>);

#[task(queue = "q", max_attempts = 3)]
async fn count(
    n: u32,
    effects: &Effects,
    ctx: &Ctx,
) -> Result<u32, Box<dyn std::error::Error + Send + Sync>> {
    let earlier = {
        let mut effects = effects.0.lock().unwrap();
        *effects.entry((ctx.id(), ctx.fence())).or_default() += 1;
        effects.keys().filter(|(id, _)| *id == ctx.id()).count() - 1
    };
    match n % 4 {
        1 if ctx.attempt() == 1 => Err(Retry::after(Duration::from_millis(10)).into()),
        2 if earlier == 0 => Err(Snooze::after(Duration::from_millis(10)).into()),
        _ => Ok(n),
    }
}

#[task(queue = "ticks")]
async fn tick(effects: &Effects, ctx: &Ctx) {
    *effects.0.lock().unwrap().entry((ctx.id(), ctx.fence())).or_default() += 1;
}

/// A database, and another session on it.
#[derive(Clone, Copy, Debug)]
enum Database {
    Memory,
    Sqlite,
}

impl Database {
    async fn open(self) -> (Arc<dyn Store>, Box<dyn Store>) {
        match self {
            Self::Memory => {
                let store = MemoryStore::new();
                let other = store.session();
                (Arc::new(store), Box::new(other))
            }
            Self::Sqlite => {
                let store = SqliteStore::open(":memory:", SqliteOptions::default()).unwrap();
                store.migrate().await.unwrap();
                let path = store.path().to_str().unwrap().to_owned();
                let other = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
                (Arc::new(store), Box::new(other))
            }
        }
    }
}

/// A worker that claimed three jobs and died without a word.
async fn ghost(store: Box<dyn Store>) -> Vec<JobId> {
    let jobs: Vec<_> =
        (0..3).map(|n| NewJob::new("q", "count", format!("{{\"n\":{}}}", 4 * n))).collect();
    store.insert(&jobs).await.unwrap();
    let task = TaskRow {
        name: "count".to_owned(),
        owner: "ghost".to_owned(),
        arguments: "[]".to_owned(),
        version: 1,
    };
    let worker = NewWorker {
        id: WorkerId::new(),
        service: "ghost".to_owned(),
        host: "nowhere".to_owned(),
        pid: 1,
        version: "1.0.0".to_owned(),
        lease: Duration::from_secs(60),
        tasks: vec![task],
    };
    store.register(&worker).await.unwrap();
    assert!(store.hold_presence(worker.id).await.unwrap());
    let claim = Claim {
        owner: worker.id,
        queue: "q".into(),
        tasks: Arc::new(["count".to_owned()]),
        limit: 10,
        after: None,
    };
    assert_eq!(store.claim(&claim).await.unwrap().len(), 3);
    jobs.iter().map(|job| job.id).collect()
}

async fn everything(queue: &taskx::Queue) -> Vec<Job> {
    queue.list(&JobFilter::default(), Page { before: None, limit: 1_000 }).await.unwrap()
}

/// Enqueues jobs, and until one was born claimed.
async fn enqueue(queue: &taskx::Queue, store: &FaultStore, deadline: Instant) -> Vec<JobId> {
    let mut enqueued = Vec::new();
    for n in 0..JOBS {
        let job = Count::apply(n).to(queue);
        // One with a tag is never born claimed.
        let job = if n % 2 == 0 { job.tag("even") } else { job };
        enqueued.push(job.await.unwrap().id());
    }
    // Only what comes while the worker has nothing to do is.
    while store.calls(Verb::InsertClaimed) == 0 {
        assert!(Instant::now() < deadline, "the worker never had nothing to do");
        tokio::time::sleep(Duration::from_millis(20)).await;
        enqueued.push(Count::apply(JOBS).to(queue).await.unwrap().id());
    }
    enqueued
}

/// One run of the real worker on a store with one fault; answers how often each verb was called.
async fn run(database: Database, fault: Option<(Verb, u64, Fault)>) -> HashMap<Verb, u64> {
    let what = format!("{database:?} {fault:?}");
    let (store, other) = database.open().await;
    let orphans = ghost(other).await;
    let mut store = FaultStore::new(store);
    if let Some((verb, n, fault)) = fault {
        store = store.with(verb, n, fault);
    }
    let store = Arc::new(store);
    let effects = Arc::new(Effects::default());
    let app = App::builder()
        .config(Config::default())
        .lease(Duration::from_secs(5))
        .debug(false)
        .store(Arc::clone(&store) as Arc<dyn Store>)
        .state_arc(Arc::clone(&effects))
        .build()
        .await
        .unwrap();
    let queue = app.queue();
    let actor = Actor("test".to_owned());
    let every_second = "interval(seconds = 1)".parse::<taskx::schedule::Trigger>().unwrap();
    let schedule = queue.schedules().add::<Tick>("tick", every_second, &Tick {});
    schedule
        .misfire(taskx::schedule::Misfire::All { max: 100 })
        .overlap(Overlap::Allow)
        .save(&actor)
        .await
        .unwrap();

    let started = app.background_worker().only(["count", "tick"]).start().await;
    let worker = match (started, fault) {
        (Ok(worker), _) => worker,
        // The first registration is the caller's to repeat.
        (Err(error), Some((Verb::Register, 1, _))) => {
            assert!(error.is_transient(), "{what}: {error}");
            app.background_worker().only(["count", "tick"]).start().await.unwrap()
        }
        (Err(error), _) => panic!("{what}: {error}"),
    };
    let deadline = Instant::now() + Duration::from_secs(30);
    let enqueued = enqueue(queue, &store, deadline).await;
    loop {
        let jobs = everything(queue).await;
        let done = |id: &JobId| jobs.iter().any(|job| job.id == *id && job.state.is_finished());
        let ticks = jobs.iter().filter(|job| job.task == "tick" && job.state.is_finished()).count();
        if enqueued.iter().chain(&orphans).all(done) && ticks >= 2 {
            break;
        }
        assert!(Instant::now() < deadline, "{what}: not done: {jobs:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    worker.stop().await.unwrap();

    let jobs = everything(queue).await;
    for job in jobs.iter().filter(|job| job.task == "count") {
        assert_eq!(job.state, JobState::Completed, "{what}: {job:?}");
        let n: u32 = job.result.as_ref().unwrap().parse().unwrap();
        assert_eq!(job.attempt, if n % 4 == 1 { 2 } else { 1 }, "{what}: attempts of {job:?}");
        assert_eq!(job.snooze_count, i32::from(n % 4 == 2), "{what}: snoozes of {job:?}");
        assert_eq!(job.crash_count, i32::from(orphans.contains(&job.id)), "{what}: {job:?}");
        let effects = effects.0.lock().unwrap();
        assert_eq!(effects.get(&(job.id, job.fence)), Some(&1), "{what}: the last claim ran");
    }
    let counted = jobs.iter().filter(|job| job.task == "count").count();
    assert_eq!(counted, enqueued.len() + orphans.len(), "{what}");
    assert!(effects.0.lock().unwrap().values().all(|runs| *runs == 1), "{what}: a fence ran twice");
    let mut slots: Vec<_> = jobs.iter().filter_map(|job| job.extras.slot).collect();
    slots.sort_unstable();
    let apart = |pair: &[chrono::DateTime<chrono::Utc>]| (pair[1] - pair[0]).num_milliseconds();
    assert!(slots.windows(2).all(|pair| apart(pair) == 1_000), "{what}: slots {slots:?}");
    // A registration whose answer was lost leaves a row that its lease ends.
    let unheard = matches!(fault, Some((Verb::Register, _, Fault::After | Fault::HangAfter(_))));
    let left = queue.workers().await.unwrap();
    assert!(left.len() <= usize::from(unheard), "{what}: rows are left: {left:?}");
    app.shutdown().await.unwrap();
    Verb::ALL.into_iter().map(|verb| (verb, store.calls(verb))).collect()
}

/// All faults of all calls, many runs at a time: they mostly wait.
async fn sweep(database: Database) {
    let calls = run(database, None).await;
    let most = std::env::var("TASKX_FAULTS").ok().and_then(|text| text.parse().ok()).unwrap_or(4);
    let mut cases = Vec::new();
    for verb in Verb::ALL {
        assert!(calls[&verb] > 0, "{verb:?} is never called");
        for n in 1..=calls[&verb].min(most) {
            cases.extend(FAULTS.map(|fault| (verb, n, fault)));
        }
    }
    assert!(cases.len() > 100, "only {} cases", cases.len());
    let mut running = JoinSet::new();
    for case in cases {
        if running.len() >= 40 {
            running.join_next().await.unwrap().unwrap();
        }
        running.spawn(async move { drop(run(database, Some(case)).await) });
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_may_fail_on_the_memory_store() {
    sweep(Database::Memory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_may_fail_on_sqlite() {
    sweep(Database::Sqlite).await;
}
