//! awa as one of those that the bench of taskx measures. Finished jobs are kept.
//!
//! Best settings: no deadline for a job, which lets its claims go to the receipts that are written
//! in batches, two claimers, 256 jobs at once, bulk enqueues by COPY.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use awa::{
    Client, InsertOpts, InsertParams, JobArgs, JobResult, QueueConfig, QueueStorage,
    QueueStorageConfig,
};
use serde::{Deserialize, Serialize};
use sqlx::{PgPool, postgres::PgPoolOptions};
use taskx_measure::{Contestant, Filling, Handler, Job, ORDERS, Setting, drive, ran};

const QUEUE: &str = "bench";

#[derive(Serialize, Deserialize, JobArgs)]
struct Nothing(Job);

#[derive(Serialize, Deserialize, JobArgs)]
struct Sleepy(Job);

struct Peer {
    pool: PgPool,
    storage: QueueStorage,
}

fn options(queue: &str, later: bool) -> InsertOpts {
    InsertOpts {
        queue: queue.to_owned(),
        run_at: later.then(|| chrono::Utc::now() + chrono::Duration::hours(1)),
        ..InsertOpts::default()
    }
}

impl Contestant for Peer {
    type Worker = Client;

    async fn enqueue(&self, job: Job) -> Result<()> {
        awa::insert_with(&self.pool, &Nothing(job), options(QUEUE, false)).await?;
        Ok(())
    }

    async fn enqueue_in_transaction(&self, job: Job) -> Result<()> {
        let mut transaction = self.pool.begin().await?;
        let row = sqlx::query("INSERT INTO bench_orders VALUES ($1)");
        row.bind(i64::try_from(job.order)?).execute(&mut *transaction).await?;
        awa::insert_with(&mut *transaction, &Nothing(job), options(QUEUE, false)).await?;
        Ok(transaction.commit().await?)
    }

    async fn enqueue_many(&self, jobs: Vec<Job>, filling: Filling) -> Result<()> {
        let kind = match filling.handler {
            Handler::Nothing | Handler::Forget => Nothing::kind(),
            Handler::Sleep => Sleepy::kind(),
        };
        let opts = options(if filling.elsewhere { "elsewhere" } else { QUEUE }, filling.later);
        let params = |job| {
            let args = serde_json::to_value(job)?;
            anyhow::Ok(InsertParams { kind: kind.to_owned(), args, opts: opts.clone() })
        };
        let jobs = jobs.into_iter().map(params).collect::<Result<Vec<_>>>()?;
        self.storage.enqueue_params_copy(&self.pool, &jobs).await?;
        Ok(())
    }

    async fn start(&self, setting: Setting) -> Result<Client> {
        let config = match setting {
            Setting::Default { concurrency } => {
                QueueConfig { max_workers: u32::try_from(concurrency)?, ..QueueConfig::default() }
            }
            Setting::Best => QueueConfig {
                max_workers: 256,
                poll_interval: Duration::from_millis(50),
                deadline_duration: Duration::ZERO,
                claimers: 2,
                ..QueueConfig::default()
            },
        };
        let client = Client::builder(self.pool.clone())
            .queue(QUEUE, config)
            .register::<Nothing, _, _>(|Nothing(job), _| async move {
                ran(job.order, &job.customer, &job.note);
                Ok(JobResult::Completed)
            })
            .register::<Sleepy, _, _>(|Sleepy(job), _| async move {
                tokio::time::sleep(Duration::from_millis(5)).await;
                ran(job.order, &job.customer, &job.note);
                Ok(JobResult::Completed)
            })
            .build()?;
        client.start().await?;
        Ok(client)
    }

    async fn is_drained(&self, _: &Client, _: u64) -> Result<bool> {
        let counts = self.storage.queue_counts(&self.pool, QUEUE).await?;
        Ok(counts.available + counts.running == 0)
    }

    async fn stop(&self, client: Client) -> Result<()> {
        client.shutdown(Duration::from_secs(10)).await;
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let order = taskx_measure::order()?;
    let pool = PgPoolOptions::new().max_connections(20).connect(&order.url).await?;
    awa::migrations::run(&pool).await?;
    sqlx::query(ORDERS).execute(&pool).await?;
    let storage = QueueStorage::new(QueueStorageConfig::default())?;
    let measured = drive::run(Arc::new(Peer { pool, storage }), &order).await?;
    println!("{}", measured.to_line());
    Ok(())
}
