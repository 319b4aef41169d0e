//! Rules of `watch`: a store that sends messages sends them for what other sessions commit. A store
//! that says it does not tells at each look around.

use std::time::Duration;

use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::timeout,
};

use super::{
    Fixture,
    steps::{
        HOUR, MINUTE, QUEUE, ada, cancelled, claim, delayed, insert, inserted, job, jobs, running,
        settled, travel, worker,
    },
};
use crate::{
    job::{JobExtras, NewJob},
    store::{News, Store, Wake, WakeSource},
};

/// Far longer than any store needs; a rule waits so long only when it is broken.
const PATIENCE: Duration = Duration::from_secs(10);

/// Watches the fixture's own session; `None` if its store sends no messages. When it answers, the
/// watch is known to be under way: another session's insert has been told.
async fn watching(db: &dyn Fixture, other: &dyn Store) -> Option<UnboundedReceiver<Wake>> {
    let (sender, mut wakes) = unbounded_channel();
    if db.store().watch(sender).await == WakeSource::Poll {
        return None;
    }
    inserted(other, 1).await;
    wait_for(&mut wakes, &Wake::Queue(QUEUE.to_owned())).await;
    // What was told of that insert late must not be taken for news of the next one.
    while let Ok(Some(_)) = timeout(Duration::from_millis(45), wakes.recv()).await {}
    Some(wakes)
}

/// Waits for these news, or for the word that anything may have changed.
async fn wait_for(wakes: &mut UnboundedReceiver<Wake>, news: &Wake) {
    let told = async {
        while let Some(wake) = wakes.recv().await {
            if wake == *news || wake == Wake::Any {
                return;
            }
        }
        panic!("the watch ended");
    };
    timeout(PATIENCE, told).await.unwrap_or_else(|_| panic!("nobody told of {news:?}"));
}

/// An insert by another session is told.
pub async fn an_insert_is_told(db: &dyn Fixture) {
    let other = db.reopen().await.unwrap();
    let Some(mut wakes) = watching(db, &*other).await else { return };
    for queue in ["reports", "it's 🦀", QUEUE] {
        insert(&*other, &NewJob { queue: queue.into(), ..job() }).await;
        wait_for(&mut wakes, &Wake::Queue(queue.to_owned())).await;
    }
}

/// What is told is there: whoever looks then finds it, whatever the jobs carry.
pub async fn what_is_told_is_there(db: &dyn Fixture) {
    let (other, store) = (db.reopen().await.unwrap(), db.store());
    let Some(mut wakes) = watching(db, &*other).await else { return };
    let owner = worker(store).await;
    assert_eq!(claim(store, owner, 10).await.len(), 1);
    let tagged = || {
        let extras = JobExtras { tags: vec!["tall".to_owned()], ..JobExtras::default() };
        NewJob { extras: Some(Box::new(extras)), ..job() }
    };
    let asked = || NewJob { check_id: true, ..job() };
    for batch in [vec![tagged()], vec![asked()], vec![tagged(), asked()], vec![job()]] {
        let looking = async {
            wait_for(&mut wakes, &Wake::Queue(QUEUE.to_owned())).await;
            claim(store, owner, 10).await.len()
        };
        let (stored, found) = tokio::join!(other.insert(&batch), looking);
        assert_eq!(stored.unwrap().len(), found);
    }
}

/// A batch tells of each of its queues.
pub async fn a_batch_tells_of_each_queue(db: &dyn Fixture) {
    let other = db.reopen().await.unwrap();
    let Some(mut wakes) = watching(db, &*other).await else { return };
    let mut batch = jobs(200);
    batch[150].queue = "reports".into();
    other.insert(&batch).await.unwrap();
    wait_for(&mut wakes, &Wake::Queue("reports".to_owned())).await;
}

/// A request to stop a running job is told.
pub async fn a_cancellation_is_told(db: &dyn Fixture) {
    let other = db.reopen().await.unwrap();
    let held = running(db.store()).await;
    let Some(mut wakes) = watching(db, &*other).await else { return };
    other.cancel(held.id, &ada()).await.unwrap();
    wait_for(&mut wakes, &Wake::Cancel(held.id)).await;
}

/// The end of a pause is told: workers fetch at once.
pub async fn a_resumption_is_told(db: &dyn Fixture) {
    let other = db.reopen().await.unwrap();
    inserted(db.store(), 1).await;
    db.store().pause(QUEUE, "", &ada()).await.unwrap();
    let Some(mut wakes) = watching(db, &*other).await else { return };
    assert!(other.resume(QUEUE, &ada()).await.unwrap());
    wait_for(&mut wakes, &Wake::Queue(QUEUE.to_owned())).await;
}

/// A dead letter that comes back is told: it is available at once.
pub async fn a_redrive_is_told(db: &dyn Fixture) {
    let other = db.reopen().await.unwrap();
    let dead = settled(db.store(), cancelled()).await;
    let Some(mut wakes) = watching(db, &*other).await else { return };
    assert_eq!(other.retry(&[dead.id], &ada()).await.unwrap(), 1);
    wait_for(&mut wakes, &Wake::Queue(QUEUE.to_owned())).await;
}

/// Several may watch; one that went away disturbs nobody.
pub async fn several_may_watch(db: &dyn Fixture) {
    let other = db.reopen().await.unwrap();
    let Some(first) = watching(db, &*other).await else { return };
    let Some(mut second) = watching(db, &*other).await else { return };
    drop(first);
    for _ in 0..3 {
        insert(&*other, &job()).await;
        wait_for(&mut second, &Wake::Queue(QUEUE.to_owned())).await;
    }
}

/// Who sends no messages tells what waits to whoever looks around, and only of what was asked for.
pub async fn a_look_around_tells_what_no_message_does(db: &dyn Fixture) {
    let (sender, _wakes) = unbounded_channel();
    let (other, store) = (db.reopen().await.unwrap(), db.store());
    let owner = worker(store).await;
    let asked = ["it's 🦀", "nothing", QUEUE].map(str::to_owned);
    let news = async || store.look_around(owner, &asked).await.unwrap();
    if store.watch(sender).await == WakeSource::Messages {
        inserted(&*other, 1).await;
        assert_eq!(news().await, None);
        return;
    }
    // The first look may only open its connection.
    news().await;
    let news = async || news().await.unwrap();
    assert_eq!(news().await, News::default());
    other.insert(&jobs(20)).await.unwrap();
    for queue in ["it's 🦀", "reports"] {
        insert(&*other, &NewJob { queue: queue.into(), ..delayed(HOUR) }).await;
    }
    let told = news().await;
    assert_eq!(told.waiting, [QUEUE]);
    assert!(told.next_due.is_some_and(|due| HOUR - MINUTE < due && due <= HOUR), "{told:?}");
    travel(store, 2 * HOUR).await;
    assert_eq!(news().await.next_due, Some(Duration::ZERO));
    other.promote(10).await.unwrap();
    let mut told = news().await;
    told.waiting.sort_unstable();
    assert_eq!(told, News { waiting: vec![asked[0].clone(), QUEUE.to_owned()], next_due: None });
    claim(store, owner, 100).await;
    assert_eq!(news().await.waiting, [asked[0].clone()]);
}
