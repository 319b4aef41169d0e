//! What a worker serves: its queues with their slots, its tasks, in the order of priority.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rstest::rstest;
use taskx::{Actor, JobState, inspect::Inspect, prelude::*};
use taskx_core::job::NewJob;
use taskx_tests::{Engine, SOON};

/// How many runs of each queue there are at once, and at most; and what ran, in order.
#[derive(Default)]
struct Load {
    wide: Level,
    narrow: Level,
    order: Mutex<Vec<u32>>,
    go_on: Permits,
}

/// None until a test gives some.
struct Permits(tokio::sync::Semaphore);

impl Default for Permits {
    fn default() -> Self {
        Self(tokio::sync::Semaphore::new(0))
    }
}

#[derive(Default)]
struct Level {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Level {
    async fn during(&self, work: impl Future<Output = ()>) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        work.await;
        self.now.fetch_sub(1, Ordering::SeqCst);
    }
}

#[task(app = "slots", queue = "wide")]
async fn wide(load: &Load) {
    load.wide.during(tokio::time::sleep(Duration::from_millis(20))).await;
}

#[task(app = "slots", queue = "narrow")]
async fn narrow(load: &Load) {
    load.narrow.during(tokio::time::sleep(Duration::from_millis(5))).await;
}

#[task(app = "slots", queue = "ordered")]
fn ordered(number: u32, load: &Load) {
    load.order.lock().unwrap().push(number);
}

#[task(app = "slots", queue = "waits")]
async fn waits(load: &Load) -> anyhow::Result<()> {
    load.go_on.0.acquire().await?.forget();
    Ok(())
}

#[task(app = "slots", queue = "ordered")]
fn left_out() {}

#[task(app = "slots", queue = "retries", max_attempts = 2, backoff = "50ms")]
fn fails_once(ctx: &Ctx) -> anyhow::Result<()> {
    anyhow::ensure!(ctx.attempt() > 1, "once");
    Ok(())
}

#[rstest]
#[tokio::test]
async fn each_queue_has_its_slots(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let load = Arc::new(Load::default());
    let app = database.app().name("slots").state_arc(Arc::clone(&load)).build().await.unwrap();
    app.queue().apply_many((0..60).map(|_| Wide::apply())).await.unwrap();
    app.queue().apply_many((0..60).map(|_| Narrow::apply())).await.unwrap();
    let worker = app.background_worker().queues([("wide", 6), ("narrow", 2)]);
    let worker = worker.start().await.unwrap();
    worker.wait_idle().await.unwrap();
    assert_eq!(worker.counts().completed, 120);
    let most = |level: &Level| level.most.load(Ordering::SeqCst);
    assert_eq!((most(&load.wide), most(&load.narrow)), (6, 2));
    app.shutdown().await.unwrap();
}

#[rstest]
#[tokio::test]
async fn jobs_of_a_queue_run_by_priority_and_then_by_age(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let load = Arc::new(Load::default());
    let app = database.app().name("slots").state_arc(Arc::clone(&load)).build().await.unwrap();
    for (number, priority) in [(5, 9), (3, 0), (1, -3), (4, 0), (2, -3)] {
        Ordered::apply(number).priority(priority).to(app.queue()).await.unwrap();
    }
    let unknown = LeftOut::apply().priority(-9).to(app.queue()).await.unwrap();
    let worker = app.background_worker().except(["left_out"]).concurrency(1).start().await.unwrap();
    taskx_tests::eventually("five have run", SOON, async || {
        (worker.counts().completed == 5).then_some(())
    })
    .await;
    assert_eq!(*load.order.lock().unwrap(), [1, 2, 3, 4, 5]);
    assert_eq!(unknown.status().await.unwrap(), Some(JobState::Available));
    worker.stop().await.unwrap();
    // Another worker of the App knows it.
    let worker = app.background_worker().only(["left_out"]).start().await.unwrap();
    unknown.wait(SOON).await.unwrap();
    worker.stop().await.unwrap();
}

#[rstest]
#[tokio::test]
async fn idle_does_not_wait_for_times_and_drain_waits_for_retries(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let app = database.app().name("slots").state(Load::default()).build().await.unwrap();
    let worker = app.background_worker().start().await.unwrap();
    let hour = Duration::from_secs(3600);
    let later = FailsOnce::apply().delay(hour).to(app.queue()).await.unwrap();
    let soon = FailsOnce::apply().to(app.queue()).await.unwrap();
    worker.wait_idle().await.unwrap();
    worker.drain().await.unwrap();
    assert_eq!(soon.status().await.unwrap(), Some(JobState::Completed));
    assert_eq!(later.status().await.unwrap(), Some(JobState::Scheduled));
    assert_eq!((worker.counts().completed, worker.counts().retried), (1, 1));
    app.shutdown().await.unwrap();
}

#[rstest]
#[tokio::test]
async fn idle_does_not_wait_for_what_nobody_would_begin(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let app = database.app().name("slots").state(Load::default()).build().await.unwrap();
    let (queue, ada) = (app.queue(), Actor("test:ada".to_owned()));
    queue.pause("narrow", "too much", &ada).await.unwrap();
    let paused = Narrow::apply().to(queue).await.unwrap();
    let unknown = NewJob::new("wide", "of another service", "{}".to_owned());
    let unknown = queue.insert(unknown).await.unwrap();
    let worker = app.background_worker().start().await.unwrap();
    let mine = Wide::apply().to(queue).await.unwrap();
    tokio::time::timeout(SOON, worker.wait_idle()).await.unwrap().unwrap();
    assert_eq!(mine.status().await.unwrap(), Some(JobState::Completed));
    assert_eq!(paused.status().await.unwrap(), Some(JobState::Available));
    assert!(!queue.find(unknown).await.unwrap().unwrap().state.is_finished());
    queue.resume("narrow", &ada).await.unwrap();
    tokio::time::timeout(SOON, worker.wait_idle()).await.unwrap().unwrap();
    assert_eq!(paused.status().await.unwrap(), Some(JobState::Completed));
    app.shutdown().await.unwrap();
}

#[rstest]
#[tokio::test]
async fn a_delayed_job_starts_when_it_is_due(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let minute = Duration::from_secs(60);
    let app = database.app().name("slots").state(Load::default()).loop_interval(minute);
    let app = app.build().await.unwrap();
    let worker = app.background_worker().start().await.unwrap();
    let delay = Duration::from_millis(400);
    let job = Wide::apply().delay(delay).to(app.queue()).await.unwrap();
    job.wait(SOON).await.unwrap();
    let job = job.job().await.unwrap().unwrap();
    let waited = (job.claimed_at.unwrap() - job.inserted_at).to_std().unwrap();
    assert!(waited >= delay, "not before its time: {waited:?}");
    assert!(waited < Duration::from_secs(20), "not by the poll: {waited:?}");
    worker.stop().await.unwrap();
}

/// A job that runs holds no connection, unless its task takes one: forty at once need no more than
/// an idle worker does.
#[rstest]
#[tokio::test]
async fn what_runs_holds_no_connection(#[values(Engine::Postgres, Engine::Mysql)] engine: Engine) {
    let Some(database) = engine.database() else { return };
    // On PostgreSQL the tests are schemas of one database: the sessions are told apart by a name.
    let (url, question) = match engine {
        Engine::Postgres => (
            format!("{}&application_name=holds_nothing", database.url),
            "SELECT COUNT(*) FROM pg_stat_activity WHERE application_name = 'holds_nothing'",
        ),
        _ => (
            database.url.clone(),
            "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE()",
        ),
    };
    let load = Arc::new(Load::default());
    let app = database.app().database_url(url).name("slots").state_arc(Arc::clone(&load));
    let app = app.build().await.unwrap();
    app.queue().apply_many((0..40).map(|_| Waits::apply())).await.unwrap();
    let worker = app.background_worker().concurrency(40).start().await.unwrap();
    taskx_tests::eventually("all run", SOON, async || (worker.running() == 40).then_some(())).await;
    let counting = move || (database.number(question), database);
    // The database is dropped at its handle's end.
    let (connections, _database) = tokio::task::spawn_blocking(counting).await.unwrap();
    println!("{engine:?}: {connections} connections while 40 jobs run");
    assert!((1..=20).contains(&connections), "{connections} connections");
    load.go_on.0.add_permits(40);
    worker.wait_idle().await.unwrap();
    app.shutdown().await.unwrap();
}
