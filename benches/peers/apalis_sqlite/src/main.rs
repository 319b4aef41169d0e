//! apalis-sqlite as one of those that the bench of taskx measures. Finished jobs are kept.
//!
//! Best settings: batches of 500, 100 jobs at once, woken by SQLite's own hook. Its set-up turns
//! `synchronous` off for one connection of the pool; here only its migrations are run, the file is in
//! WAL mode, and each connection waits for the disk, as is SQLite's default.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Result, anyhow};
use apalis::{layers::WorkerBuilderExt, prelude::*};
use apalis_sqlite::{Config, SqlitePool, SqliteStorage, callback::HookCallbackListener};
use taskx_measure::{Contestant, Filling, Handler, Job as Order, ORDERS, Setting, drive, ran};
use tokio::task::JoinHandle;

const QUEUE: &str = "bench";

/// Whether it sleeps, and its number, customer and note.
type Args = (bool, Order);

struct Peer {
    pool: SqlitePool,
    changes: Mutex<Option<HookCallbackListener>>,
}

async fn handle((sleeps, job): Args) -> Result<(), BoxDynError> {
    if sleeps {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    ran(job.order, &job.customer, &job.note);
    Ok(())
}

impl Contestant for Peer {
    type Worker = (WorkerContext, JoinHandle<()>);

    async fn enqueue(&self, job: Order) -> Result<()> {
        self.storage(QUEUE, 10).push((false, job)).await.map_err(|error| anyhow!("{error}"))
    }

    async fn enqueue_in_transaction(&self, job: Order) -> Result<()> {
        let mut transaction = self.pool.begin().await?;
        let row = sqlx::query("INSERT INTO bench_orders VALUES ($1)");
        row.bind(i64::try_from(job.order)?).execute(&mut *transaction).await?;
        let task = TaskBuilder::new(serde_json::to_vec(&(false, job))?).build();
        apalis_sqlite::queries::push_tasks(&mut *transaction, QUEUE, &[task]).await?;
        Ok(transaction.commit().await?)
    }

    async fn enqueue_many(&self, jobs: Vec<Order>, filling: Filling) -> Result<()> {
        let sleeps = filling.handler == Handler::Sleep;
        let build = |job| {
            let task = TaskBuilder::new(serde_json::to_vec(&(sleeps, job))?);
            let later = Duration::from_secs(3_600);
            anyhow::Ok(if filling.later { task.run_after(later) } else { task }.build())
        };
        let jobs = jobs.into_iter().map(build).collect::<Result<Vec<_>>>()?;
        let queue = if filling.elsewhere { "elsewhere" } else { QUEUE };
        let mut transaction = self.pool.begin().await?;
        apalis_sqlite::queries::push_tasks(&mut *transaction, queue, &jobs).await?;
        Ok(transaction.commit().await?)
    }

    async fn start(&self, setting: Setting) -> Result<Self::Worker> {
        let (concurrency, batch) = match setting {
            Setting::Default { concurrency } => (concurrency, 10),
            Setting::Best => (100, 500),
        };
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner).take();
        let changes = changes.ok_or_else(|| anyhow!("one worker only"))?;
        let storage = self.storage(QUEUE, batch).with_callback(changes);
        let context = WorkerContext::new("bench");
        let worker =
            WorkerBuilder::new(&context).backend(storage).concurrency(concurrency).build(handle);
        let running = tokio::spawn(async move {
            if let Err(error) = worker.run().await {
                eprintln!("apalis-sqlite: {error}");
            }
        });
        Ok((context, running))
    }

    async fn is_drained(&self, _: &Self::Worker, _: u64) -> Result<bool> {
        let left = "SELECT EXISTS (SELECT 1 FROM Jobs WHERE job_type = 'bench' \
                    AND status IN ('Pending', 'Queued', 'Running'))";
        Ok(!sqlx::query_scalar::<_, bool>(left).fetch_one(&self.pool).await?)
    }

    async fn stop(&self, (context, running): Self::Worker) -> Result<()> {
        context.stop().map_err(|error| anyhow!("{error}"))?;
        Ok(running.await?)
    }
}

impl Peer {
    fn storage(&self, queue: &str, batch: usize) -> SqliteStorage<Args> {
        let config = Config::default().queue(queue).batch_size(batch);
        SqliteStorage::new(&self.pool).with_config(config)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let order = taskx_measure::order()?;
    let url = format!("{}?mode=rwc", order.url);
    let (pool, changes) = SqliteStorage::connect_with_callback(&url)?;
    sqlx::query("PRAGMA journal_mode = wal").execute(&pool).await?;
    SqliteStorage::migrations().run(&pool).await?;
    sqlx::query(ORDERS).execute(&pool).await?;
    let peer = Peer { pool, changes: Mutex::new(Some(changes)) };
    let measured = drive::run(Arc::new(peer), &order).await?;
    println!("{}", measured.to_line());
    Ok(())
}
