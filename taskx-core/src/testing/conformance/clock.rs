//! Rules of the database's clock, of `travel`, and of the schema.

use super::{
    fire::{firing, nightly},
    schedules::{info, slot_in},
    steps::{
        DAY, HOUR, QUEUE, SECOND, ada, delayed, discard, find, insert, job, retry, running,
        settled, travel,
    },
};
use crate::{
    clock::{earlier, later},
    error::ErrorKind,
    job::{JobState, NewJob},
    store::Store,
};

/// The clock does not run backwards, and travelling does not turn it.
pub async fn the_clock_runs_forward(store: &dyn Store) {
    let start = store.now().await.unwrap();
    let mut last = start;
    for _ in 0..20 {
        let now = store.now().await.unwrap();
        assert!(last <= now, "{last} {now}");
        last = now;
    }
    travel(store, 10 * DAY).await;
    let after = store.now().await.unwrap();
    assert!(start <= after && after < later(start, HOUR), "{start} {after}");
}

/// Travelling moves every time of a live and of a finished job back, to the microsecond.
pub async fn travel_moves_jobs(store: &dyn Store) {
    let mut new = NewJob { ..delayed(HOUR) };
    new.extras_mut().slot = chrono::DateTime::from_timestamp_micros(4_102_444_799_123_456);
    new.extras_mut().expires_at = chrono::DateTime::from_timestamp_micros(4_102_444_799_654_321);
    insert(store, &new).await;
    let held = running(store).await;
    store.cancel(held.id, &ada()).await.unwrap();
    let dead = settled(store, discard()).await;
    let ids = [new.id, held.id, dead.id];
    let mut before = Vec::new();
    for id in ids {
        before.push(find(store, id).await);
    }
    let by = DAY + std::time::Duration::from_micros(1_000_001);
    travel(store, by).await;
    for mut old in before {
        let moved = |time| earlier(time, by);
        old.inserted_at = moved(old.inserted_at);
        old.run_at = moved(old.run_at);
        for time in [&mut old.claimed_at, &mut old.finished_at, &mut old.cancel_requested_at] {
            *time = time.map(moved);
        }
        for time in [&mut old.extras.slot, &mut old.extras.expires_at] {
            *time = time.map(moved);
        }
        assert_eq!(find(store, old.id).await, old);
    }
}

/// Travelling moves leases, attempts and pauses back.
pub async fn travel_moves_leases_attempts_and_pauses(store: &dyn Store) {
    let failed = settled(store, retry(HOUR)).await;
    store.pause(QUEUE, "", &ada()).await.unwrap();
    let worker = store.workers().await.unwrap().remove(0);
    let attempt = store.attempts(failed.id).await.unwrap().remove(0);
    let paused = store.queues().await.unwrap().remove(0).paused_at;
    travel(store, HOUR).await;
    let moved = store.workers().await.unwrap().remove(0);
    assert_eq!(moved.started_at, earlier(worker.started_at, HOUR));
    assert_eq!(moved.renewed_at, earlier(worker.renewed_at, HOUR));
    assert_eq!(moved.lease_until, earlier(worker.lease_until, HOUR));
    let moved = store.attempts(failed.id).await.unwrap().remove(0);
    assert_eq!(moved.started_at, earlier(attempt.started_at, HOUR));
    assert_eq!(moved.ended_at, earlier(attempt.ended_at, HOUR));
    let moved = store.queues().await.unwrap().remove(0).paused_at;
    assert_eq!(moved, paused.map(|at| earlier(at, HOUR)));
}

/// Travelling moves schedules and their slots back.
pub async fn travel_moves_schedules_and_slots(store: &dyn Store) {
    nightly(store).await;
    let slot = slot_in(store, HOUR).await;
    store.fire(&firing(&[slot])).await.unwrap();
    store.pause_schedule("nightly", true, &ada()).await.unwrap();
    let before = info(store, "nightly").await;
    travel(store, HOUR).await;
    let after = info(store, "nightly").await;
    let moved = |time: Option<_>| time.map(|time| earlier(time, HOUR));
    assert_eq!(after.created_at, earlier(before.created_at, HOUR));
    assert_eq!(after.paused_at, moved(before.paused_at));
    assert_eq!(
        (after.last_slot, after.next_slot),
        (moved(before.last_slot), moved(before.next_slot))
    );
    store.pause_schedule("nightly", false, &ada()).await.unwrap();
    assert_eq!(store.fire(&firing(&[earlier(slot, HOUR)])).await.unwrap(), []);
}

/// Neighbouring slots may be travelled onto each other's places.
pub async fn travel_moves_neighbouring_slots(store: &dyn Store) {
    nightly(store).await;
    let slot = slot_in(store, DAY).await;
    let slots: Vec<_> = (0..24_u32).map(|n| later(slot, n * HOUR)).collect();
    assert_eq!(store.fire(&firing(&slots)).await.unwrap().len(), 24);
    travel(store, 3 * HOUR).await;
    let moved: Vec<_> = slots.iter().map(|slot| earlier(*slot, 3 * HOUR)).collect();
    assert_eq!(store.fire(&firing(&moved)).await.unwrap(), []);
}

/// Travelling makes due what waits and ends what runs out.
pub async fn travel_makes_time_pass(store: &dyn Store) {
    let id = insert(store, &delayed(HOUR)).await;
    running(store).await;
    travel(store, HOUR + SECOND).await;
    store.promote(10).await.unwrap();
    assert_eq!(find(store, id).await.state, JobState::Available);
    assert_eq!(store.suspects(&[]).await.unwrap().found.len(), 1);
}

/// Migrating a database that is up to date changes nothing, any number of times.
pub async fn migrating_again_changes_nothing(store: &dyn Store) {
    let id = insert(store, &job()).await;
    for _ in 0..3 {
        store.migrate().await.unwrap();
        store.check_schema().await.unwrap();
    }
    assert_eq!(find(store, id).await.state, JobState::Available);
}

/// Every migration that the program knows is there, by version, with when it was applied and with
/// the SQL both ways.
pub async fn migrations_tell_when_they_were_applied(store: &dyn Store) {
    let now = store.now().await.unwrap();
    let migrations = store.migrations().await.unwrap();
    assert!(migrations.is_sorted_by(|one, other| one.version < other.version), "{migrations:?}");
    for migration in migrations {
        assert!(migration.name.starts_with(&migration.version), "{migration:?}");
        assert!(migration.applied_at.is_some_and(|at| at <= later(now, HOUR)), "{migration:?}");
        assert!(migration.up.to_lowercase().contains("taskx_"), "{migration:?}");
        assert!(migration.down.to_lowercase().contains("taskx_"), "{migration:?}");
    }
}

/// Migrations are undone from the newest to the oldest; nothing is left to undo then, the schema is
/// told to be missing, and migrating makes it anew, empty.
pub async fn what_is_reverted_can_be_migrated_again(store: &dyn Store) {
    insert(store, &job()).await;
    let known = store.migrations().await.unwrap();
    let mut reverted = Vec::new();
    while let Some(version) = store.revert().await.unwrap() {
        reverted.insert(0, version);
        assert!(reverted.len() <= known.len(), "{reverted:?}");
    }
    assert!(known.iter().map(|migration| &migration.version).eq(&reverted), "{reverted:?}");
    for migration in store.migrations().await.unwrap() {
        assert_eq!(migration.applied_at, None, "{migration:?}");
    }
    if !known.is_empty() {
        assert_eq!(store.check_schema().await.unwrap_err().kind(), ErrorKind::Schema);
    }
    store.migrate().await.unwrap();
    store.check_schema().await.unwrap();
    if !known.is_empty() {
        assert_eq!(store.count().await.unwrap(), []);
    }
    let id = insert(store, &job()).await;
    assert_eq!(find(store, id).await.state, JobState::Available);
}
