//! taskx as one of those that are measured, by its public interface.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use taskx::{App, WorkerHandle};
use taskx_measure::{Contestant, Filling, Handler, Job, Measured, Order, Setting, drive};

use tokio::sync::Mutex;

use crate::{
    shop::Shop,
    tasks::{ELSEWHERE, Forgotten, Nothing, QUEUE, Sleepy},
};

/// The concurrency that measures best.
const BEST: usize = 256;

/// When jobs are due that shall not be drained.
const LATER: Duration = Duration::from_secs(3_600);

/// Does what is asked.
pub(crate) async fn run(order: &Order) -> Result<Measured> {
    let app = App::builder().database_url(&order.url).debug(false).build().await?;
    let taskx = Taskx { app: app.clone(), url: order.url.clone(), shop: Mutex::const_new(None) };
    let measured = drive::run(Arc::new(taskx), order).await?;
    app.shutdown().await?;
    Ok(measured)
}

struct Taskx {
    app: App,
    url: String,
    /// The caller's own connection, from its first use on.
    shop: Mutex<Option<Shop>>,
}

impl Contestant for Taskx {
    type Worker = WorkerHandle;

    async fn enqueue(&self, Job { order, customer, note }: Job) -> Result<()> {
        Nothing::apply(order, customer, note).await?;
        Ok(())
    }

    async fn enqueue_in_transaction(&self, job: Job) -> Result<()> {
        let mut shop = self.shop.lock().await;
        let shop = match &mut *shop {
            Some(shop) => shop,
            none => none.insert(Shop::open(&self.url).await?),
        };
        shop.place(job).await
    }

    async fn enqueue_many(&self, jobs: Vec<Job>, filling: Filling) -> Result<()> {
        let queue = if filling.elsewhere { ELSEWHERE } else { QUEUE };
        macro_rules! many {
            ($Task:ident) => {{
                let many = jobs.into_iter().map(|Job { order, customer, note }| {
                    let job = $Task::apply(order, customer, note).queue(queue);
                    if filling.later { job.delay(LATER) } else { job }
                });
                self.app.queue().apply_many(many).await?;
            }};
        }
        match filling.handler {
            Handler::Nothing => many!(Nothing),
            Handler::Forget => many!(Forgotten),
            Handler::Sleep => many!(Sleepy),
        }
        Ok(())
    }

    async fn start(&self, setting: Setting) -> Result<WorkerHandle> {
        let concurrency = match setting {
            Setting::Default { concurrency } => concurrency,
            Setting::Best => BEST,
        };
        let worker = self.app.background_worker().queues([(QUEUE, concurrency)]);
        Ok(worker.start().await?)
    }

    async fn is_drained(&self, worker: &WorkerHandle, jobs: u64) -> Result<bool> {
        // Counted when the outcome is stored.
        Ok(worker.counts().completed >= jobs)
    }

    async fn drain_with_others(&self, worker: &WorkerHandle) -> Result<u64> {
        worker.wait_idle().await?;
        Ok(worker.counts().completed)
    }

    async fn stop(&self, worker: WorkerHandle) -> Result<()> {
        worker.stop().await?;
        Ok(())
    }
}
