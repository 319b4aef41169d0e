//! What becomes of values and errors: results, retries by the backoff, dead letters.

use std::io;

use rstest::rstest;
use serde::{Deserialize, Serialize};
use taskx::{ErrorKind, JobState, inspect::Inspect, prelude::*};
use taskx_tests::{Engine, SOON, eventually};

use crate::Running;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Report {
    words: Vec<String>,
    total: u64,
}

#[task(app = "outcomes", queue = "outcomes")]
async fn make_report(words: Vec<String>) -> Result<Report, io::Error> {
    let total = words.iter().map(|word| word.len() as u64).sum();
    Ok(Report { words, total })
}

#[task(app = "outcomes", queue = "outcomes", settle = "each")]
fn nothing() {}

#[task(app = "outcomes", queue = "outcomes", max_attempts = 3, backoff = "10ms")]
async fn fail(what: &str) -> Result<(), io::Error> {
    Err(io::Error::other(what.to_owned()))
}

#[task(app = "outcomes", queue = "outcomes", backoff = "10ms")]
fn third_time_lucky(ctx: &Ctx) -> anyhow::Result<u32> {
    anyhow::ensure!(ctx.attempt() == 3, "not yet");
    Ok(ctx.attempt())
}

#[task(app = "outcomes", queue = "outcomes", max_attempts = 2, backoff = "1h")]
fn fail_slowly() -> anyhow::Result<()> {
    anyhow::bail!("no")
}

#[task(app = "outcomes", queue = "outcomes")]
fn large(bytes: usize) -> Result<String> {
    Ok("x".repeat(bytes))
}

#[task(app = "outcomes", queue = "outcomes", retention = "none", max_attempts = 1)]
fn forgotten(fails: bool) -> anyhow::Result<()> {
    anyhow::ensure!(!fails, "dead letters are kept all the same");
    Ok(())
}

#[rstest]
#[tokio::test]
async fn values_come_back_typed(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(running) = Running::new(engine, "outcomes").await else { return };
    let queue = running.app.queue();
    let words = vec!["Ä\u{1F600}\"\\".to_owned(), String::new()];
    let job = MakeReport::apply(words.clone()).to(queue).await.unwrap();
    assert_eq!(job.wait(SOON).await.unwrap(), Report { words, total: 8 });
    let job = Nothing::apply().to(queue).await.unwrap();
    job.wait(SOON).await.unwrap();
    assert_eq!(running.ended(&job).await.result, None);
    running.stop().await;
}

#[rstest]
#[tokio::test]
async fn errors_are_tried_again_and_end_as_dead_letters(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(running) = Running::new(engine, "outcomes").await else { return };
    let queue = running.app.queue();
    let lucky = ThirdTimeLucky::apply().to(queue).await.unwrap();
    let fails = Fail::apply("no luck").to(queue).await.unwrap();
    assert_eq!(lucky.wait(SOON).await.unwrap(), 3);
    let attempts = running.attempts(&lucky).await;
    assert_eq!(attempts.iter().map(|one| one.attempt).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(attempts[0].error, "not yet");

    let error = fails.wait(SOON).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsuccessful);
    assert!(error.to_string().contains("attempt 3 of 3 failed: no luck"), "{error}");
    let job = running.ended(&fails).await;
    assert_eq!((job.state, job.attempt, job.fence), (JobState::Discarded, 3, 3));
    let attempts = running.attempts(&fails).await;
    assert_eq!(attempts.len(), 3);
    assert!(attempts.iter().all(|one| one.outcome == "error" && one.backtrace.is_none()));

    // Whoever mends the cause brings it back; its attempts are counted anew.
    assert_eq!(queue.retry(&[fails.id()], &taskx::Actor::app()).await.unwrap(), 1);
    let again = eventually("it failed again", SOON, async || {
        let job = fails.job().await.unwrap().unwrap();
        (job.state == JobState::Discarded && job.fence == 6).then_some(job)
    });
    assert_eq!(again.await.attempt, 3);
    running.stop().await;
}

#[rstest]
#[tokio::test]
async fn the_next_attempt_waits_for_the_backoff(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(running) = Running::new(engine, "outcomes").await else { return };
    let job = FailSlowly::apply().to(running.app.queue()).await.unwrap();
    let waiting = eventually("it waits for its next attempt", SOON, async || {
        let job = job.job().await.unwrap().unwrap();
        (job.state == JobState::Retryable).then_some(job)
    })
    .await;
    let ended = running.attempts(&job).await[0].ended_at;
    let minutes = (waiting.run_at - ended).num_seconds() as f64 / 60.0;
    assert!((44.9..=75.1).contains(&minutes), "an hour with a quarter of jitter, not {minutes}");
    assert_eq!(waiting.reason.as_deref(), Some("no"));
    running.stop().await;
}

#[rstest]
#[tokio::test]
async fn a_result_over_the_limit_is_not_kept_and_the_job_is_done(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(running) = Running::new(engine, "outcomes").await else { return };
    let queue = running.app.queue();
    let limit = taskx_core::config::RESULT_LIMIT - 2;
    let fits = Large::apply(limit).to(queue).await.unwrap();
    let over = Large::apply(limit + 1).to(queue).await.unwrap();
    assert_eq!(fits.wait(SOON).await.unwrap().len(), limit);
    let job = running.ended(&over).await;
    assert_eq!((job.state, job.result), (JobState::Completed, None));
    assert_eq!(over.wait(SOON).await.unwrap_err().kind(), ErrorKind::Payload);
    running.stop().await;
}

#[rstest]
#[tokio::test]
async fn without_retention_only_dead_letters_are_kept(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(running) = Running::new(engine, "outcomes").await else { return };
    let done = Forgotten::apply(false).to(running.app.queue()).await.unwrap();
    let dead = Forgotten::apply(true).to(running.app.queue()).await.unwrap();
    assert_eq!(running.ended(&dead).await.state, JobState::Discarded);
    eventually("it is gone", SOON, async || done.status().await.unwrap().is_none().then_some(()))
        .await;
    running.stop().await;
}
