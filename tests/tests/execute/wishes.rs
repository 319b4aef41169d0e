//! Errors that steer: `Retry`, `Snooze`, `Cancel`, `Discard`, returned plainly, through anyhow with
//! and without context, and through eyre.

use std::time::Duration;

use anyhow::Context;
use eyre::WrapErr;
use rstest::rstest;
use serde::{Deserialize, Serialize};
use taskx::{JobState, prelude::*};
use taskx_tests::{Engine, SOON};

use crate::Running;

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Wish {
    Retry,
    Snooze,
    Cancel,
    Discard,
}

type Boxed = Box<dyn std::error::Error + Send + Sync>;

impl Wish {
    /// What the first run returns; the second one succeeds.
    fn on_first_run(self, ctx: &Ctx) -> Result<u32, Boxed> {
        let soon = Duration::from_millis(20);
        match self {
            _ if ctx.fence() > 1 => Ok(ctx.attempt()),
            Self::Retry => Err(Retry::after(soon).into()),
            Self::Snooze => Err(Snooze::after(soon).into()),
            Self::Cancel => Err(Cancel::because("not wanted").into()),
            Self::Discard => Err(Discard::because("of no use").into()),
        }
    }
}

#[task(app = "wishes", queue = "wishes", backoff = "1h")]
async fn plainly(wish: Wish, ctx: &Ctx) -> Result<u32, Boxed> {
    wish.on_first_run(ctx)
}

#[task(app = "wishes", queue = "wishes", backoff = "1h")]
fn by_anyhow(wish: Wish, ctx: &Ctx) -> anyhow::Result<u32> {
    wish.on_first_run(ctx).map_err(anyhow::Error::from_boxed)
}

#[task(app = "wishes", queue = "wishes", backoff = "1h")]
async fn with_context(wish: Wish, ctx: &Ctx) -> anyhow::Result<u32> {
    let first = wish.on_first_run(ctx).map_err(anyhow::Error::from_boxed);
    first.context("inner").context("outer")
}

#[task(app = "wishes", queue = "wishes", backoff = "1h")]
fn by_eyre(wish: Wish, ctx: &Ctx) -> eyre::Result<u32> {
    let soon = Duration::from_millis(20);
    if ctx.fence() > 1 {
        return Ok(ctx.attempt());
    }
    match wish {
        Wish::Retry => Err(Retry::after(soon)).wrap_err("outer"),
        Wish::Snooze => Err(Snooze::after(soon))?,
        Wish::Cancel => Err(Cancel::because("not wanted")).wrap_err("outer"),
        Wish::Discard => Err(Discard::because("of no use"))?,
    }
}

#[rstest]
#[tokio::test]
async fn an_error_that_steers_is_found_however_it_is_wrapped(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(running) = Running::new(engine, "wishes").await else { return };
    let queue = running.app.queue();
    macro_rules! check {
        ($($Task:ident)*) => {$(
            let jobs = [Wish::Retry, Wish::Snooze, Wish::Cancel, Wish::Discard]
                .map(|wish| $Task::apply(wish).to(queue).enqueue_blocking().unwrap());
            let [retry, snooze, cancel, discard] = &jobs;
            assert_eq!(retry.wait(SOON).await.unwrap(), 2, "a retry uses an attempt");
            assert_eq!(snooze.wait(SOON).await.unwrap(), 1, "a snooze uses none");
            assert_eq!(running.ended(snooze).await.snooze_count, 1);
            let cancelled = running.ended(cancel).await;
            assert_eq!(cancelled.state, JobState::Cancelled);
            assert_eq!(cancelled.reason.as_deref(), Some("not wanted"));
            let discarded = running.ended(discard).await;
            assert_eq!(discarded.state, JobState::Discarded);
            assert_eq!(discarded.reason.as_deref(), Some("of no use"));
        )*};
    }
    check!(Plainly ByAnyhow WithContext ByEyre);
    running.stop().await;
}
