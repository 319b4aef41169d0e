//! graphile_worker as one of those that the bench of taskx measures. It deletes finished jobs and
//! has no fence.
//!
//! Best settings, as its own bench has them: a local queue of 5,000, completions and failures
//! batched for 5 ms.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use graphile_worker::{
    IntoTaskHandlerResult, JobSpec, LocalQueueConfig, RawJobSpec, TaskHandler, Worker,
    WorkerContext, WorkerOptions, WorkerUtils,
};
use serde::{Deserialize, Serialize};
use sqlx::{PgPool, postgres::PgPoolOptions};
use taskx_measure::{Contestant, Filling, Handler, Job, Setting, drive, ran};
use tokio::task::JoinHandle;

const SCHEMA: &str = "graphile_worker";

macro_rules! task {
    ($Task:ident $name:literal $body:expr) => {
        #[derive(Clone, Serialize, Deserialize)]
        struct $Task(Job);

        impl TaskHandler for $Task {
            const IDENTIFIER: &'static str = $name;

            async fn run(self, _: WorkerContext) -> impl IntoTaskHandlerResult {
                $body.await;
                ran(self.0.order, &self.0.customer, &self.0.note);
                Ok::<(), String>(())
            }
        }
    };
}

task!(Nothing "nothing" std::future::ready(()));
task!(Sleepy "sleepy" tokio::time::sleep(Duration::from_millis(5)));

struct Peer {
    pool: PgPool,
    utils: WorkerUtils,
}

impl Contestant for Peer {
    type Worker = (Arc<Worker>, JoinHandle<()>);

    async fn enqueue(&self, job: Job) -> Result<()> {
        self.utils.add_job(Nothing(job), JobSpec::default()).await?;
        Ok(())
    }

    async fn enqueue_many(&self, jobs: Vec<Job>, filling: Filling) -> Result<()> {
        let identifier = match filling.handler {
            _ if filling.elsewhere => "elsewhere",
            Handler::Nothing | Handler::Forget => Nothing::IDENTIFIER,
            Handler::Sleep => Sleepy::IDENTIFIER,
        };
        let spec = || JobSpec {
            run_at: filling.later.then(|| chrono::Utc::now() + chrono::Duration::hours(1)),
            ..JobSpec::default()
        };
        let raw = |job| {
            let payload = serde_json::to_value(job)?;
            anyhow::Ok(RawJobSpec { identifier: identifier.to_owned(), payload, spec: spec() })
        };
        let jobs = jobs.into_iter().map(raw).collect::<Result<Vec<_>>>()?;
        self.utils.add_raw_jobs(&jobs).await?;
        Ok(())
    }

    async fn start(&self, setting: Setting) -> Result<Self::Worker> {
        let options = WorkerOptions::default()
            .pg_pool(self.pool.clone())
            .schema(SCHEMA)
            .listen_os_shutdown_signals(false)
            .define_job::<Nothing>()
            .define_job::<Sleepy>();
        let options = match setting {
            Setting::Default { concurrency } => options.concurrency(concurrency),
            Setting::Best => options
                .concurrency(64)
                .complete_job_batch_delay(Duration::from_millis(5))
                .fail_job_batch_delay(Duration::from_millis(5))
                .local_queue(LocalQueueConfig::default().with_size(5_000)),
        };
        let worker = Arc::new(options.init().await?);
        let running = Arc::clone(&worker);
        let running = tokio::spawn(async move {
            if let Err(error) = running.run().await {
                eprintln!("graphile_worker: {error}");
            }
        });
        Ok((worker, running))
    }

    async fn is_drained(&self, _: &Self::Worker, _: u64) -> Result<bool> {
        // What is finished is deleted.
        let left = "SELECT EXISTS (SELECT FROM graphile_worker._private_jobs)";
        let left: bool = sqlx::query_scalar(left).fetch_one(&self.pool).await?;
        Ok(!left)
    }

    async fn stop(&self, (worker, running): Self::Worker) -> Result<()> {
        worker.request_shutdown();
        Ok(running.await?)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let order = taskx_measure::order()?;
    let pool = PgPoolOptions::new().max_connections(20).connect(&order.url).await?;
    let utils = WorkerUtils::new(pool.clone(), SCHEMA);
    utils.migrate().await?;
    let measured = drive::run(Arc::new(Peer { pool, utils }), &order).await?;
    println!("{}", measured.to_line());
    Ok(())
}
