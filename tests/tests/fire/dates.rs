//! Date tasks fire once ever, over restarts and workers; a date long past is recorded as missed.

use std::time::Duration;

use rstest::rstest;
use taskx::{Actor, prelude::*, schedule::DateTrigger};
use taskx_tests::{Engine, SOON, eventually};

use crate::fired;

#[date_task(app = "dates")]
fn once_ever() {}

#[date_task(app = "dates", run_date = "2009-11-06", args("ada@example.com"))]
fn greet(email: &str) -> Result<String> {
    Ok(email.to_owned())
}

#[rstest]
#[tokio::test]
async fn a_date_fires_once_over_workers_and_restarts(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let app = database.app().name("dates").build().await.unwrap();
    for _ in 0..3 {
        let mut workers = Vec::new();
        for _ in 0..4 {
            workers.push(app.background_worker().start().await.unwrap());
        }
        eventually("it has been fired and done", SOON, async || {
            let jobs = fired(&app, "once_ever").await;
            jobs.first().is_some_and(|job| job.state.is_finished()).then_some(())
        })
        .await;
        // Every worker has had its look at what is declared.
        let missed = async || app.queue().schedules().get("greet").await.ok().map(|one| one.missed);
        eventually("the past date is recorded", SOON, async || {
            (missed().await == Some(1)).then_some(())
        })
        .await;
        for worker in workers {
            worker.stop().await.unwrap();
        }
        assert_eq!(fired(&app, "once_ever").await.len(), 1);
        assert_eq!(fired(&app, "greet").await.len(), 0);
        // As if the next start came months later, when old slot rows are gone.
        taskx::testing::travel(&app, Duration::from_secs(60 * 24 * 3600)).await.unwrap();
    }
    let greet = app.queue().schedules().get("greet").await.unwrap();
    assert_eq!((greet.next_slot, greet.missed), (None, 1));
    assert!(greet.last_slot.is_some() && greet.last_job.is_none());
}

#[rstest]
#[tokio::test]
async fn a_past_date_within_its_grace_fires_at_once(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let app = database.app().name("dates").build().await.unwrap();
    let worker = app.background_worker().start().await.unwrap();
    let ada = Actor("test:ada".to_owned());
    let now = app.queue().now().await.unwrap();
    let hour = chrono::TimeDelta::hours(1);
    let day = Duration::from_secs(24 * 3600);
    let arguments = Greet { email: "bob@example.com".to_owned() };
    let queue = app.queue();
    for (name, at) in [("recent", now - hour), ("ancient", now - hour * 25)] {
        let schedule = queue.schedules().add(name, DateTrigger::at(at), &arguments);
        let schedule = schedule.misfire_grace(day);
        schedule.save(&ada).await.unwrap();
    }
    let job = eventually("the recent one has been fired", SOON, async || {
        fired(&app, "recent").await.into_iter().find(|job| job.state.is_finished())
    });
    let job = job.await;
    assert_eq!(job.result.as_deref(), Some("\"bob@example.com\""));
    assert_eq!(job.extras.slot, Some(now - hour));
    let ancient = eventually("the ancient one is recorded as missed", SOON, async || {
        let schedule = app.queue().schedules().get("ancient").await.unwrap();
        (schedule.missed == 1).then_some(schedule)
    });
    assert_eq!(ancient.await.last_job, None);
    assert_eq!(fired(&app, "ancient").await.len(), 0);
    worker.stop().await.unwrap();
}
