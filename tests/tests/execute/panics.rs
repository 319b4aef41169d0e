//! A panic is a failed attempt with its message, place and backtrace; the worker goes on.
#![expect(clippy::panic, reason = "a task that panics is what is tested")]

use std::time::Duration;

use rstest::rstest;
use taskx::{Enqueued, JobState, prelude::*};
use taskx_core::task::Task;
use taskx_tests::{Engine, SOON};

use crate::Running;

#[task(app = "panics", queue = "panics", max_attempts = 2, backoff = "10ms")]
async fn panics_after_a_while(number: u32) {
    tokio::time::sleep(Duration::from_millis(1)).await;
    std::hint::black_box(vec![number])[number as usize..].first().unwrap();
}

#[task(app = "panics", queue = "panics", max_attempts = 2, backoff = "10ms")]
fn panics_at_once(text: &str) {
    assert!(text.is_empty(), "the text is {text:?}");
}

/// What panics again while it unwinds would end the process; what panics with no text does not.
#[task(app = "panics", queue = "panics", max_attempts = 1)]
fn panics_with_a_number() {
    std::panic::panic_any(7_u32);
}

#[task(app = "panics", queue = "panics")]
fn works() -> Result<bool> {
    Ok(true)
}

async fn assert_panicked<T: Task>(running: &Running, job: &Enqueued<T>, message: &str) {
    let ended = running.ended(job).await;
    assert_eq!(ended.state, JobState::Discarded);
    assert!(ended.reason.as_deref().unwrap().contains(message), "{:?}", ended.reason);
    let attempts = running.attempts(job).await;
    assert_eq!(attempts.len(), usize::try_from(ended.max_attempts).unwrap());
    for attempt in attempts {
        assert_eq!(attempt.outcome, "panic");
        assert!(attempt.error.contains(message), "{}", attempt.error);
        assert!(attempt.error.contains("execute/panics.rs:"), "{}", attempt.error);
        let backtrace = attempt.backtrace.unwrap();
        assert!(backtrace.contains("panics"), "{backtrace}");
    }
}

#[rstest]
#[tokio::test]
async fn a_panic_is_a_failed_attempt_with_its_backtrace(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(running) = Running::new(engine, "panics").await else { return };
    let queue = running.app.queue();
    let later = PanicsAfterAWhile::apply(1_u32).to(queue).await.unwrap();
    let at_once = PanicsAtOnce::apply("here").to(queue).await.unwrap();
    let number = PanicsWithANumber::apply().to(queue).await.unwrap();
    assert_panicked(&running, &later, "`Option::unwrap()` on a `None` value").await;
    assert_panicked(&running, &at_once, "the text is \"here\"").await;
    assert_panicked(&running, &number, "a value that is no text").await;
    assert!(Works::apply().to(queue).await.unwrap().wait(SOON).await.unwrap());
    running.stop().await;
}
