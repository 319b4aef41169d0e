//! What a worker survives: panics where nobody expects them, a database that hangs or refuses, a
//! stop that must not wait.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a task of a test may panic")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use taskx::prelude::*;
use taskx_core::{
    app::AppBuilder,
    config::Config,
    error::ErrorKind,
    inspect::Inspect,
    job::{JobState, WorkerId},
    store::{NewWorker, Store, memory::MemoryStore},
    testing::faults::{Fault, FaultStore, Verb},
};

const PATIENCE: Duration = Duration::from_secs(10);

fn builder() -> AppBuilder {
    App::builder().config(Config::default()).store(Arc::new(MemoryStore::new()))
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

/// Holds a value that panics when the future is dropped at its timeout.
#[task(timeout = "50ms", max_attempts = 1)]
async fn explode() {
    let _bomb = Bomb;
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_panic_in_drop_ends_the_attempt_and_nothing_else() {
    let app = builder().build().await.unwrap();
    let worker = app.background_worker().only(["explode", "nothing"]).start().await.unwrap();
    let job = Explode::apply().to(app.queue()).await.unwrap();
    let ended = app.queue().wait_finished(job.id(), PATIENCE).await.unwrap();
    assert_eq!(ended.state, JobState::Discarded);
    assert!(ended.reason.unwrap().contains("panicked"));
    let next = Nothing::apply().to(app.queue()).await.unwrap();
    next.wait(PATIENCE).await.unwrap();
    worker.wait_idle().await.unwrap();
}

#[task]
async fn nothing() {}

#[tokio::test]
async fn a_subscriber_that_panics_stops_no_loop() {
    let app = builder().subscribe(|_| panic!("a subscriber")).build().await.unwrap();
    let _worker = app.background_worker().only(["nothing"]).start().await.unwrap();
    for _ in 0..3 {
        let job = Nothing::apply().to(app.queue()).await.unwrap();
        job.wait(PATIENCE).await.unwrap();
    }
}

fn no_backoff(_: u32) -> Duration {
    panic!("a backoff");
}

#[task(backoff = no_backoff)]
async fn fail() -> Result<(), std::fmt::Error> {
    Err(std::fmt::Error)
}

#[tokio::test]
async fn a_backoff_that_panics_is_replaced_by_the_default() {
    let app = builder().build().await.unwrap();
    let worker = app.background_worker().only(["fail"]).start().await.unwrap();
    let job = Fail::apply().to(app.queue()).await.unwrap();
    worker.wait_idle().await.unwrap();
    assert_eq!(job.status().await.unwrap(), Some(JobState::Retryable));
}

/// A store with faults and an App on it.
async fn faulty(lease: Duration) -> (Arc<FaultStore>, App) {
    let store = Arc::new(FaultStore::new(Arc::new(MemoryStore::new())));
    let app = App::builder()
        .config(Config::default())
        .lease(lease)
        .store(Arc::clone(&store) as Arc<dyn Store>)
        .state(AtomicU32::new(0))
        .build()
        .await
        .unwrap();
    (store, app)
}

async fn until(mut reached: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !reached().await {
        assert!(Instant::now() < deadline, "it did not come to that");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A plain fn that cannot be stopped.
#[task]
fn stubborn(begun: &AtomicU32) {
    begun.fetch_add(1, Ordering::SeqCst);
    std::thread::sleep(Duration::from_secs(3));
}

#[tokio::test]
async fn a_second_signal_is_answered_within_a_second_whatever_hangs() {
    let (store, app) = faulty(Duration::from_secs(30)).await;
    let begun = app.background_worker().only(["stubborn"]).start().await.unwrap();
    Stubborn::apply().to(app.queue()).await.unwrap();
    until(async || begun.running() == 1).await;
    for verb in [Verb::Claim, Verb::Settle, Verb::Retire, Verb::Renew, Verb::Suspects] {
        store.every(verb, Some(Fault::Hang(Duration::from_secs(60))));
    }
    // A claim that hangs too.
    Stubborn::apply().to(app.queue()).await.unwrap();
    let started = Instant::now();
    begun.stop_now().await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_stop_without_a_database_ends_with_the_lease() {
    let (store, app) = faulty(Duration::from_secs(2)).await;
    let worker =
        app.background_worker().only(["nothing"]).grace(Duration::ZERO).start().await.unwrap();
    for verb in [Verb::Settle, Verb::Retire, Verb::Renew] {
        store.every(verb, Some(Fault::Before));
    }
    Nothing::apply().to(app.queue()).await.unwrap();
    until(async || worker.running() == 0 && store.calls(Verb::Settle) > 0).await;
    let started = Instant::now();
    worker.stop().await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
}

#[task]
async fn begin(begun: &AtomicU32) {
    begun.fetch_add(1, Ordering::SeqCst);
}

#[tokio::test]
async fn what_is_not_renewed_starts_nothing() {
    let (store, app) = faulty(Duration::from_secs(2)).await;
    let _worker = app.background_worker().only(["begin"]).start().await.unwrap();
    Begin::apply().to(app.queue()).await.unwrap().wait(PATIENCE).await.unwrap();
    store.every(Verb::Renew, Some(Fault::Before));
    // Four fifths of the lease.
    tokio::time::sleep(Duration::from_millis(1_700)).await;
    let job = Begin::apply().to(app.queue()).await.unwrap();
    let claims = store.calls(Verb::Claim);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(store.calls(Verb::Claim), claims, "claimed without a lease");
    assert!(!job.status().await.unwrap().unwrap().is_finished(), "ran without a lease");
    store.every(Verb::Renew, None);
    job.wait(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn an_outcome_that_is_refused_is_kept() {
    let (store, app) = faulty(Duration::from_secs(30)).await;
    let _worker = app.background_worker().only(["begin"]).start().await.unwrap();
    // What no row can cause: a password that was changed, tables that are being restored.
    for kind in [ErrorKind::Config, ErrorKind::Schema] {
        store.every(Verb::Settle, Some(Fault::Refuse(kind)));
        let calls = store.calls(Verb::Settle);
        let job = Begin::apply().to(app.queue()).await.unwrap();
        until(async || store.calls(Verb::Settle) > calls + 1).await;
        store.every(Verb::Settle, None);
        job.wait(PATIENCE).await.unwrap();
    }
    // What may be a row's fault, but is refused in every form.
    store.every(Verb::Settle, Some(Fault::Refuse(ErrorKind::Store)));
    let calls = store.calls(Verb::Settle);
    let job = Begin::apply().to(app.queue()).await.unwrap();
    until(async || store.calls(Verb::Settle) >= calls + 2).await;
    store.every(Verb::Settle, None);
    job.wait(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn after_an_outage_a_free_lock_is_no_sign_of_death_for_a_while() {
    let others = MemoryStore::new();
    let absent = others.session();
    let row = NewWorker {
        id: WorkerId::new(),
        service: "shop".to_owned(),
        host: "web".to_owned(),
        pid: 1,
        version: "1.0.0".to_owned(),
        lease: Duration::from_secs(60),
        tasks: Vec::new(),
    };
    absent.register(&row).await.unwrap();
    assert!(absent.hold_presence(row.id).await.unwrap());
    // Its connection is gone; it is about to take its lock back.
    drop(absent);
    let store = FaultStore::new(Arc::new(others.session())).with(Verb::Suspects, 1, Fault::Before);
    let app =
        App::builder().config(Config::default()).store(Arc::new(store)).build().await.unwrap();
    let started = Instant::now();
    let _worker = app.background_worker().only(["nothing"]).start().await.unwrap();
    until(async || others.workers().await.unwrap().iter().all(|worker| worker.id != row.id)).await;
    assert!(started.elapsed() > Duration::from_secs(4), "{:?}", started.elapsed());
}

/// What dies while it never held its presence lock is missed only when its lease ends: so nothing is
/// claimed before. A lock that cannot be had stops nobody.
#[tokio::test]
async fn nothing_is_claimed_before_the_presence_lock() {
    let (store, app) = faulty(Duration::from_secs(30)).await;
    store.every(Verb::Presence, Some(Fault::Hang(Duration::from_millis(500))));
    let job = Nothing::apply().to(app.queue()).await.unwrap();
    let starting = app.background_worker().only(["nothing"]).start();
    let watching = async {
        until(async || store.calls(Verb::Presence) > 0).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        store.calls(Verb::Claim)
    };
    let (worker, claims) = tokio::join!(starting, watching);
    let _worker = worker.unwrap();
    assert_eq!(claims, 0);
    job.wait(PATIENCE).await.unwrap();
}

/// Outcomes that cannot be written hold the claims back, or a worker would take in all there is.
#[tokio::test]
async fn what_is_not_written_holds_back_claims() {
    const JOBS: i64 = 14_000;
    let (store, app) = faulty(Duration::from_secs(30)).await;
    let queue = app.queue();
    let many = (0..JOBS).map(|_| Nothing::apply());
    queue.apply_many(many).await.unwrap();
    store.every(Verb::Settle, Some(Fault::Before));
    let available = async || {
        let counts = queue.count().await.unwrap();
        let available = counts.iter().filter(|entry| entry.state == JobState::Available);
        available.map(|entry| entry.count).sum::<i64>()
    };
    let worker = app.background_worker().only(["nothing"]).concurrency(500).start().await.unwrap();
    // It goes on until ten thousand wait, and what it has at hand.
    let deadline = Instant::now() + PATIENCE * 6;
    while available().await > JOBS - 10_000 {
        assert!(Instant::now() < deadline, "{} are available", available().await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let left = available().await;
    assert!(left > 0, "all of it was taken in");
    store.every(Verb::Settle, None);
    worker.wait_idle().await.unwrap();
    assert_eq!(worker.counts().completed, 14_000);
}

/// After a claim that found less than it asked for nothing is claimed until something wakes it.
#[tokio::test]
async fn an_idle_worker_does_not_ask_again_and_again() {
    let (store, app) = faulty(Duration::from_secs(30)).await;
    let worker = app.background_worker().only(["nothing"]).start().await.unwrap();
    Nothing::apply().to(app.queue()).await.unwrap().wait(PATIENCE).await.unwrap();
    worker.wait_idle().await.unwrap();
    let claims = store.calls(Verb::Claim);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let more = store.calls(Verb::Claim) - claims;
    assert!(more <= 50, "{more} claims in a second without work");
}
