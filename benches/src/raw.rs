//! The calibration: what an able programmer's plain SQL reaches on the same schema, in the same
//! run, by the engine's own driver. No handlers, no fence, no second process; prepared statements,
//! large batches, group commit.

mod mysql;
mod postgres;
mod sqlite;

use anyhow::{Result, bail};
use taskx_measure::{Measured, Order, Work, drive::json};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::tasks::QUEUE;

/// The rows of one statement of a batch.
const BATCH: usize = 1_000;

/// The columns that a finished job keeps, as the names of both tables.
const KEPT: &str = "id, queue, task, priority, attempt, max_attempts, fence, owner, payload, \
     payload_format, task_version, inserted_at, run_at, claimed_at, crash_count, snooze_count, \
     cancel_requested_at, progress, reason, tags, meta, trace, parent_id, batch_id, schedule_id, \
     slot, expires_at, unique_key, concurrency_key, tenant";

/// A job as it is written.
#[derive(Debug, Clone)]
struct Row {
    id: Uuid,
    payload: String,
}

impl Row {
    fn new(order: u64, payload: usize) -> Self {
        Self { id: Uuid::now_v7(), payload: json(order, payload) }
    }
}

/// A row, and who waits for its commit.
type Waiting = (Row, oneshot::Sender<()>);

/// Enqueues from so many tasks at once: each hands a row to whoever commits, and the next when that
/// one is durable.
async fn from_callers(
    committer: mpsc::UnboundedSender<Waiting>,
    payload: usize,
    jobs: u64,
    callers: u64,
) -> Result<()> {
    let mut tasks = Vec::new();
    for caller in 0..callers {
        let committer = committer.clone();
        tasks.push(tokio::spawn(async move {
            for order in (caller..jobs).step_by(usize::try_from(callers)?) {
                let (reply, committed) = oneshot::channel();
                committer.send((Row::new(order, payload), reply))?;
                committed.await?;
            }
            anyhow::Ok(())
        }));
    }
    drop(committer);
    for task in tasks {
        task.await??;
    }
    Ok(())
}

/// Does what is asked, as far as plain SQL has an answer to it.
pub(crate) async fn run(order: &Order) -> Result<Measured> {
    match order.url.split_once(':') {
        Some(("postgres", _)) => postgres::run(order).await,
        Some(("mysql", _)) => mysql::run(order).await,
        _ => {
            let order = order.clone();
            tokio::task::spawn_blocking(move || sqlite::run(&order)).await?
        }
    }
}

fn no_such(work: &Work) -> Result<Measured> {
    bail!("no raw SQL stands for {work:?}")
}

/// `?, ?, ..` so many times.
fn marks(count: usize) -> String {
    vec!["?"; count].join(", ")
}
