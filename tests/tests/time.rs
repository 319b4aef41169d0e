//! Time travel: a year of a cron task in a fraction of a second.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::{DateTime, Datelike, Timelike, Utc};
use taskx::{
    Actor, Config, Event, JobState, Overlap,
    prelude::*,
    schedule::{CronTrigger, Misfire, Trigger},
    testing::{self, MemoryStore, TestClock},
};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The slots that ran, in their order.
#[derive(Default)]
struct Ran(Mutex<Vec<DateTime<Utc>>>);

#[cron_task(app = "year", hour = 2, minute = 30, timezone = "Europe/Paris")]
async fn nightly(ran: &Ran, ctx: &Ctx) {
    ran.0.lock().unwrap().extend(ctx.slot());
}

#[cron_task(
    app = "letters",
    month = "6-8,11-12",
    day = "3rd fri",
    hour = "0-3",
    timezone = "Europe/Paris"
)]
fn newsletter(ran: &Ran, ctx: &Ctx) {
    ran.0.lock().unwrap().extend(ctx.slot());
}

#[task(app = "changes")]
fn collect(ran: &Ran, ctx: &Ctx) {
    ran.0.lock().unwrap().extend(ctx.slot());
}

/// Fails at night, and comes back by its backoff.
#[task(app = "retries", max_attempts = 4, backoff = "8h")]
fn stubborn(ctx: &Ctx, tries: &AtomicU32) -> anyhow::Result<u32> {
    tries.fetch_add(1, Ordering::SeqCst);
    anyhow::ensure!(ctx.attempt() == 3, "not yet");
    Ok(ctx.attempt())
}

#[task(app = "chains")]
async fn chain(left: u32) -> Result {
    if left > 0 {
        Chain::apply(left - 1).delay(DAY).await?;
    }
    Ok(())
}

async fn app(name: &str, clock: &TestClock, set_up: impl FnOnce(AppBuilder) -> AppBuilder) -> App {
    let store = MemoryStore::with_clock(Arc::new(clock.clone()));
    let app = App::builder().config(Config::default()).debug(false).name(name);
    set_up(app.store(Arc::new(store))).build().await.unwrap()
}

fn new_year(year: i32) -> TestClock {
    TestClock::new(format!("{year}-01-01T00:00:00Z").parse().unwrap())
}

#[tokio::test]
async fn a_year_of_a_nightly_task_passes_in_a_moment() {
    let (clock, ran) = (new_year(2027), Arc::new(Ran::default()));
    let told = Arc::new(AtomicU32::new(0));
    let telling = Arc::clone(&told);
    let set_up = |app: AppBuilder| {
        app.state_arc(Arc::clone(&ran)).subscribe(move |event| {
            if matches!(event, Event::Enqueued { task, .. } if task == "nightly") {
                telling.fetch_add(1, Ordering::SeqCst);
            }
        })
    };
    let app = app("year", &clock, set_up).await;
    let started = Instant::now();
    let counts = testing::pass(&app, &clock, 365 * DAY).await.unwrap();
    let took = started.elapsed();
    println!("365 nights took {took:.0?}");
    assert_eq!(counts.completed, 365);
    assert_eq!(told.load(Ordering::SeqCst), 365, "what a schedule enqueues is told too");
    // A tenth of a second; a busy machine may take its time, but not the nights'.
    assert!(took < Duration::from_secs(30), "{took:?}");
    let slots = ran.0.lock().unwrap().clone();
    let paris = |slot: &DateTime<Utc>| slot.with_timezone(&taskx::schedule::Tz::Europe__Paris);
    let days: Vec<_> = slots.iter().map(|slot| paris(slot).ordinal()).collect();
    assert_eq!(days, (1..=365).collect::<Vec<_>>(), "each day once, in order");
    // The night that lacks 02:30 has 03:30 instead.
    let odd: Vec<_> = slots.iter().map(paris).filter(|at| at.hour() != 2).collect();
    assert_eq!(odd.len(), 1);
    assert_eq!((odd[0].month(), odd[0].day(), odd[0].hour()), (3, 28, 3));
    app.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_newsletter_goes_out_on_its_fridays() {
    let (clock, ran) = (new_year(2026), Arc::new(Ran::default()));
    let app = app("letters", &clock, |app| app.state_arc(Arc::clone(&ran))).await;
    testing::pass(&app, &clock, 730 * DAY).await.unwrap();
    let slots = ran.0.lock().unwrap().clone();
    assert_eq!(slots.len(), 2 * 5 * 4);
    let upcoming = CronTrigger::builder()
        .month("6-8,11-12")
        .day("3rd fri")
        .hour("0-3")
        .timezone("Europe/Paris")
        .build()
        .unwrap();
    let start = "2026-01-01T00:00:00Z".parse().unwrap();
    let expected: Vec<DateTime<Utc>> =
        upcoming.upcoming(start).take(40).map(|at| at.with_timezone(&Utc)).collect();
    assert_eq!(slots, expected);
    app.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_changed_trigger_owes_nothing_of_the_time_before() {
    let (clock, ran) = (new_year(2027), Arc::new(Ran::default()));
    let app = app("changes", &clock, |app| app.state_arc(Arc::clone(&ran))).await;
    let (queue, operator) = (app.queue(), Actor("test".to_owned()));
    let save = async |trigger: Trigger| {
        let schedules = queue.schedules();
        let schedule = schedules.add("report", trigger, &Collect {});
        let schedule = schedule.misfire(Misfire::All { max: 100 }).overlap(Overlap::Allow);
        schedule.misfire_grace(10 * DAY).save(&operator).await.unwrap();
    };
    // At midnight on each day, and at half past eleven changed to each full hour.
    save(CronTrigger::builder().hour(0).build().unwrap().into()).await;
    testing::pass(&app, &clock, DAY + Duration::from_secs(41_400)).await.unwrap();
    save(CronTrigger::builder().hour("*").build().unwrap().into()).await;
    testing::pass(&app, &clock, Duration::from_secs(5_400)).await.unwrap();
    let told = ran.0.lock().unwrap().iter().map(|at| (at.day(), at.hour())).collect::<Vec<_>>();
    assert_eq!(told, [(1, 0), (2, 0), (2, 12), (2, 13)]);
    app.shutdown().await.unwrap();
}

#[tokio::test]
async fn retries_and_delays_pass_too() {
    let clock = new_year(2026);
    let retries = app("retries", &clock, |app| app.state(AtomicU32::new(0))).await;
    let job = Stubborn::apply().to(retries.queue()).await.unwrap();
    let counts = testing::pass(&retries, &clock, DAY).await.unwrap();
    assert_eq!((counts.completed, counts.retried), (1, 2));
    assert_eq!(job.wait(Duration::ZERO).await.unwrap(), 3);

    let clock = new_year(2026);
    let chains = app("chains", &clock, |app| app).await;
    Chain::apply(1_000_u32).to(chains.queue()).await.unwrap();
    let counts = testing::pass(&chains, &clock, 999 * DAY).await.unwrap();
    assert_eq!(counts.completed, 1_000, "the first at once, one a day");
    let waiting = testing::enqueued::<Chain>(chains.queue()).await.unwrap();
    assert_eq!(waiting.len(), 1);
    assert_eq!((waiting[0].0.state, waiting[0].1.left), (JobState::Scheduled, 0));
    for app in [retries, chains] {
        app.shutdown().await.unwrap();
    }
}
