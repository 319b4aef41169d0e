//! Each App runs its own tasks, in its own database, by its own settings.

use std::{sync::Arc, time::Duration};

use rstest::rstest;
use taskx::{App, ErrorKind, JobState, inspect::Inspect};
use taskx_core::{
    config::Config,
    job::NewJob,
    store::Store,
    testing::faults::{Fault, FaultStore, Verb},
};
use taskx_tests::{Engine, SOON, stores};

use crate::{Diary, Order, Plain, billing::Bill};

#[rstest]
#[tokio::test]
async fn apps_with_databases_of_their_own_do_not_meet(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] of_shop: Engine,
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] of_billing: Engine,
) {
    let (Some(here), Some(there)) = (of_shop.database(), of_billing.database()) else { return };
    let (shop_diary, billing_diary, plain_diary) =
        (Diary::default(), Diary::default(), Diary::default());
    let shop = here.app().name("shop").state(shop_diary.clone()).concurrency(3);
    let shop = shop.build().await.unwrap();
    let billing = there.app().name("billing").state(billing_diary.clone());
    let billing = billing.set(|config| config.payload_limit = 14).build().await.unwrap();
    // A third one beside the first, on the same database.
    let plain = here.app().state(plain_diary.clone()).build().await.unwrap();
    assert_eq!(shop.config().concurrency, 3);
    assert_eq!((shop.name(), plain.name()), (Some("shop"), None));
    let names =
        |app: &App| -> Vec<_> { app.tasks().unwrap().iter().map(|task| task.name).collect() };
    assert_eq!(names(&shop), ["order", "pack"]);
    assert_eq!((names(&billing), names(&plain)), (vec!["order"], vec!["plain"]));

    let workers = [
        shop.background_worker().start().await.unwrap(),
        billing.background_worker().start().await.unwrap(),
        plain.background_worker().start().await.unwrap(),
    ];
    Order::apply(2_u32).to(shop.queue()).await.unwrap().wait(SOON).await.unwrap();
    let bill = Bill::apply(4_u32).to(billing.queue()).await.unwrap();
    assert_eq!(bill.wait(SOON).await.unwrap(), 8);
    Plain::apply().to(plain.queue()).await.unwrap().wait(SOON).await.unwrap();
    let long = Bill::apply(10_000_u32).to(billing.queue()).await.unwrap_err();
    assert_eq!(long.kind(), ErrorKind::Payload, "the limit is the App's own");
    for worker in &workers {
        worker.wait_idle().await.unwrap();
    }
    // What a task enqueues goes where the task runs, also from sync code.
    let mut packed = shop_diary.read();
    packed.sort_unstable();
    assert_eq!(packed, ["order 2", "pack 0", "pack 1", "pack 2"]);
    assert_eq!(billing_diary.read(), ["bill 4"]);
    assert_eq!(plain_diary.read(), ["plain"]);
    assert!(billing.queue().find(bill.id()).await.unwrap().is_some());
    assert!(shop.queue().find(bill.id()).await.unwrap().is_none());

    // A job of another App's task in one's database is not one's own.
    let stray = NewJob::new("unnamed", "pack", r#"{"number":0}"#.to_owned());
    let stray = plain.queue().insert(stray).await.unwrap();
    Plain::apply().to(plain.queue()).await.unwrap().wait(SOON).await.unwrap();
    let stray = plain.queue().find(stray).await.unwrap().unwrap();
    assert_eq!((stray.state, stray.fence), (JobState::Available, 0));
    for app in [shop, billing, plain] {
        app.shutdown().await.unwrap();
    }
}

/// A worker without messages polls for 5 s, then ever less often; after that it is at rest.
const RESTS_AFTER: Duration = Duration::from_secs(8);

/// Where the engine tells of nothing, the heartbeat looks each second, and if it cannot (its
/// connection is lost for good), the worker polls.
#[rstest]
#[tokio::test]
async fn a_worker_at_rest_hears_of_anothers_jobs(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
    #[values(false, true)] is_blind: bool,
) {
    let Some(database) = engine.database() else { return };
    let diary = Diary::default();
    let other = database.app().state(Diary::default()).build().await.unwrap();
    let store = Arc::new(FaultStore::new(Arc::from(stores::open(&database).await)));
    let app = App::builder().config(Config::default()).store(Arc::clone(&store) as Arc<dyn Store>);
    let app = app.state(diary.clone()).build().await.unwrap();
    let hour = Duration::from_secs(3_600);
    let worker = app.background_worker().poll_interval(hour).start().await.unwrap();
    tokio::time::sleep(RESTS_AFTER).await;
    store.every(Verb::Presence, is_blind.then_some(Fault::Before));
    let later = Plain::apply().delay(Duration::from_secs(1)).to(other.queue()).await.unwrap();
    Plain::apply().to(other.queue()).await.unwrap().wait(SOON).await.unwrap();
    later.wait(SOON).await.unwrap();
    assert_eq!(diary.read(), ["plain", "plain"]);
    worker.stop().await.unwrap();
}

#[tokio::test]
async fn a_worker_may_get_its_application_later() {
    let database = Engine::Sqlite.database().unwrap();
    let worker = taskx::BackgroundTaskWorker::new()
        .queues([("unnamed", 1)])
        .poll_interval(Duration::from_secs(60));
    let diary = Diary::default();
    let app = database.app().state(diary.clone()).build().await.unwrap();
    let worker = worker.init_app(&app).start().await.unwrap();
    Plain::apply().to(app.queue()).await.unwrap().wait(SOON).await.unwrap();
    assert_eq!(app.queue().workers().await.unwrap().len(), 1);
    worker.stop().await.unwrap();
    assert_eq!(app.queue().workers().await.unwrap().len(), 0);
    assert_eq!(diary.read(), ["plain"]);
}
