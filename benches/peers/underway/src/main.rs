//! underway as one of those that the bench of taskx measures. A task runs inside a transaction of
//! its own connection; finished tasks are kept.
//!
//! Best settings: 64 tasks at once, with a connection for each.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use jiff::{Span, ToSpan};
use sqlx::{PgPool, Postgres, Transaction, postgres::PgPoolOptions};
use taskx_measure::{Contestant, Filling, Handler, Job, ORDERS, Setting, drive, ran};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use underway::{Queue, Task, Worker};

/// The connections besides those of the tasks: listeners, heartbeats, the caller.
const BESIDES: u32 = 8;

#[derive(Clone, Copy)]
struct Bench {
    handler: Handler,
    later: bool,
}

impl Bench {
    const PLAIN: Self = Self { handler: Handler::Nothing, later: false };
}

impl Task for Bench {
    type Input = (bool, Job);
    type Output = ();

    async fn execute(
        &self,
        tx: Transaction<'_, Postgres>,
        (sleeps, job): Self::Input,
    ) -> underway::task::Result<()> {
        if sleeps {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        ran(job.order, &job.customer, &job.note);
        tx.commit().await?;
        Ok(())
    }

    fn delay(&self) -> Span {
        if self.later { 1.hour() } else { Span::new() }
    }
}

struct Peer {
    pool: PgPool,
    queue: Arc<Queue<Bench>>,
    elsewhere: Queue<Bench>,
}

impl Contestant for Peer {
    type Worker = (CancellationToken, JoinHandle<()>);

    async fn enqueue(&self, job: Job) -> Result<()> {
        self.queue.enqueue(&self.pool, &Bench::PLAIN, &(false, job)).await?;
        Ok(())
    }

    async fn enqueue_in_transaction(&self, job: Job) -> Result<()> {
        let mut transaction = self.pool.begin().await?;
        let row = sqlx::query("INSERT INTO bench_orders VALUES ($1)");
        row.bind(i64::try_from(job.order)?).execute(&mut *transaction).await?;
        self.queue.enqueue(&mut *transaction, &Bench::PLAIN, &(false, job)).await?;
        Ok(transaction.commit().await?)
    }

    async fn enqueue_many(&self, jobs: Vec<Job>, filling: Filling) -> Result<()> {
        let queue = if filling.elsewhere { &self.elsewhere } else { &*self.queue };
        let task = Bench { handler: filling.handler, later: filling.later };
        let sleeps = task.handler == Handler::Sleep;
        let inputs: Vec<_> = jobs.into_iter().map(|job| (sleeps, job)).collect();
        queue.enqueue_multi(&self.pool, &task, &inputs).await?;
        Ok(())
    }

    async fn start(&self, setting: Setting) -> Result<Self::Worker> {
        let mut worker = Worker::new(Arc::clone(&self.queue), Bench::PLAIN);
        worker.set_concurrency_limit(concurrency(setting));
        let stop = CancellationToken::new();
        worker.set_shutdown_token(stop.clone());
        let running = tokio::spawn(async move {
            if let Err(error) = worker.run().await {
                eprintln!("underway: {error}");
            }
        });
        Ok((stop, running))
    }

    async fn is_drained(&self, _: &Self::Worker, _: u64) -> Result<bool> {
        let left = "SELECT EXISTS (SELECT FROM underway.task WHERE task_queue_name = 'bench' \
                    AND state IN ('pending', 'in_progress'))";
        let left: bool = sqlx::query_scalar(left).fetch_one(&self.pool).await?;
        Ok(!left)
    }

    async fn stop(&self, (stop, running): Self::Worker) -> Result<()> {
        stop.cancel();
        Ok(running.await?)
    }
}

fn concurrency(setting: Setting) -> usize {
    match setting {
        Setting::Default { concurrency } => concurrency,
        Setting::Best => 64,
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let order = taskx_measure::order()?;
    let connections = u32::try_from(concurrency(Setting::Best))? + BESIDES;
    let pool = PgPoolOptions::new().max_connections(connections).connect(&order.url).await?;
    underway::run_migrations(&pool).await?;
    sqlx::query(ORDERS).execute(&pool).await?;
    let queue = Queue::builder().name("bench").pool(pool.clone()).build().await?;
    let elsewhere = Queue::builder().name("elsewhere").pool(pool.clone()).build().await?;
    let peer = Peer { pool, queue: Arc::new(queue), elsewhere };
    let measured = drive::run(Arc::new(peer), &order).await?;
    println!("{}", measured.to_line());
    Ok(())
}
