//! What the child processes do: work, enqueue, or operate.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use taskx::{
    Actor, App, Event, JobState,
    inspect::{Inspect, JobFilter, Page},
};
use taskx_core::{config::Config, error::chain};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    engine::Engine,
    tasks::{self, Chore, Journal},
};

/// What a child is told by its command line, in this order.
#[derive(Clone, Debug)]
pub(crate) struct Orders {
    pub(crate) engine: Engine,
    pub(crate) url: String,
    pub(crate) journal: PathBuf,
    /// A worker's lease in milliseconds; a producer's first number.
    pub(crate) number: u64,
}

impl Orders {
    pub(crate) fn words(&self) -> [String; 4] {
        let journal = self.journal.display().to_string();
        [self.engine.to_string(), self.url.clone(), journal, self.number.to_string()]
    }

    pub(crate) fn parse(words: &[String]) -> Result<Self> {
        let [engine, url, journal, number] = words else { anyhow::bail!("four words, please") };
        let number = number.parse().context("the last word is no number")?;
        let journal = PathBuf::from(journal);
        Ok(Self { engine: engine.parse()?, url: url.clone(), journal, number })
    }
}

async fn app(orders: &Orders, lease: Duration) -> Result<App> {
    let journal = Journal::open(&orders.journal)?;
    let builder = App::builder()
        .config(Config::default())
        .database_url(&orders.url)
        .lease(lease)
        .grace(Duration::from_secs(5))
        .debug(false)
        .subscribe(move |event| match event {
            Event::Rescued { jobs, .. } => journal.note_rescued(jobs),
            Event::Trouble { error, .. } => {
                journal.note_trouble();
                journal.note_refusal(error);
            }
            _ => {}
        })
        .state(Journal::open(&orders.journal)?);
    Ok(builder.build().await?)
}

/// A worker, until a signal ends it.
pub(crate) fn work(orders: &Orders) -> Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build()?;
    let ended = runtime.block_on(async {
        let app = app(orders, Duration::from_millis(orders.number)).await?;
        let worker = app.blocking_worker().only(tasks::names(orders.engine)).concurrency(8);
        worker.run().await?;
        Ok(())
    });
    runtime.shutdown_background();
    ended
}

/// How many enqueue at once in a producer.
const CALLERS: u64 = 4;

/// A producer: `T n` before each enqueue, then `A n <microseconds it took>` if it was acknowledged,
/// else `U n`.
pub(crate) fn produce(orders: &Orders) -> Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let mut end = signal(SignalKind::terminate())?;
        let app = app(orders, Duration::from_secs(30)).await?;
        let mut callers = Vec::new();
        for caller in 0..CALLERS {
            let (orders, queue) = (orders.clone(), app.queue().clone());
            callers.push(tokio::spawn(async move {
                let journal = Journal::open(&orders.journal)?;
                for n in (orders.number + caller..).step_by(4) {
                    journal.note(&format!("T {n}"));
                    let began = Instant::now();
                    match tasks::enqueue(orders.engine, n, &queue).await {
                        Ok(_) => {
                            journal.note(&format!("A {n} {}", began.elapsed().as_micros()));
                        }
                        Err(error) => {
                            journal.note(&format!("U {n}"));
                            journal.note_refusal(&chain(&error));
                        }
                    }
                    tokio::time::sleep(Duration::from_millis(n * 13 % 60)).await;
                }
                Ok::<_, anyhow::Error>(())
            }));
        }
        end.recv().await;
        for caller in callers {
            caller.abort();
        }
        Ok(())
    })
}

/// One who operates as the command line does: with an App of its own each time.
pub(crate) fn operate(orders: &Orders) -> Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let journal = Journal::open(&orders.journal)?;
    runtime.block_on(async {
        let mut end = signal(SignalKind::terminate())?;
        loop {
            match operate_once(orders).await {
                Ok(()) => journal.note("O"),
                Err(error) => journal.note_refusal(&format!("{error:#}")),
            }
            // Ends between two rounds only: no queue is left paused.
            tokio::select! {
                _ = end.recv() => return Ok(()),
                () = tokio::time::sleep(Duration::from_millis(50)) => {}
            }
        }
    })
}

/// Looks, holds a queue up for a moment, and enqueues, cancels and retries jobs of its own: what is
/// done to those is not in the ledger.
async fn operate_once(orders: &Orders) -> Result<()> {
    let app = app(orders, Duration::from_secs(30)).await?;
    let (queue, by) = (app.queue(), Actor("chaos".to_owned()));
    queue.list(&JobFilter::default(), Page { before: None, limit: 50 }).await?;
    queue.count().await?;
    queue.pause("work", "chaos", &by).await?;
    queue.resume("work", &by).await?;
    Chore::apply().to(queue).await?;
    let later = Chore::apply().delay(Duration::from_secs(3_600)).to(queue).await?;
    queue.cancel(later.id(), &by).await?;
    let filter = JobFilter {
        states: vec![JobState::Discarded],
        tasks: vec![Chore::NAME.to_owned()],
        ..JobFilter::default()
    };
    let failed = queue.list(&filter, Page { before: None, limit: 2 }).await?;
    let failed: Vec<_> = failed.iter().map(|job| job.id).collect();
    queue.retry(&failed, &by).await?;
    app.shutdown().await?;
    Ok(())
}
