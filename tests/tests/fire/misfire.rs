//! What becomes of slots that passed while nobody was there: by policy, in bounded time.

use std::time::{Duration, Instant};

use rstest::rstest;
use taskx::{prelude::*, testing::travel};
use taskx_tests::{Engine, SOON, eventually};

use crate::slots;

#[cron_task(app = "misfire", minute = "*", misfire = "skip", overlap = "allow")]
fn skips() {}

#[cron_task(app = "misfire", minute = "*", overlap = "allow")]
fn takes_the_latest() {}

#[cron_task(app = "misfire", minute = "*", misfire = "all", overlap = "allow")]
fn takes_all() {}

#[cron_task(app = "misfire", minute = "*", misfire = "all(3)", overlap = "allow")]
fn takes_three() {}

#[cron_task(
    app = "misfire",
    minute = "*",
    misfire = "all",
    misfire_grace = "250s",
    overlap = "allow"
)]
fn takes_what_is_fresh() {}

#[cron_task(app = "misfire", second = "*", overlap = "allow")]
fn every_second() {}

/// A worker that only fires: the jobs stay where they are.
async fn fire(app: &App) -> taskx::WorkerHandle {
    app.background_worker().queues([("nobody's", 1)]).start().await.unwrap()
}

const MINUTE: Duration = Duration::from_secs(60);

#[rstest]
#[tokio::test]
async fn missed_slots_follow_the_policy(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let app = database.app().name("misfire").debug(false).build().await.unwrap();
    let queue = app.queue();
    // Declared, and at rest for ten minutes, as a service that was stopped.
    let worker = fire(&app).await;
    eventually("the schedules are declared", SOON, async || {
        (queue.schedules().list().await.unwrap().len() == 6).then_some(())
    })
    .await;
    worker.stop().await.unwrap();
    // The minute may turn while the test runs: what was fired before does not count.
    let before = slots(&app, "takes_all").await.len();
    travel(&app, 10 * MINUTE).await.unwrap();
    let worker = fire(&app).await;
    eventually("the missed slots are dealt with", SOON, async || {
        (slots(&app, "takes_all").await.len() >= before + 10).then_some(())
    })
    .await;
    for schedule in queue.schedules().list().await.unwrap() {
        eventually("every schedule has moved on", SOON, async || {
            let schedule = queue.schedules().get(&schedule.name).await.unwrap();
            schedule
                .next_slot
                .is_some_and(|next| next > schedule.created_at + 10 * MINUTE)
                .then_some(())
        })
        .await;
    }
    worker.stop().await.unwrap();

    // A minute more where the minute turned meanwhile.
    let count = async |schedule| slots(&app, schedule).await.len() - before.min(1);
    let all = slots(&app, "takes_all").await;
    assert!((10..=12).contains(&(all.len() - before)), "{all:?}");
    for pair in all.windows(2).skip(before) {
        assert_eq!((pair[1] - pair[0]).to_std().unwrap(), MINUTE);
    }
    assert!(count("skips").await <= 2, "only what is found on time");
    assert!((1..=2).contains(&count("takes_the_latest").await));
    assert!((3..=4).contains(&count("takes_three").await));
    assert!((4..=6).contains(&count("takes_what_is_fresh").await));
    let missed = async |name| queue.schedules().get(name).await.unwrap().missed;
    assert_eq!((missed("takes_all").await, missed("takes_the_latest").await), (0, 1));
}

#[rstest]
#[tokio::test]
async fn a_million_missed_seconds_are_no_list(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let app = database.app().name("misfire").debug(false).build().await.unwrap();
    let worker = fire(&app).await;
    eventually("the first slot has been fired", SOON, async || {
        (!slots(&app, "every_second").await.is_empty()).then_some(())
    })
    .await;
    worker.stop().await.unwrap();
    let before = slots(&app, "every_second").await.len();
    travel(&app, Duration::from_secs(1_000_000)).await.unwrap();
    let started = Instant::now();
    let worker = fire(&app).await;
    eventually("the next slot has been fired", SOON, async || {
        (slots(&app, "every_second").await.len() > before).then_some(())
    })
    .await;
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    worker.stop().await.unwrap();
    let schedule = app.queue().schedules().get("every_second").await.unwrap();
    assert!(schedule.missed >= 1, "they are told, as one");
}
