//! apalis-postgres as one of those that the bench of taskx measures. Finished jobs are kept.
//!
//! Best settings: batches of 500, 100 jobs at once, told by NOTIFY.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, anyhow};
use apalis::{layers::WorkerBuilderExt, prelude::*};
use apalis_postgres::{Config, PostgresStorage, queries::push_tasks};
use sqlx::{PgPool, postgres::PgPoolOptions};
use taskx_measure::{Contestant, Filling, Handler, Job as Order, ORDERS, Setting, drive, ran};
use tokio::task::JoinHandle;

const QUEUE: &str = "bench";

/// Whether it sleeps, and its number, customer and note.
type Args = (bool, Order);

struct Peer(PgPool);

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
        let config = Config::default().queue(QUEUE);
        let mut storage = PostgresStorage::new(&self.0).with_config(config);
        let args: Args = (false, job);
        storage.push(args).await.map_err(|error| anyhow!("{error}"))
    }

    async fn enqueue_in_transaction(&self, job: Order) -> Result<()> {
        let mut transaction = self.0.begin().await?;
        let row = sqlx::query("INSERT INTO bench_orders VALUES ($1)");
        row.bind(i64::try_from(job.order)?).execute(&mut *transaction).await?;
        let task = TaskBuilder::new(serde_json::to_vec(&(false, job))?).build();
        push_tasks(&mut *transaction, QUEUE, vec![task]).await?;
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
        let mut conn = self.0.acquire().await?;
        Ok(push_tasks(&mut *conn, queue, jobs).await?)
    }

    async fn start(&self, setting: Setting) -> Result<Self::Worker> {
        let (concurrency, batch) = match setting {
            Setting::Default { concurrency } => (concurrency, 10),
            Setting::Best => (100, 500),
        };
        let config = Config::default().queue(QUEUE).batch_size(batch);
        let storage = PostgresStorage::<Args>::new(&self.0).with_config(config).with_pubsub();
        let context = WorkerContext::new("bench");
        let worker =
            WorkerBuilder::new(&context).backend(storage).concurrency(concurrency).build(handle);
        let running = tokio::spawn(async move {
            if let Err(error) = worker.run().await {
                eprintln!("apalis-postgres: {error}");
            }
        });
        Ok((context, running))
    }

    async fn is_drained(&self, _: &Self::Worker, _: u64) -> Result<bool> {
        let left = "SELECT EXISTS (SELECT FROM apalis.jobs WHERE job_type = 'bench' \
                    AND status IN ('Pending', 'Queued', 'Running'))";
        let left: bool = sqlx::query_scalar(left).fetch_one(&self.0).await?;
        Ok(!left)
    }

    async fn stop(&self, (context, running): Self::Worker) -> Result<()> {
        context.stop().map_err(|error| anyhow!("{error}"))?;
        Ok(running.await?)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let order = taskx_measure::order()?;
    let pool = PgPoolOptions::new().max_connections(20).connect(&order.url).await?;
    PostgresStorage::setup(&pool).await?;
    sqlx::query(ORDERS).execute(&pool).await?;
    let measured = drive::run(Arc::new(Peer(pool)), &order).await?;
    println!("{}", measured.to_line());
    Ok(())
}
