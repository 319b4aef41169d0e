//! A timeout stops an async task and flags a plain fn.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rstest::rstest;
use taskx::{JobState, prelude::*};
use taskx_tests::{Engine, SOON};

use crate::Running;

/// How many futures were dropped before their end.
#[derive(Default)]
struct Dropped(AtomicUsize);

struct CountsItsDrop<'a>(&'a Dropped);

impl Drop for CountsItsDrop<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[task(app = "timeouts", queue = "timeouts", timeout = "100ms", max_attempts = 2, backoff = "10ms")]
async fn never_ends(dropped: &Dropped) {
    let _counts = CountsItsDrop(dropped);
    std::future::pending::<()>().await;
}

#[task(app = "timeouts", queue = "timeouts", timeout = "100ms", max_attempts = 1)]
fn looks_at_the_flag(ctx: &Ctx) -> anyhow::Result<()> {
    assert!(ctx.remaining().unwrap() <= Duration::from_millis(100));
    while !ctx.is_cancelled() {
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(ctx.remaining(), Some(Duration::ZERO));
    anyhow::bail!("told to stop")
}

#[task(app = "timeouts", queue = "timeouts", timeout = "50ms", max_attempts = 1)]
fn is_late_but_done(ctx: &Ctx) -> Result<u32> {
    while !ctx.is_cancelled() {
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(7)
}

#[task(app = "timeouts", queue = "timeouts", timeout = "1m")]
async fn is_in_time(ctx: &Ctx) -> Result<bool> {
    tokio::time::sleep(Duration::from_millis(10)).await;
    Ok(!ctx.is_cancelled() && ctx.remaining().is_some())
}

#[rstest]
#[tokio::test]
async fn a_timeout_stops_async_work_and_flags_plain_work(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let dropped = Arc::new(Dropped::default());
    let states = Arc::clone(&dropped);
    let set_up = |app: AppBuilder| app.name("timeouts").state_arc(states);
    let Some(running) = Running::with(engine, set_up).await else { return };
    let queue = running.app.queue();

    let never = NeverEnds::apply().to(queue).await.unwrap();
    let flagged = LooksAtTheFlag::apply().to(queue).await.unwrap();
    let late = IsLateButDone::apply().to(queue).await.unwrap();
    let in_time = IsInTime::apply().to(queue).await.unwrap();

    let ended = running.ended(&never).await;
    assert_eq!((ended.state, ended.attempt), (JobState::Discarded, 2));
    assert_eq!(dropped.0.load(Ordering::SeqCst), 2, "each attempt's future was dropped");
    let attempts = running.attempts(&never).await;
    assert_eq!(attempts.len(), 2);
    for attempt in attempts {
        assert_eq!(attempt.outcome, "timeout");
        assert_eq!(attempt.error, "ran longer than its timeout of 100ms");
        assert!(attempt.ended_at - attempt.started_at >= chrono::TimeDelta::milliseconds(99));
    }
    assert_eq!(running.ended(&flagged).await.state, JobState::Discarded);
    assert_eq!(running.attempts(&flagged).await[0].outcome, "timeout");
    assert_eq!(late.wait(SOON).await.unwrap(), 7, "to run it again would do it twice");
    assert!(in_time.wait(SOON).await.unwrap());
    running.stop().await;
}
