//! The child process of the tests. Its settings come from the environment, as those of any
//! application.
//!
//! `worker work APP NUMBER LEDGER` runs so many workers of the App until a signal comes ·
//! `worker migrate` builds an App when a line is written to it, and ends ·
//! `worker current` looks which queue is meant where none is named.
#![expect(clippy::print_stdout, reason = "the test reads what it says")]

use std::{env, io::stdin};

use anyhow::{Context, Result, bail, ensure};
use taskx::{App, BackgroundTaskWorker, BlockingTaskWorker, ErrorKind, inspect::Inspect};
use taskx_tests::tasks::{Count, Ledger};

fn main() -> Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match *words.as_slice() {
        ["work", app, workers, ledger] => work(app, workers.parse()?, ledger),
        ["migrate"] => migrate(),
        ["current"] => current(),
        _ => bail!("what does {words:?} mean?"),
    }
}

#[tokio::main]
async fn work(app: &str, workers: usize, ledger: &str) -> Result<()> {
    let app = App::builder().name(app).state(Ledger(ledger.into())).build().await?;
    for _ in 1..workers {
        BackgroundTaskWorker::new().init_app(&app).start().await?;
    }
    println!("ready");
    let stopped = BlockingTaskWorker::new().init_app(&app).run().await?;
    app.shutdown().await?;
    println!("stopped, {} given back", stopped.given_back);
    Ok(())
}

#[tokio::main]
async fn migrate() -> Result<()> {
    println!("ready");
    stdin().read_line(&mut String::new())?;
    let app = App::builder().build().await.context("build the App")?;
    app.shutdown().await?;
    println!("migrated");
    Ok(())
}

/// Alone in its process, since the process has only one default.
#[tokio::main]
async fn current() -> Result<()> {
    let nowhere =
        || async { Count::apply(1_u32).await.map(drop).map_err(|e| (e.kind(), e.to_string())) };
    let refused = |answer: Result<(), (ErrorKind, String)>, part: &str| match answer {
        Err((ErrorKind::NoStore, text)) if text.contains(part) => Ok(()),
        other => bail!("{other:?} is not a refusal that says `{part}`"),
    };
    refused(nowhere().await, "no App is live")?;
    let app = App::builder().build().await?;
    let first = Count::apply(1_u32).await?;
    let second = Count::apply(2_u32).enqueue_blocking()?;
    let many = app.queue().apply_many([Count::apply(3_u32)]).await?;
    ensure!(first.is_new() && second.is_new() && many.len() == 1, "three jobs");

    let other = App::builder().database_url(":memory:").build().await?;
    refused(nowhere().await, ".to(&queue)")?;
    other.queue().scope(async { Count::apply(4_u32).await }).await?;
    other.queue().scope_blocking(|| Count::apply(5_u32).enqueue_blocking())?;
    Count::apply(6_u32).to(app.queue()).await?;
    other.shutdown().await?;
    Count::apply(7_u32).await.context("one App is left")?;
    let counts: i64 = app.queue().count().await?.iter().map(|entry| entry.count).sum();
    ensure!(counts == 5, "{counts} jobs in the first App and not 5");
    println!("as it should be");
    Ok(())
}
