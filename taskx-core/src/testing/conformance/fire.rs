//! Rules of `fire`: each slot becomes one job, and positions only move forward.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{
    schedules::{declare, due, info, schedule, slot_in},
    steps::{DAY, HOUR, MINUTE, QUEUE, TASK, ada, claim, find, job, state, total, travel, worker},
};
use crate::{
    clock::{earlier, later},
    job::{JobState, NewJob, RunAt},
    schedule::{Firing, ScheduleRow},
    store::Store,
};

/// A job of the schedule for a slot.
fn job_for(slot: DateTime<Utc>) -> NewJob {
    let mut job = job();
    let extras = job.extras_mut();
    extras.schedule = Some("nightly".to_owned());
    extras.slot = Some(slot);
    job
}

/// Fires these slots; the next one is a day after the last.
pub(super) fn firing(slots: &[DateTime<Utc>]) -> Firing {
    let last = slots.last().copied();
    Firing {
        name: "nightly".to_owned(),
        declared_hash: "hash-1".to_owned(),
        jobs: slots.iter().map(|slot| job_for(*slot)).collect(),
        last_slot: last,
        next_slot: last.map(|slot| later(slot, DAY)),
        missed: 0,
    }
}

/// The one schedule, declared.
pub(super) async fn nightly(store: &dyn Store) {
    declare(store, &[schedule("nightly")]).await;
}

/// A fired slot is one job, and the position stands behind it.
pub async fn a_slot_becomes_a_job(store: &dyn Store) {
    nightly(store).await;
    let slot = slot_in(store, Duration::ZERO).await;
    let firing = firing(&[slot]);
    assert_eq!(store.fire(&firing).await.unwrap(), [firing.jobs[0].id]);
    let found = find(store, firing.jobs[0].id).await;
    assert_eq!((found.state, found.queue.as_str()), (JobState::Available, QUEUE));
    assert_eq!((found.task.as_str(), found.extras.slot), (TASK, Some(slot)));
    assert_eq!(found.extras.schedule.as_deref(), Some("nightly"));
    let seen = info(store, "nightly").await;
    assert_eq!((seen.last_slot, seen.next_slot), (Some(slot), firing.next_slot));
    assert_eq!((seen.last_job, seen.missed), (Some(found.id), 0));
    let owner = worker(store).await;
    assert_eq!(claim(store, owner, 10).await[0].extras, firing.jobs[0].extras);
}

/// A fired job may be due later, by a jitter.
pub async fn a_fired_job_may_be_due_later(store: &dyn Store) {
    nightly(store).await;
    let mut firing = firing(&[slot_in(store, Duration::ZERO).await]);
    firing.jobs[0].run_at = RunAt::In(MINUTE);
    store.fire(&firing).await.unwrap();
    assert_eq!(state(store, firing.jobs[0].id).await, JobState::Scheduled);
}

/// Firing the same slot again, with other job ids, does nothing.
pub async fn a_slot_fires_once(store: &dyn Store) {
    nightly(store).await;
    let slot = slot_in(store, Duration::ZERO).await;
    let first = firing(&[slot]);
    store.fire(&first).await.unwrap();
    for _ in 0..3 {
        assert_eq!(store.fire(&firing(&[slot])).await.unwrap(), []);
    }
    assert_eq!(store.fire(&first).await.unwrap(), []);
    assert_eq!(total(store, JobState::Available).await, 1);
    assert_eq!(info(store, "nightly").await.last_job, Some(first.jobs[0].id));
}

/// A slot stays fired when its job is long done and gone.
pub async fn a_slot_fires_once_whatever_became_of_its_job(store: &dyn Store) {
    nightly(store).await;
    let slot = slot_in(store, Duration::ZERO).await;
    let ids = store.fire(&firing(&[slot])).await.unwrap();
    store.delete(&ids, &ada()).await.unwrap();
    assert_eq!(store.fire(&firing(&[slot])).await.unwrap(), []);
}

/// Of several slots those are fired that were not.
pub async fn only_new_slots_fire(store: &dyn Store) {
    nightly(store).await;
    let first = slot_in(store, Duration::ZERO).await;
    let slots: Vec<_> = (0..5_u32).map(|n| later(first, n * HOUR)).collect();
    assert_eq!(store.fire(&firing(&slots[..2])).await.unwrap().len(), 2);
    let all = firing(&slots);
    let fired = store.fire(&all).await.unwrap();
    let expected: Vec<_> = all.jobs[2..].iter().map(|job| job.id).collect();
    assert_eq!(fired, expected);
    assert_eq!(total(store, JobState::Available).await, 5);
    assert_eq!(info(store, "nightly").await.last_slot, Some(slots[4]));
}

/// Slots are told apart to the microsecond, and each schedule has its own.
pub async fn slots_are_told_apart(store: &dyn Store) {
    declare(store, &[schedule("nightly"), schedule("hourly")]).await;
    let slot = slot_in(store, Duration::ZERO).await;
    let slots = [slot, later(slot, Duration::from_micros(1))];
    assert_eq!(store.fire(&firing(&slots)).await.unwrap().len(), 2);
    let other = Firing { name: "hourly".to_owned(), ..firing(&slots) };
    assert_eq!(store.fire(&other).await.unwrap().len(), 2);
}

/// Hundreds of slots may be fired at once.
pub async fn hundreds_of_slots_fire_at_once(store: &dyn Store) {
    nightly(store).await;
    let first = slot_in(store, Duration::ZERO).await;
    let slots: Vec<_> = (0..500_u32).map(|n| later(first, n * MINUTE)).collect();
    assert_eq!(store.fire(&firing(&slots)).await.unwrap().len(), 500);
    assert_eq!(store.fire(&firing(&slots)).await.unwrap(), []);
    assert_eq!(total(store, JobState::Available).await, 500);
}

/// A position never moves back, whoever comes late.
pub async fn a_position_moves_only_forward(store: &dyn Store) {
    nightly(store).await;
    let slot = slot_in(store, Duration::ZERO).await;
    let newer = firing(&[later(slot, HOUR)]);
    store.fire(&newer).await.unwrap();
    store.fire(&Firing { missed: 7, ..firing(&[slot]) }).await.unwrap();
    let nothing = Firing { last_slot: None, next_slot: None, missed: 3, ..firing(&[]) };
    store.fire(&nothing).await.unwrap();
    let seen = info(store, "nightly").await;
    assert_eq!((seen.last_slot, seen.next_slot), (newer.last_slot, newer.next_slot));
    assert_eq!(seen.missed, 0);
}

/// A position may be computed without firing anything.
pub async fn a_position_may_move_without_a_job(store: &dyn Store) {
    nightly(store).await;
    let next = slot_in(store, HOUR).await;
    let first = Firing { last_slot: None, next_slot: Some(next), ..firing(&[]) };
    assert_eq!(store.fire(&first).await.unwrap(), []);
    let seen = info(store, "nightly").await;
    assert_eq!((seen.last_slot, seen.next_slot, seen.last_job), (None, Some(next), None));
    let passed = Firing { last_slot: Some(next), next_slot: Some(later(next, DAY)), ..first };
    store.fire(&passed).await.unwrap();
    let seen = info(store, "nightly").await;
    assert_eq!((seen.last_slot, seen.next_slot), (passed.last_slot, passed.next_slot));
}

/// What was passed over is counted once, when the position moves.
pub async fn what_was_missed_is_counted_once(store: &dyn Store) {
    nightly(store).await;
    let slot = slot_in(store, Duration::ZERO).await;
    for _ in 0..2 {
        store.fire(&Firing { missed: 3, ..firing(&[slot]) }).await.unwrap();
    }
    store.fire(&Firing { missed: 2, ..firing(&[later(slot, HOUR)]) }).await.unwrap();
    assert_eq!(info(store, "nightly").await.missed, 5);
}

/// A trigger without another slot is exhausted: it is never due again.
pub async fn an_exhausted_schedule_is_not_due(store: &dyn Store) {
    nightly(store).await;
    let slot = slot_in(store, Duration::ZERO).await;
    store.fire(&Firing { next_slot: None, ..firing(&[slot]) }).await.unwrap();
    assert_eq!(due(store).await, (vec![], None));
    travel(store, 365 * DAY).await;
    assert_eq!(due(store).await, (vec![], None));
}

/// After a firing the schedule is due at its next slot, and knows its last one.
pub async fn the_next_slot_is_due_in_its_turn(store: &dyn Store) {
    nightly(store).await;
    let slot = slot_in(store, Duration::ZERO).await;
    store.fire(&firing(&[slot])).await.unwrap();
    let (none, next) = due(store).await;
    assert!(none.is_empty() && next.is_some_and(|next| next <= DAY));
    travel(store, DAY + MINUTE).await;
    let (now_due, _) = due(store).await;
    assert_eq!(now_due[0].last_slot, Some(earlier(slot, DAY + MINUTE)));
    assert_eq!(now_due[0].next_slot, Some(earlier(slot, MINUTE)));
    assert!(now_due[0].overlapping);
}

/// A firing that was read under another declaration does nothing.
pub async fn an_outdated_firing_does_nothing(store: &dyn Store) {
    nightly(store).await;
    let slot = slot_in(store, Duration::ZERO).await;
    let outdated = firing(&[slot]);
    let new = ScheduleRow { declared_hash: "hash-2".to_owned(), ..schedule("nightly") };
    declare(store, &[new]).await;
    assert_eq!(store.fire(&outdated).await.unwrap(), []);
    assert_eq!(total(store, JobState::Available).await, 0);
    assert_eq!(info(store, "nightly").await.last_slot, None);
    let current = Firing { declared_hash: "hash-2".to_owned(), ..outdated };
    assert_eq!(store.fire(&current).await.unwrap().len(), 1);
}

/// A paused schedule does not fire; resumed, it does.
pub async fn a_paused_schedule_does_not_fire(store: &dyn Store) {
    nightly(store).await;
    let firing = firing(&[slot_in(store, Duration::ZERO).await]);
    store.pause_schedule("nightly", true, &ada()).await.unwrap();
    assert_eq!(store.fire(&firing).await.unwrap(), []);
    assert_eq!(info(store, "nightly").await.last_slot, None);
    store.pause_schedule("nightly", false, &ada()).await.unwrap();
    assert_eq!(store.fire(&firing).await.unwrap().len(), 1);
}

/// A schedule that is not declared any more, or never was, does not fire.
pub async fn a_dropped_schedule_does_not_fire(store: &dyn Store) {
    let firing = firing(&[slot_in(store, Duration::ZERO).await]);
    assert_eq!(store.fire(&firing).await.unwrap(), []);
    nightly(store).await;
    declare(store, &[schedule("other")]).await;
    assert_eq!(store.fire(&firing).await.unwrap(), []);
    assert_eq!(total(store, JobState::Available).await, 0);
}

/// A prune keeps the slots of the last 30 days: what fired does not fire again.
pub async fn slots_are_kept_for_thirty_days(store: &dyn Store) {
    nightly(store).await;
    let slot = slot_in(store, Duration::ZERO).await;
    store.fire(&firing(&[slot])).await.unwrap();
    travel(store, 29 * DAY).await;
    store.prune(1_000).await.unwrap();
    assert_eq!(store.fire(&firing(&[earlier(slot, 29 * DAY)])).await.unwrap(), []);
}

/// The last slot is remembered for ever: a date does not come twice, though its slot was pruned.
pub async fn the_last_slot_is_never_forgotten(store: &dyn Store) {
    nightly(store).await;
    let slot = slot_in(store, Duration::ZERO).await;
    store.fire(&Firing { next_slot: None, ..firing(&[slot]) }).await.unwrap();
    travel(store, 400 * DAY).await;
    store.prune(1_000).await.unwrap();
    nightly(store).await;
    assert_eq!(info(store, "nightly").await.last_slot, Some(earlier(slot, 400 * DAY)));
    assert_eq!(due(store).await, (vec![], None));
}
