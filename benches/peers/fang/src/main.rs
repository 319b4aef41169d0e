//! fang as one of those that the bench of taskx measures. It deletes finished tasks (or keeps them,
//! on request), and has no lease: what was running when its process died stays so.
//!
//! Best settings: enqueued by its async queue over 64 connections (it has no batch interface: many
//! tasks are many inserts); run by its blocking workers, 10 threads, since the async ones run a task
//! more than once.

use std::{fmt, sync::Arc, time::Duration};

use anyhow::{Result, bail};
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl, r2d2, sql_types::BigInt};
use fang::{
    AsyncRunnable, FangError, Queue, Queueable, Runnable, SleepParams, WorkerPool, async_trait,
    asynk::{async_queue::AsyncQueue, async_queue::AsyncQueueable},
};
use serde::{Deserialize, Serialize};
use taskx_measure::{Contestant, Filling, Handler, Job, Setting, drive, ran};

/// From how many tasks many jobs are enqueued.
const CALLERS: usize = 64;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Bench {
    job: Job,
    sleeps: bool,
    elsewhere: bool,
}

impl Bench {
    fn run(&self) {
        if self.sleeps {
            std::thread::sleep(Duration::from_millis(5));
        }
        ran(self.job.order, &self.job.customer, &self.job.note);
    }

    fn queue(&self) -> String {
        if self.elsewhere { "elsewhere" } else { "bench" }.to_owned()
    }
}

#[typetag::serde]
impl Runnable for Bench {
    fn run(&self, _: &dyn Queueable) -> Result<(), FangError> {
        Self::run(self);
        Ok(())
    }

    fn task_type(&self) -> String {
        self.queue()
    }
}

#[typetag::serde]
#[async_trait]
impl AsyncRunnable for Bench {
    async fn run(&self, _: &dyn AsyncQueueable) -> Result<(), FangError> {
        Self::run(self);
        Ok(())
    }

    fn task_type(&self) -> String {
        self.queue()
    }
}

struct Peer {
    url: String,
    queue: AsyncQueue,
}

#[derive(QueryableByName)]
struct Left {
    #[diesel(sql_type = BigInt)]
    jobs: i64,
}

impl Contestant for Peer {
    type Worker = ();

    async fn enqueue(&self, job: Job) -> Result<()> {
        let task = Bench { job, sleeps: false, elsewhere: false };
        self.queue.insert_task(&task).await.map_err(told)?;
        Ok(())
    }

    async fn enqueue_many(&self, jobs: Vec<Job>, filling: Filling) -> Result<()> {
        if filling.later {
            bail!("fang has no cheap way to enqueue many for later");
        }
        let (sleeps, elsewhere) = (filling.handler == Handler::Sleep, filling.elsewhere);
        let mut callers = Vec::new();
        for share in jobs.chunks(jobs.len().div_ceil(CALLERS).max(1)) {
            let (queue, share) = (self.queue.clone(), share.to_vec());
            callers.push(tokio::spawn(async move {
                for job in share {
                    queue.insert_task(&Bench { job, sleeps, elsewhere }).await.map_err(told)?;
                }
                anyhow::Ok(())
            }));
        }
        for caller in callers {
            caller.await??;
        }
        Ok(())
    }

    async fn start(&self, setting: Setting) -> Result<()> {
        let workers = match setting {
            Setting::Default { concurrency } => u32::try_from(concurrency)?,
            Setting::Best => 10,
        };
        let url = self.url.clone();
        tokio::task::spawn_blocking(move || {
            let manager = r2d2::ConnectionManager::<PgConnection>::new(url);
            let pool = r2d2::Pool::builder().max_size(workers).build(manager)?;
            let sleep = Duration::from_millis(50);
            let mut pool = WorkerPool::<Queue>::builder()
                .queue(Queue::builder().connection_pool(pool).build())
                .number_of_workers(workers)
                .task_type("bench")
                .sleep_params(
                    SleepParams::builder()
                        .sleep_period(sleep)
                        .min_sleep_period(sleep)
                        .max_sleep_period(sleep)
                        .sleep_step(sleep)
                        .build(),
                )
                .build();
            pool.start().map_err(told)
        })
        .await?
    }

    async fn is_drained(&self, (): &(), _: u64) -> Result<bool> {
        let url = self.url.clone();
        tokio::task::spawn_blocking(move || {
            let count = "SELECT count(*) AS jobs FROM fang_tasks \
                         WHERE task_type = 'bench' AND state IN ('new', 'in_progress')";
            let mut conn = PgConnection::establish(&url)?;
            let left: Left = diesel::sql_query(count).get_result(&mut conn)?;
            Ok(left.jobs == 0)
        })
        .await?
    }

    async fn stop(&self, (): ()) -> Result<()> {
        // Its threads end with the process only.
        Ok(())
    }
}

fn told(error: impl fmt::Debug) -> anyhow::Error {
    anyhow::anyhow!("{error:?}")
}

#[tokio::main]
async fn main() -> Result<()> {
    let order = taskx_measure::order()?;
    let url = order.url.clone();
    tokio::task::spawn_blocking(move || {
        let mut conn = PgConnection::establish(&url)?;
        fang::run_migrations_postgres(&mut conn).map_err(told)
    })
    .await??;
    let connections = u32::try_from(CALLERS)?;
    let mut queue = AsyncQueue::builder().uri(&order.url).max_pool_size(connections).build();
    queue.connect().await.map_err(told)?;
    let peer = Peer { url: order.url.clone(), queue };
    let measured = drive::run(Arc::new(peer), &order).await?;
    println!("{}", measured.to_line());
    Ok(())
}
