//! Services that share a database, and versions of one service side by side.

use rstest::rstest;
use taskx::{inspect::Inspect, prelude::*, schedule::Trigger};
use taskx_tests::{Database, Engine, SOON, eventually};

use crate::fired;

#[cron_task(app = "north", second = "*", misfire = "all", overlap = "allow")]
fn north() {}

#[cron_task(app = "south", second = "*", misfire = "all", overlap = "allow")]
fn south() {}

/// Version 1 of a service.
mod v1 {
    use super::{cron_task, interval_task};

    #[interval_task(app = "v1", seconds = 1, overlap = "allow", misfire = "all")]
    fn kept() {}
    #[cron_task(app = "v1", second = "*", overlap = "allow")]
    fn dropped() {}
    #[cron_task(app = "v1", hour = 3, minute = 30)]
    fn changed() {}
}

/// Version 2: one is gone, one has changed, one is new.
mod v2 {
    use super::{cron_task, interval_task};

    #[interval_task(app = "v2", seconds = 1, overlap = "allow", misfire = "all")]
    fn kept() {}
    #[cron_task(app = "v2", hour = 4, minute = 45)]
    fn changed() {}
    #[cron_task(app = "v2", second = "*", overlap = "allow", misfire = "all")]
    fn added() {}
}

async fn version(database: &Database, version: &str) -> App {
    let app = database.app().name(format!("v{version}")).service("service").debug(false);
    app.version(format!("{version}.0.0")).build().await.unwrap()
}

#[rstest]
#[tokio::test]
async fn two_services_share_a_database(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let app = |name| database.app().name(name).service(name).debug(false).build();
    let (north, south) = (app("north").await.unwrap(), app("south").await.unwrap());
    for _ in 0..2 {
        // Each start declares, and drops nothing of the other's.
        let workers = [
            north.background_worker().start().await.unwrap(),
            south.background_worker().start().await.unwrap(),
        ];
        let counts =
            async || (fired(&north, "north").await.len(), fired(&north, "south").await.len());
        let before = counts().await;
        eventually("both go on", SOON, async || {
            let now = counts().await;
            (now.0 >= before.0 + 2 && now.1 >= before.1 + 2).then_some(())
        })
        .await;
        for worker in workers {
            worker.stop().await.unwrap();
        }
    }
    for schedule in north.queue().schedules().list().await.unwrap() {
        assert_eq!((&schedule.owner, schedule.dropped_at), (&schedule.name, None));
    }
    let workers = north.queue().workers().await.unwrap();
    assert_eq!(workers.len(), 0);
}

#[rstest]
#[tokio::test]
async fn an_older_version_that_restarts_undoes_nothing(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let (old, new) = (version(&database, "1").await, version(&database, "2").await);
    let schedule = async |name| new.queue().schedules().get(name).await.ok();
    let first = old.background_worker().start().await.unwrap();
    eventually("version 1 fires", SOON, async || {
        (fired(&old, "dropped").await.len() >= 2).then_some(())
    })
    .await;
    let second = new.background_worker().start().await.unwrap();
    eventually("version 2 fires what is new", SOON, async || {
        (!fired(&new, "added").await.is_empty()).then_some(())
    })
    .await;
    let dropped = schedule("dropped").await.unwrap();
    assert!(dropped.dropped_at.is_some(), "marked, not deleted");
    let fired_before = fired(&new, "dropped").await.len();

    // The old one restarts beside it, twice.
    first.stop().await.unwrap();
    for _ in 0..2 {
        let again = old.background_worker().start().await.unwrap();
        let added = fired(&new, "added").await.len();
        eventually("both are at work", SOON, async || {
            (fired(&new, "added").await.len() >= added + 2).then_some(())
        })
        .await;
        again.stop().await.unwrap();
    }
    second.stop().await.unwrap();

    let changed = schedule("changed").await.unwrap();
    let trigger: Trigger = "cron(hour = \"4\", minute = \"45\")".parse().unwrap();
    assert_eq!(changed.trigger.parse::<Trigger>().unwrap(), trigger);
    assert_eq!((changed.declared_version.as_str(), changed.dropped_at), ("2.0.0", None));
    assert!(schedule("dropped").await.unwrap().dropped_at.is_some());
    assert_eq!(fired(&new, "dropped").await.len(), fired_before);
    assert!(schedule("added").await.unwrap().dropped_at.is_none());
    // What both declare goes on through all of it, each slot once.
    let kept: Vec<_> =
        fired(&new, "kept").await.iter().map(|job| job.extras.slot.unwrap()).collect();
    for pair in kept.windows(2) {
        assert_eq!((pair[1] - pair[0]).num_milliseconds(), 1_000, "{kept:?}");
    }
}
