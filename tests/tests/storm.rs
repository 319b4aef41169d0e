//! Many who write at once: whom the database makes a victim of a deadlock is tried again inside, and
//! no user hears of it.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use rstest::rstest;
use taskx::{
    Actor, App, Event, JobState,
    inspect::{Inspect, JobFilter, Page},
    prelude::*,
};
use taskx_tests::{Database, Engine, eventually};

const LASTS: Duration = Duration::from_secs(5);

#[task(queue = "storm", backoff = "10ms")]
async fn drop_of_rain(fails: bool, ctx: &Ctx) -> Result<(), std::fmt::Error> {
    if fails && ctx.attempt() == 1 { Err(std::fmt::Error) } else { Ok(()) }
}

/// What loops of the workers met.
type Troubles = Arc<Mutex<Vec<String>>>;

async fn app(database: &Database, troubles: &Troubles) -> App {
    let troubles = Arc::clone(troubles);
    let app = database.app().debug(false).loop_interval(Duration::from_secs(1));
    let app = app.subscribe(move |event| {
        if let Event::Trouble { during, error } = event {
            troubles.lock().unwrap().push(format!("{during}: {error}"));
        }
    });
    app.build().await.unwrap()
}

/// Enqueues one and many, now and soon, of which some fail once.
async fn write(app: &App, nth: u64, until: Instant) -> usize {
    let mut made = 0;
    while Instant::now() < until {
        let wait = Duration::from_millis(nth * 20);
        DropOfRain::apply(nth.is_multiple_of(3)).delay(wait).to(app.queue()).await.unwrap();
        let many = (0..20).map(|n| DropOfRain { fails: n % 7 == 0 });
        app.queue().apply_many(many).await.unwrap();
        made += 21;
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    made
}

/// Cancels, discards and retries what it finds.
async fn operate(app: &App, until: Instant) {
    let by = Actor("test:ada".to_owned());
    let queue = app.queue();
    while Instant::now() < until {
        let live = JobFilter {
            states: vec![JobState::Available, JobState::Retryable, JobState::Scheduled],
            ..JobFilter::default()
        };
        let ids = queue.ids(&live, Page { before: None, limit: 40 }).await.unwrap();
        for id in ids.iter().take(5) {
            queue.cancel(*id, &by).await.unwrap();
        }
        queue.discard(ids.get(5..20).unwrap_or_default(), "rain", &by).await.unwrap();
        let dead = JobFilter { states: vec![JobState::Discarded], ..JobFilter::default() };
        let dead = queue.ids(&dead, Page { before: None, limit: 30 }).await.unwrap();
        queue.retry(&dead, &by).await.unwrap();
        queue.count().await.unwrap();
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_user_hears_of_a_deadlock(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let troubles = Troubles::default();
    let apps = join_all((0..3).map(|_| app(&database, &troubles))).await;
    let mut workers = Vec::new();
    for app in &apps {
        workers.push(app.background_worker().concurrency(8).start().await.unwrap());
    }
    let until = Instant::now() + LASTS;
    let writers = (0..6).map(|nth| write(&apps[nth % 3], nth as u64, until));
    let operators = apps[..2].iter().map(|app| operate(app, until));
    let (made, _) = tokio::join!(join_all(writers), join_all(operators));
    eventually("all are done", 2 * taskx_tests::SOON, async || {
        (database.number("SELECT COUNT(*) FROM taskx_jobs") == 0).then_some(())
    })
    .await;
    let made = i64::try_from(made.iter().sum::<usize>()).unwrap();
    assert_eq!(database.number("SELECT COUNT(*) FROM taskx_history"), made);
    for worker in workers {
        worker.stop().await.unwrap();
    }
    let troubles = troubles.lock().unwrap();
    assert!(troubles.is_empty(), "{troubles:#?}");
}
