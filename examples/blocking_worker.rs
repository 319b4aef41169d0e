//! Two processes on one database: one enqueues and waits for the answers, the other works.
//!
//! ```text
//! cargo run --example blocking_worker -- README.md ARCHITECTURE.md    # enqueues, then waits
//! cargo run --example blocking_worker -- worker                       # in another terminal
//! ```
//! Either may be started first, and there may be any number of each. The database is `taskx.db` in
//! the working directory, or what `DATABASE_URL` says.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::{env, fs, time::Duration};

use anyhow::{Context, ensure};
use taskx::prelude::*;

/// Counts the words of a text file.
#[task(max_attempts = 3, backoff = "1s..1m")]
fn count_words(file: &str) -> anyhow::Result<usize> {
    let text = fs::read_to_string(file).with_context(|| file.to_owned())?;
    Ok(text.split_whitespace().count())
}

async fn setup(app: AppBuilder) -> Result<App> {
    app.worker(Mode::Blocking).build().await
}

#[taskx::main(setup = setup)]
async fn main(app: App) -> anyhow::Result<()> {
    let words: Vec<_> = env::args().skip(1).collect();
    ensure!(!words.is_empty(), "say `worker`, or which files to count the words of");
    if words == ["worker"] {
        println!("working until Ctrl-C");
        app.blocking_worker().run().await?;
        return Ok(());
    }
    let mut jobs = Vec::new();
    for file in words {
        // The worker may have been started in another folder.
        let path = std::path::absolute(&file)?;
        jobs.push(CountWords::apply(path.to_str().context("the path is not UTF-8")?).await?);
    }
    println!("{} jobs are stored; a worker may be started at any time", jobs.len());
    for (file, job) in env::args().skip(1).zip(jobs) {
        println!("{file}: {} words", job.wait(Duration::from_secs(600)).await?);
    }
    Ok(())
}
