//! Rules of the presence lock: it is held as long as its session lives, and tells of its death
//! before the lease does. A store that says it has none is left to its leases.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::{
    Fixture,
    steps::{LEASE, SECOND, claim, find, ids, inserted, renewal, travel, worker},
};
use crate::{
    job::{JobState, WorkerId},
    store::{Store, Suspect},
};

/// Longer than the ten seconds after a server's start in which presence tells nothing.
const PATIENCE: Duration = Duration::from_secs(20);

/// Another session with a worker that holds its presence lock; `None` if the store has no such lock.
async fn present(db: &dyn Fixture) -> Option<(Box<dyn Store>, WorkerId)> {
    let other = db.reopen().await.unwrap();
    let owner = worker(&*other).await;
    let holds = other.hold_presence(owner).await.unwrap();
    holds.then_some((other, owner))
}

/// Looks again and again until somebody is suspected; the kernel frees a lock within milliseconds.
async fn suspected(store: &dyn Store) -> Vec<Suspect> {
    let start = Instant::now();
    loop {
        let suspects = store.suspects(&[]).await.unwrap().found;
        if !suspects.is_empty() {
            return suspects;
        }
        assert!(start.elapsed() < PATIENCE, "the lock of a session that is gone is still held");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Who holds the lock is no suspect.
pub async fn who_is_present_is_no_suspect(db: &dyn Fixture) {
    let Some((other, owner)) = present(db).await else { return };
    assert_eq!(db.store().suspects(&[]).await.unwrap().found, []);
    assert!(other.hold_presence(owner).await.unwrap());
    assert_eq!(db.store().suspects(&[]).await.unwrap().found, []);
}

/// A look at a lock neither takes it nor frees it.
pub async fn looking_changes_nothing(db: &dyn Fixture) {
    let Some((other, owner)) = present(db).await else { return };
    let third = db.reopen().await.unwrap();
    for _ in 0..5 {
        for store in [db.store(), &*third, &*other] {
            assert_eq!(store.suspects(&[]).await.unwrap().found, []);
        }
    }
    assert_eq!(other.renew(&renewal(owner, &[])).await.unwrap().alive, [owner]);
}

/// A session's end frees the lock: its worker is suspected though its lease still runs, and its jobs
/// are rescued.
pub async fn a_session_that_is_gone_is_suspected(db: &dyn Fixture) {
    let Some((other, owner)) = present(db).await else { return };
    let all = inserted(&*other, 2).await;
    assert_eq!(ids(&claim(&*other, owner, 2).await), all);
    drop(other);
    let suspects = suspected(db.store()).await;
    assert_eq!(suspects.len(), 1);
    assert_eq!((suspects[0].id, suspects[0].is_expired()), (owner, false));
    assert_eq!(db.store().rescue(&suspects[0], 3).await.unwrap().len(), 2);
    assert_eq!(find(db.store(), all[0]).await.state, JobState::Available);
}

/// A look around holds the lock too.
pub async fn a_look_around_is_presence(db: &dyn Fixture) {
    let Some((other, first)) = present(db).await else { return };
    let second = worker(&*other).await;
    other.look_around(second, &[]).await.unwrap();
    other.retire(first).await.unwrap();
    assert_eq!(db.store().suspects(&[]).await.unwrap().found, []);
    drop(other);
    assert_eq!(suspected(db.store()).await[0].id, second);
}

/// One session's end does not make the others suspects.
pub async fn one_sessions_end_is_its_own(db: &dyn Fixture) {
    let Some((gone, dead)) = present(db).await else { return };
    let Some((kept, alive)) = present(db).await else { return };
    drop(gone);
    let suspects = suspected(db.store()).await;
    assert_eq!(suspects.iter().map(|suspect| suspect.id).collect::<Vec<_>>(), [dead]);
    assert_eq!(kept.renew(&renewal(alive, &[])).await.unwrap().alive, [alive]);
}

/// A session may hold the locks of several workers.
pub async fn a_session_may_be_several_workers(db: &dyn Fixture) {
    let Some((other, first)) = present(db).await else { return };
    let second = worker(&*other).await;
    assert!(other.hold_presence(second).await.unwrap());
    assert_eq!(db.store().suspects(&[]).await.unwrap().found, []);
    drop(other);
    let start = Instant::now();
    while suspected(db.store()).await.len() < 2 {
        assert!(start.elapsed() < PATIENCE);
        sleep(Duration::from_millis(20)).await;
    }
    let mut suspects: Vec<_> =
        db.store().suspects(&[]).await.unwrap().found.iter().map(|suspect| suspect.id).collect();
    suspects.sort_unstable();
    let mut both = [first, second];
    both.sort_unstable();
    assert_eq!(suspects, both);
}

/// A lease that has ended counts, whoever is present: a process that hangs is no worker.
pub async fn presence_does_not_replace_the_lease(db: &dyn Fixture) {
    let Some((_other, owner)) = present(db).await else { return };
    travel(db.store(), LEASE + SECOND).await;
    let suspects = db.store().suspects(&[]).await.unwrap().found;
    assert_eq!((suspects[0].id, suspects[0].is_expired()), (owner, true));
}

/// The lock goes with the row: a retired worker's session is nobody's suspect.
pub async fn a_retired_workers_lock_is_forgotten(db: &dyn Fixture) {
    let Some((other, owner)) = present(db).await else { return };
    other.retire(owner).await.unwrap();
    drop(other);
    assert_eq!(db.store().suspects(&[]).await.unwrap().found, []);
}
