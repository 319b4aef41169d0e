//! Each kind of trigger fires its slots, each once, with whole seconds as slots.

use std::time::Duration;

use rstest::rstest;
use taskx::prelude::*;
use taskx_tests::{Engine, SOON, eventually};

use crate::fired;

#[cron_task(app = "kinds", second = "*", misfire = "all", overlap = "allow")]
fn by_fields() {}

#[cron_task("* * * * * *", app = "kinds", misfire = "all", overlap = "allow", args("crontab", 6))]
fn by_text(kind: &str, parts: u32) -> Result<String> {
    Ok(format!("{kind}{parts}"))
}

#[interval_task(app = "kinds", seconds = 1, misfire = "all", overlap = "allow", queue = "other")]
async fn by_interval(ctx: &Ctx) -> Result<bool> {
    Ok(ctx.slot().is_some())
}

#[cron_task(app = "kinds", second = "*", misfire = "all", overlap = "allow", jitter = "700ms")]
fn with_jitter() {}

#[rstest]
#[tokio::test]
async fn every_kind_fires_each_slot_once(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let app = database.app().name("kinds").debug(false).build().await.unwrap();
    // Three workers want to fire, one of them in another App, as another process would.
    let twin = database.app().name("kinds").debug(false).build().await.unwrap();
    for app in [&app, &app, &twin] {
        app.background_worker().start().await.unwrap();
    }
    let all = ["by_fields", "by_text", "by_interval", "with_jitter"];
    for schedule in all {
        eventually("four slots have been fired", SOON, async || {
            (fired(&app, schedule).await.len() >= 4).then_some(())
        })
        .await;
    }
    // Given by hand it is a task as any other.
    let by_hand = ByText::apply("by hand", 0_u32).to(app.queue()).await.unwrap();
    assert_eq!(by_hand.wait(SOON).await.unwrap(), "by hand0");
    twin.shutdown().await.unwrap();
    app.shutdown().await.unwrap();

    for schedule in all {
        let jobs = fired(&app_on(&database).await, schedule).await;
        let slots: Vec<_> = jobs.iter().map(|job| job.extras.slot.unwrap()).collect();
        for pair in slots.windows(2) {
            assert_eq!((pair[1] - pair[0]).num_milliseconds(), 1_000, "{schedule}: {slots:?}");
        }
        for job in &jobs {
            let slot = job.extras.slot.unwrap();
            let late = (job.run_at - slot).to_std().unwrap();
            match schedule {
                // The slot stays on the second; only the job is due later.
                "with_jitter" => assert!(late <= Duration::from_millis(700), "{late:?}"),
                _ => assert_eq!(late, Duration::ZERO, "{schedule}"),
            }
            if schedule != "by_interval" {
                assert_eq!(slot.timestamp_subsec_micros(), 0);
            }
        }
        let done = jobs.iter().filter_map(|job| job.result.as_deref()).next();
        match schedule {
            "by_text" => assert_eq!(done, Some("\"crontab6\"")),
            "by_interval" => assert_eq!((done, jobs[0].queue.as_str()), (Some("true"), "other")),
            _ => assert_eq!(done, None),
        }
    }
}

async fn app_on(database: &taskx_tests::Database) -> App {
    database.app().name("kinds").build().await.unwrap()
}
