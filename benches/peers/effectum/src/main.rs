//! effectum as one of those that the bench of taskx measures. It writes with `synchronous = NORMAL`:
//! a commit is not on the disk when it returns. Finished jobs are kept.
//!
//! Best settings: a file in WAL mode (its own attempt at it misses the pragma's name), 100 jobs at
//! once.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::Result;
use effectum::{JobRunner, Queue, RunningJob, Worker};
use taskx_measure::{Contestant, Filling, Handler, Job, Setting, drive, ran};

struct Peer(Queue);

async fn nothing(running: RunningJob, _: ()) -> Result<(), String> {
    let job: Job = running.json_payload().map_err(|error| error.to_string())?;
    ran(job.order, &job.customer, &job.note);
    Ok(())
}

async fn sleepy(running: RunningJob, context: ()) -> Result<(), String> {
    tokio::time::sleep(Duration::from_millis(5)).await;
    nothing(running, context).await
}

impl Contestant for Peer {
    type Worker = Worker;

    async fn enqueue(&self, job: Job) -> Result<()> {
        let job = effectum::Job::builder("nothing").json_payload(&job)?.build();
        self.0.add_job(job).await?;
        Ok(())
    }

    async fn enqueue_many(&self, jobs: Vec<Job>, filling: Filling) -> Result<()> {
        let name = match filling.handler {
            _ if filling.elsewhere => "elsewhere",
            Handler::Nothing | Handler::Forget => "nothing",
            Handler::Sleep => "sleepy",
        };
        let build = |job| {
            let builder = effectum::Job::builder(name).json_payload(&job)?;
            let later = time::OffsetDateTime::now_utc() + Duration::from_secs(3_600);
            let builder = if filling.later { builder.run_at(later) } else { builder };
            anyhow::Ok(builder.build())
        };
        let jobs = jobs.into_iter().map(build).collect::<Result<Vec<_>>>()?;
        self.0.add_jobs(jobs).await?;
        Ok(())
    }

    async fn start(&self, setting: Setting) -> Result<Worker> {
        let concurrency = match setting {
            Setting::Default { concurrency } => concurrency.try_into()?,
            Setting::Best => 100,
        };
        let jobs = [
            JobRunner::builder("nothing", nothing).build(),
            JobRunner::builder("sleepy", sleepy).build(),
        ];
        let worker = Worker::builder(&self.0, ()).max_concurrency(concurrency).jobs(jobs);
        Ok(worker.build().await?)
    }

    async fn is_drained(&self, _: &Worker, _: u64) -> Result<bool> {
        let active = self.0.num_active_jobs().await?;
        Ok(active.pending + active.running == 0)
    }

    async fn stop(&self, worker: Worker) -> Result<()> {
        Ok(worker.unregister(Some(Duration::from_secs(10))).await?)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let order = taskx_measure::order()?;
    let path = Path::new(order.url.strip_prefix("sqlite://").unwrap_or(&order.url));
    rusqlite::Connection::open(path)?.query_row("PRAGMA journal_mode = wal", [], |_| Ok(()))?;
    let peer = Arc::new(Peer(Queue::new(path).await?));
    let measured = drive::run(Arc::clone(&peer), &order).await?;
    println!("{}", measured.to_line());
    peer.0.close(Duration::from_secs(10)).await?;
    Ok(())
}
