//! Rules of schedules as rows: declared by their owner, made by hand, due.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::steps::{
    DAY, HOUR, MINUTE, TASK, ada, claim_one, delayed, insert, near, settle, travel, worker,
};
use crate::{
    clock::{earlier, later},
    error::ErrorKind,
    outcome::Outcome,
    schedule::{DueSchedule, Firing, ScheduleInfo, ScheduleRow, ScheduleSource},
    store::Store,
};

/// The owner of schedules in rules that need only one.
pub(super) const OWNER: &str = "shop";

/// A schedule of `OWNER`, declared in version 1.0.0 with no slot known.
pub(super) fn schedule(name: &str) -> ScheduleRow {
    ScheduleRow {
        name: name.to_owned(),
        owner: OWNER.to_owned(),
        source: ScheduleSource::Code,
        task: TASK.to_owned(),
        trigger: "0 3 * * *".to_owned(),
        args: r#"{ "n":18446744073709551615 }"#.to_owned(),
        options: r#"{ "queue":"mail" }"#.to_owned(),
        declared_hash: "hash-1".to_owned(),
        declared_version: "1.0.0".to_owned(),
        next_slot: None,
    }
}

/// A changed declaration: another hash, another trigger.
fn changed(row: &ScheduleRow, version: &str) -> ScheduleRow {
    ScheduleRow {
        trigger: "0 4 * * *".to_owned(),
        declared_hash: "hash-2".to_owned(),
        declared_version: version.to_owned(),
        ..row.clone()
    }
}

/// Declares these, by the version of the first one.
pub(super) async fn declare(store: &dyn Store, rows: &[ScheduleRow]) {
    let version = rows.first().map_or("1.0.0", |row| &row.declared_version);
    declare_as(store, version, rows).await;
}

async fn declare_as(store: &dyn Store, version: &str, rows: &[ScheduleRow]) {
    store.upsert_schedules(OWNER, version, rows).await.unwrap();
}

pub(super) async fn info(store: &dyn Store, name: &str) -> ScheduleInfo {
    let all = store.schedules().await.unwrap();
    all.into_iter().find(|info| info.name == name).expect("the schedule must be there")
}

/// What is due for a worker that knows `TASK`.
pub(super) async fn due(store: &dyn Store) -> (Vec<DueSchedule>, Option<Duration>) {
    store.due_schedules(&[TASK.to_owned()]).await.unwrap()
}

/// The names of what is due.
async fn due_names(store: &dyn Store) -> Vec<String> {
    let mut names: Vec<_> = due(store).await.0.into_iter().map(|due| due.name).collect();
    names.sort_unstable();
    names
}

/// The database's clock in whole seconds, moved by so much: a slot.
pub(super) async fn slot_in(store: &dyn Store, by: Duration) -> DateTime<Utc> {
    let now = store.now().await.unwrap();
    later(DateTime::from_timestamp(now.timestamp(), 0).unwrap(), by)
}

/// A declared schedule is seen as it was declared, and nothing has been fired.
pub async fn a_schedule_is_seen_as_declared(store: &dyn Store) {
    let slot = slot_in(store, HOUR).await;
    let row = ScheduleRow { next_slot: Some(slot), ..schedule("it's 🌙") };
    declare(store, std::slice::from_ref(&row)).await;
    let now = store.now().await.unwrap();
    let seen = info(store, "it's 🌙").await;
    assert!(near(seen.created_at, now));
    assert_eq!(seen, ScheduleInfo::new(&row, seen.created_at));
}

/// Schedules are listed by name.
pub async fn schedules_are_listed_by_name(store: &dyn Store) {
    declare(store, &[schedule("c"), schedule("a")]).await;
    store
        .upsert_schedules("web", "1.0.0", &[ScheduleRow { owner: "web".into(), ..schedule("b") }])
        .await
        .unwrap();
    let names: Vec<_> =
        store.schedules().await.unwrap().into_iter().map(|info| info.name).collect();
    assert_eq!(names, ["a", "b", "c"]);
}

/// Declaring the same again changes nothing: not the slot, not the creation, not the pause.
pub async fn declaring_again_changes_nothing(store: &dyn Store) {
    let slot = slot_in(store, HOUR).await;
    let row = ScheduleRow { next_slot: Some(slot), ..schedule("nightly") };
    declare(store, std::slice::from_ref(&row)).await;
    store.pause_schedule("nightly", true, &ada()).await.unwrap();
    let before = info(store, "nightly").await;
    declare(store, &[ScheduleRow { next_slot: Some(later(slot, DAY)), ..row }]).await;
    assert_eq!(info(store, "nightly").await, before);
}

/// A changed declaration replaces what was declared and the next slot; what happened stays.
pub async fn a_changed_declaration_replaces(store: &dyn Store) {
    let slot = slot_in(store, HOUR).await;
    let row = schedule("nightly");
    declare(store, std::slice::from_ref(&row)).await;
    let firing = Firing {
        name: row.name.clone(),
        declared_hash: row.declared_hash.clone(),
        jobs: vec![],
        last_slot: Some(slot),
        next_slot: Some(later(slot, DAY)),
        missed: 2,
    };
    store.fire(&firing).await.unwrap();
    store.pause_schedule("nightly", true, &ada()).await.unwrap();
    let before = info(store, "nightly").await;
    let new = ScheduleRow {
        args: r#"{"n":2}"#.to_owned(),
        options: "{}".to_owned(),
        task: "resize".to_owned(),
        next_slot: Some(later(slot, MINUTE)),
        ..changed(&row, "1.0.0")
    };
    declare(store, std::slice::from_ref(&new)).await;
    let after = info(store, "nightly").await;
    assert_eq!((&after.task, &after.trigger, &after.args), (&new.task, &new.trigger, &new.args));
    assert_eq!((&after.options, after.next_slot), (&new.options, new.next_slot));
    assert_eq!((after.last_slot, after.missed), (Some(slot), 2));
    assert_eq!((after.created_at, after.paused_at), (before.created_at, before.paused_at));
}

/// The next slot of a changed declaration is forgotten where the caller did not compute it, and is
/// asked for again.
pub async fn a_changed_declaration_may_leave_the_slot_open(store: &dyn Store) {
    let slot = slot_in(store, DAY).await;
    let row = ScheduleRow { next_slot: Some(slot), ..schedule("nightly") };
    declare(store, std::slice::from_ref(&row)).await;
    assert_eq!(due_names(store).await, [""; 0]);
    declare(store, &[ScheduleRow { next_slot: None, ..changed(&row, "1.0.0") }]).await;
    assert_eq!(info(store, "nightly").await.next_slot, None);
    assert_eq!(due_names(store).await, ["nightly"]);
}

/// An older version that starts again does not undo a newer declaration; versions are compared by
/// their numbers.
pub async fn an_older_version_undoes_nothing(store: &dyn Store) {
    let row = ScheduleRow { declared_version: "0.10.0".to_owned(), ..schedule("nightly") };
    declare(store, std::slice::from_ref(&row)).await;
    for old in ["0.9.0", "0.9.12", "0.2", "0.1.100"] {
        declare(store, &[changed(&row, old)]).await;
        let seen = info(store, "nightly").await;
        assert_eq!((&seen.trigger, &seen.declared_version), (&row.trigger, &row.declared_version));
    }
    declare(store, &[changed(&row, "0.11.0")]).await;
    assert_eq!(info(store, "nightly").await.trigger, "0 4 * * *");
}

/// A declaration of the same version may change: programs are built twice under one number.
pub async fn the_same_version_may_change(store: &dyn Store) {
    let row = schedule("nightly");
    declare(store, std::slice::from_ref(&row)).await;
    declare(store, &[changed(&row, "1.0.0")]).await;
    assert_eq!(info(store, "nightly").await.trigger, "0 4 * * *");
}

/// What its owner no longer declares is marked and not due; it comes back when it is declared again.
pub async fn what_is_not_declared_any_more_is_marked(store: &dyn Store) {
    declare(store, &[schedule("kept"), schedule("gone")]).await;
    declare(store, &[schedule("kept")]).await;
    let now = store.now().await.unwrap();
    assert!(info(store, "gone").await.dropped_at.is_some_and(|at| near(at, now)));
    assert_eq!(info(store, "kept").await.dropped_at, None);
    assert_eq!(due_names(store).await, ["kept"]);
    declare(store, &[schedule("kept"), schedule("gone")]).await;
    assert_eq!(info(store, "gone").await.dropped_at, None);
    assert_eq!(due_names(store).await, ["gone", "kept"]);
}

/// The mark tells when the schedule was first seen missing.
pub async fn the_mark_is_set_once(store: &dyn Store) {
    declare(store, &[schedule("kept"), schedule("gone")]).await;
    declare(store, &[schedule("kept")]).await;
    let first = info(store, "gone").await.dropped_at.unwrap();
    travel(store, HOUR).await;
    declare(store, &[schedule("kept")]).await;
    assert_eq!(info(store, "gone").await.dropped_at, Some(earlier(first, HOUR)));
}

/// An older version that starts again does not drop what a newer one brought.
pub async fn an_older_version_drops_nothing_newer(store: &dyn Store) {
    let version = |name, version: &str| ScheduleRow {
        declared_version: version.to_owned(),
        ..schedule(name)
    };
    declare(store, &[version("old", "0.9.0")]).await;
    declare(store, &[version("old", "0.10.0"), version("new", "0.10.0")]).await;
    declare(store, &[version("old", "0.9.0")]).await;
    assert_eq!(info(store, "new").await.dropped_at, None);
    declare(store, &[version("old", "0.11.0")]).await;
    assert!(info(store, "new").await.dropped_at.is_some());
}

/// An older version that declares nothing at all does not drop what a newer one brought.
pub async fn an_older_version_without_schedules_drops_nothing_newer(store: &dyn Store) {
    declare_as(store, "0.9.0", &[]).await;
    declare_as(
        store,
        "0.10.0",
        &[ScheduleRow { declared_version: "0.10.0".into(), ..schedule("new") }],
    )
    .await;
    declare_as(store, "0.9.0", &[]).await;
    assert_eq!(info(store, "new").await.dropped_at, None);
    declare_as(store, "0.11.0", &[]).await;
    assert!(info(store, "new").await.dropped_at.is_some());
}

/// What a newer version dropped an older one that starts again does not bring back; the newer one
/// may.
pub async fn an_older_version_brings_nothing_back(store: &dyn Store) {
    let version = |name, version: &str| ScheduleRow {
        declared_version: version.to_owned(),
        ..schedule(name)
    };
    declare(store, &[version("kept", "0.9.0"), version("gone", "0.9.0")]).await;
    declare(store, &[version("kept", "0.10.0")]).await;
    let dropped = info(store, "gone").await;
    assert!(dropped.dropped_at.is_some());
    declare(store, &[version("kept", "0.9.0"), version("gone", "0.9.0")]).await;
    assert_eq!(info(store, "gone").await, dropped);
    assert_eq!(due_names(store).await, ["kept"]);
    declare(store, &[version("kept", "0.10.0"), version("gone", "0.10.0")]).await;
    assert_eq!(info(store, "gone").await.dropped_at, None);
}

/// Schedules of other owners, and those made at run time, are left alone.
pub async fn others_are_left_alone(store: &dyn Store) {
    let other = ScheduleRow { owner: "web".to_owned(), ..schedule("theirs") };
    store.upsert_schedules("web", "1.0.0", &[other]).await.unwrap();
    store.put_schedule(&dynamic("by-hand"), &ada()).await.unwrap();
    declare(store, &[schedule("ours")]).await;
    for name in ["theirs", "by-hand", "ours"] {
        assert_eq!(info(store, name).await.dropped_at, None, "{name}");
    }
}

/// A name that belongs to another owner is a conflict that names both; nothing is changed.
pub async fn a_name_has_one_owner(store: &dyn Store) {
    declare(store, &[schedule("nightly")]).await;
    let rows = ["a", "nightly", "z"]
        .map(|name| ScheduleRow { owner: "web".to_owned(), ..changed(&schedule(name), "2.0.0") });
    let error = store.upsert_schedules("web", "2.0.0", &rows).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    let text = error.to_string();
    for part in ["nightly", "shop", "web"] {
        assert!(text.contains(part), "{text}");
    }
    let names: Vec<_> =
        store.schedules().await.unwrap().into_iter().map(|info| info.name).collect();
    assert_eq!(names, ["nightly"]);
    assert_eq!(info(store, "nightly").await.trigger, "0 3 * * *");
}

/// A name that was taken at run time is a conflict for the code; nothing is changed.
pub async fn a_dynamic_schedule_keeps_its_name(store: &dyn Store) {
    store.put_schedule(&dynamic("by-hand"), &ada()).await.unwrap();
    let before = info(store, "by-hand").await;
    let rows = [schedule("a"), changed(&schedule("by-hand"), "9.0.0")];
    let error = store.upsert_schedules(OWNER, "9.0.0", &rows).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    assert_eq!(store.schedules().await.unwrap(), [before]);
}

/// Hundreds of schedules may be declared at once.
pub async fn hundreds_may_be_declared(store: &dyn Store) {
    let rows: Vec<_> = (0..300).map(|n| schedule(&format!("schedule-{n:03}"))).collect();
    declare(store, &rows).await;
    declare(store, &rows[..150]).await;
    let all = store.schedules().await.unwrap();
    assert_eq!(all.len(), 300);
    assert_eq!(all.iter().filter(|info| info.dropped_at.is_some()).count(), 150);
    assert_eq!(due_names(store).await.len(), 150);
}

/// A schedule whose next slot is not known is due at once: it must be computed.
pub async fn an_unknown_slot_is_due(store: &dyn Store) {
    declare(store, &[schedule("nightly")]).await;
    let (due, next) = due(store).await;
    assert_eq!((due.len(), next), (1, None));
    let now = store.now().await.unwrap();
    let seen = info(store, "nightly").await;
    let due = &due[0];
    assert_eq!((due.name.as_str(), due.task.as_str()), ("nightly", TASK));
    assert_eq!((&due.trigger, &due.args, &due.options), (&seen.trigger, &seen.args, &seen.options));
    assert_eq!((due.last_slot, due.next_slot, due.created_at), (None, None, seen.created_at));
    assert_eq!((due.declared_hash.as_str(), due.overlapping), ("hash-1", false));
    assert!(near(due.now, now));
}

/// A schedule is due when its slot has come, not before; until then it tells how long.
pub async fn a_slot_is_due_when_it_has_come(store: &dyn Store) {
    let slot = slot_in(store, HOUR).await;
    let farther = ScheduleRow { next_slot: Some(later(slot, DAY)), ..schedule("farther") };
    declare(store, &[ScheduleRow { next_slot: Some(slot), ..schedule("nightly") }, farther]).await;
    let (none, next) = due(store).await;
    assert_eq!(none, []);
    let next = next.unwrap();
    assert!(HOUR - MINUTE < next && next <= HOUR, "{next:?}");
    travel(store, HOUR + MINUTE).await;
    let (now_due, next) = due(store).await;
    assert_eq!(now_due.len(), 1);
    assert_eq!(now_due[0].next_slot, Some(earlier(slot, HOUR + MINUTE)));
    let next = next.unwrap();
    assert!(DAY - 2 * MINUTE < next && next <= DAY, "{next:?}");
}

/// Only schedules of tasks that the worker knows are due for it.
pub async fn only_known_tasks_are_due(store: &dyn Store) {
    let other = ScheduleRow { task: "resize".to_owned(), ..schedule("thumbnails") };
    let slot = slot_in(store, HOUR).await;
    let later = ScheduleRow { next_slot: Some(slot), ..other.clone() };
    declare(store, &[schedule("nightly"), other, ScheduleRow { name: "z".to_owned(), ..later }])
        .await;
    assert_eq!(due_names(store).await, ["nightly"]);
    assert_eq!(due(store).await.1, None);
    assert_eq!(store.due_schedules(&[]).await.unwrap(), (vec![], None));
    let both = ["resize".to_owned(), TASK.to_owned()];
    assert_eq!(store.due_schedules(&both).await.unwrap().0.len(), 2);
}

/// A paused schedule is not due, and tells nothing of its next slot; resumed, it is due again.
pub async fn a_paused_schedule_is_not_due(store: &dyn Store) {
    let slot = slot_in(store, HOUR).await;
    declare(store, &[schedule("a"), ScheduleRow { next_slot: Some(slot), ..schedule("b") }]).await;
    for name in ["a", "b"] {
        assert!(store.pause_schedule(name, true, &ada()).await.unwrap());
    }
    assert_eq!(due(store).await, (vec![], None));
    let now = store.now().await.unwrap();
    assert!(info(store, "a").await.paused_at.is_some_and(|at| near(at, now)));
    assert!(store.pause_schedule("a", false, &ada()).await.unwrap());
    assert_eq!(info(store, "a").await.paused_at, None);
    assert_eq!(due_names(store).await, ["a"]);
}

/// Pausing a schedule that is not there is told.
pub async fn pausing_an_unknown_schedule_is_told(store: &dyn Store) {
    assert!(!store.pause_schedule("nightly", true, &ada()).await.unwrap());
    assert!(!store.pause_schedule("nightly", false, &ada()).await.unwrap());
}

/// A job of the schedule that is still live overlaps; a finished one does not.
pub async fn a_live_job_overlaps(store: &dyn Store) {
    declare(store, &[schedule("nightly"), schedule("hourly")]).await;
    let mut new = delayed(HOUR);
    new.extras_mut().schedule = Some("nightly".to_owned());
    insert(store, &new).await;
    let overlaps = async |expected: bool| {
        for due in due(store).await.0 {
            assert_eq!(due.overlapping, expected && due.name == "nightly", "{}", due.name);
        }
    };
    overlaps(true).await;
    travel(store, 2 * HOUR).await;
    store.promote(10).await.unwrap();
    let owner = worker(store).await;
    let held = claim_one(store, owner).await;
    overlaps(true).await;
    settle(store, &held, Outcome::Completed(None)).await;
    overlaps(false).await;
}

/// A schedule that is made at run time.
fn dynamic(name: &str) -> ScheduleRow {
    ScheduleRow { source: ScheduleSource::Dynamic, ..schedule(name) }
}

/// A schedule may be made, replaced and removed at run time.
pub async fn a_schedule_may_be_made_at_run_time(store: &dyn Store) {
    let row = dynamic("by-hand");
    store.put_schedule(&row, &ada()).await.unwrap();
    let first = info(store, "by-hand").await;
    assert_eq!(first, ScheduleInfo::new(&row, first.created_at));
    assert_eq!(due_names(store).await, ["by-hand"]);
    store.put_schedule(&changed(&row, "0.0.1"), &ada()).await.unwrap();
    assert_eq!(info(store, "by-hand").await.trigger, "0 4 * * *");
    assert!(store.remove_schedule("by-hand", &ada()).await.unwrap());
    assert!(!store.remove_schedule("by-hand", &ada()).await.unwrap());
    assert_eq!(store.schedules().await.unwrap(), []);
}

/// What is declared in code is neither replaced nor removed by hand.
pub async fn code_is_not_changed_by_hand(store: &dyn Store) {
    declare(store, &[schedule("nightly")]).await;
    let before = info(store, "nightly").await;
    let error =
        store.put_schedule(&changed(&dynamic("nightly"), "9.0.0"), &ada()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    let error = store.remove_schedule("nightly", &ada()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    assert_eq!(info(store, "nightly").await, before);
}
