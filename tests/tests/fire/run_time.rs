//! Schedules at run time: list, add, change, pause, resume, remove, run now.

use std::time::{Duration, Instant};

use chrono::{TimeDelta, Timelike};
use rstest::rstest;
use taskx::{
    Actor, ErrorKind, Overlap, ScheduleSource,
    prelude::*,
    schedule::{CronTrigger, IntervalTrigger, Misfire, Trigger},
};
use taskx_tests::{Engine, SOON, eventually};

use crate::fired;

#[cron_task(app = "run-time", hour = 4, timezone = "Europe/Paris", queue = "nightly", priority = 5)]
fn nightly() -> Result<u8> {
    Ok(1)
}

#[task(app = "run-time", queue = "reports")]
fn report(name: String) -> Result<String> {
    Ok(name)
}

fn ada() -> Actor {
    Actor("test:ada".to_owned())
}

#[rstest]
#[tokio::test]
async fn schedules_are_made_changed_and_ended_at_run_time(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let app = database.app().name("run-time").debug(false).build().await.unwrap();
    let (queue, ada) = (app.queue(), ada());
    let schedules = queue.schedules();
    // The worker is another App's, as in another process: it hears of changes by its poll.
    let elsewhere = database.app().name("run-time").debug(false).build().await.unwrap();
    elsewhere.background_worker().start().await.unwrap();
    eventually("what the code declares is listed", SOON, async || {
        schedules.get("nightly").await.ok()
    })
    .await;

    let arguments = Report { name: "weekly".to_owned() };
    let every_second = IntervalTrigger::builder().seconds(1).build().unwrap();
    let weekly = schedules.add("weekly", every_second, &arguments);
    let weekly = weekly.misfire(Misfire::All { max: 100 }).overlap(Overlap::Allow);
    let saved = Instant::now();
    weekly.save(&ada).await.unwrap();
    let job = eventually("it is fired", SOON, async || {
        fired(&app, "weekly").await.into_iter().find(|job| job.state.is_finished())
    });
    assert_eq!(job.await.result.as_deref(), Some("\"weekly\""));
    let heard = saved.elapsed();
    assert!(heard < Duration::from_secs(20), "within a poll of 5 s: {heard:?}");

    let list = schedules.list().await.unwrap();
    let told: Vec<_> = list.iter().map(|one| (one.name.as_str(), one.source)).collect();
    assert_eq!(told, [("nightly", ScheduleSource::Code), ("weekly", ScheduleSource::Dynamic)]);
    let next = schedules.next("nightly", 3).await.unwrap();
    assert_eq!(next.len(), 3);
    for at in next {
        let paris = at.with_timezone(&taskx::schedule::Tz::Europe__Paris);
        assert_eq!((paris.hour(), paris.minute()), (4, 0));
    }

    // Paused: no more; what falls due meanwhile follows the misfire policy.
    schedules.pause("weekly", &ada).await.unwrap();
    let paused = schedules.get("weekly").await.unwrap();
    assert!(paused.paused_at.is_some());
    let mut before = fired(&app, "weekly").await.len();
    let job = schedules.run_now::<Report>("weekly").await.unwrap();
    assert_eq!(job.wait(SOON).await.unwrap(), "weekly");
    taskx::testing::travel(&app, Duration::from_secs(10)).await.unwrap();
    assert!(fired(&app, "weekly").await.len() <= before + 1, "one may have been under way");
    before = fired(&app, "weekly").await.len();
    schedules.resume("weekly", &ada).await.unwrap();
    eventually("ten slots are made up for", SOON, async || {
        (fired(&app, "weekly").await.len() >= before + 10).then_some(())
    })
    .await;

    // Changed: the name stays, the trigger and the arguments are new.
    let yearly = CronTrigger::builder().month(1).day(1).build().unwrap();
    let arguments = Report { name: "yearly".to_owned() };
    schedules
        .add("weekly", yearly.clone(), &arguments)
        .queue("elsewhere")
        .save(&ada)
        .await
        .unwrap();
    let changed = schedules.get("weekly").await.unwrap();
    assert_eq!(changed.trigger.parse::<Trigger>().unwrap(), Trigger::Cron(yearly));
    assert!(changed.args.contains("yearly"), "{}", changed.args);
    assert!(changed.next_slot.unwrap() > changed.created_at + TimeDelta::minutes(1));
    let by_hand = schedules.run_now::<Report>("weekly").await.unwrap();
    let by_hand = by_hand.job().await.unwrap().unwrap();
    assert_eq!(
        (by_hand.queue.as_str(), by_hand.payload.as_str()),
        ("elsewhere", r#"{"name":"yearly"}"#)
    );

    schedules.remove("weekly", &ada).await.unwrap();
    assert_eq!(schedules.get("weekly").await.unwrap_err().kind(), ErrorKind::NotFound);
    elsewhere.shutdown().await.unwrap();
}

#[rstest]
#[tokio::test]
async fn what_the_code_declares_is_not_changed_by_hand(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let app = database.app().name("run-time").debug(false).build().await.unwrap();
    let (schedules, ada) = (app.queue().schedules(), ada());
    let worker = app.background_worker().start().await.unwrap();
    eventually("it is declared", SOON, async || schedules.get("nightly").await.ok()).await;
    let daily = CronTrigger::builder().hour(5).build().unwrap();
    let arguments = Report { name: String::new() };
    let mine = schedules.add("nightly", daily.clone(), &arguments).save(&ada).await;
    assert_eq!(mine.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(schedules.remove("nightly", &ada).await.unwrap_err().kind(), ErrorKind::Conflict);
    for missing in [
        schedules.pause("nobody", &ada).await,
        schedules.resume("nobody", &ada).await,
        schedules.remove("nobody", &ada).await,
        schedules.run_now::<Report>("nobody").await.map(drop),
    ] {
        assert_eq!(missing.unwrap_err().kind(), ErrorKind::NotFound);
    }
    let other = schedules.run_now::<Report>("nightly").await.unwrap_err();
    assert_eq!(other.kind(), ErrorKind::Conflict);
    let long = "x".repeat(191);
    let never = CronTrigger::builder().month(2).day(30).build().unwrap();
    for (refused, kind, part) in [
        (schedules.add("", daily.clone(), &arguments), ErrorKind::Config, "name"),
        (schedules.add("x", daily.clone(), &arguments).queue(""), ErrorKind::Config, "queue"),
        (schedules.add_task("x", long, daily.clone(), "{}"), ErrorKind::Config, "task"),
        (schedules.add("x", never, &arguments), ErrorKind::Config, "never fire"),
        (schedules.add_task("x", "report", daily, "name=x"), ErrorKind::Payload, "no JSON"),
    ] {
        let error = refused.save(&ada).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
        assert!(error.to_string().contains(part), "{error}");
    }
    assert_eq!(schedules.list().await.unwrap().len(), 1);
    // But it may be run now, with its own queue and priority, and paused.
    let job = schedules.run_now::<Nightly>("nightly").await.unwrap();
    assert_eq!(job.wait(SOON).await.unwrap(), 1);
    let job = job.job().await.unwrap().unwrap();
    assert_eq!((job.queue.as_str(), job.priority), ("nightly", 5));
    schedules.pause("nightly", &ada).await.unwrap();
    worker.stop().await.unwrap();
    // A restart declares it anew; the pause stays.
    let worker = app.background_worker().start().await.unwrap();
    worker.wait_idle().await.unwrap();
    assert!(schedules.get("nightly").await.unwrap().paused_at.is_some());
    worker.stop().await.unwrap();
}
