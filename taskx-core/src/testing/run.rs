//! Ways for an application's tests to run its tasks: one inline without a database, or all that
//! are enqueued.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use crate::{
    app::{App, AppBuilder},
    config::Config,
    context::Ctx,
    current,
    driver::DriverDef,
    error::{Error, ErrorKind, Result},
    inspect::{Inspect, JobFilter, Page, QueueInfo},
    job::{ClaimedJob, JobId, JobState, WorkerId},
    queue::Queue,
    registry::Registry,
    store::{Engine, memory::MemoryStore},
    task::{Invocation, Run, Task, TaskDef, decode},
    verdict::Verdict,
    worker::AttemptCounts,
};

/// An App for one test, with a database of its own that is gone with it: a private one of SQLite's
/// where that feature is on, else the memory store. Neither the environment nor `taskx.toml` is
/// read.
///
/// Tests run side by side, so several Apps are live in their process: enqueue with
/// `.to(app.queue())`, or inside of [`Queue::scope`](crate::queue::Queue::scope).
pub fn app() -> AppBuilder {
    let builder = App::builder().config(Config::default());
    let mut drivers = inventory::iter::<DriverDef>.into_iter();
    if drivers.any(|driver| driver.engine == Engine::Sqlite) {
        builder.database_url(":memory:")
    } else {
        builder.store(Arc::new(MemoryStore::new()))
    }
}

/// Runs a task at once and without the database, with the App's states and a first attempt's
/// context: its arguments go through JSON as those of a stored job do.
///
/// # Errors
/// What the task returned, as `source()` of an `Unsuccessful` error; `Payload` if the arguments do
/// not survive JSON; `Config` for a task that takes a connection.
pub async fn run_inline<T: Task>(app: &App, arguments: T) -> Result<T::Output> {
    let payload = serde_json::to_string(&arguments).map_err(|e| {
        Error::new(ErrorKind::Payload, "write the arguments as JSON").with_source(e)
    })?;
    let states = Arc::clone(&app.inner().states);
    let job = inline_job::<T>(payload);
    let ctx =
        Ctx::new(&job, app.queue().clone(), Arc::clone(&states), CancellationToken::new(), None);
    let invocation = Invocation { ctx, payload: job.payload, states };
    let verdict = match &T::DEF.run {
        Run::Async(body) => app.queue().scope(body(invocation)).await,
        Run::Blocking(body) => current::scope_sync(app.queue(), || body(invocation)),
        Run::AsyncTransaction(..) | Run::BlockingTransaction(..) => {
            return Err(Error::new(
                ErrorKind::Config,
                format!(
                    "run `{}` inline: it takes a connection; enqueue it and `drain`",
                    T::DEF.name
                ),
            ));
        }
    };
    match verdict {
        Verdict::Done(result) => decode(result.as_deref().unwrap_or("null")),
        Verdict::Undecodable(error) => Err(error),
        Verdict::Failed(error) => {
            Err(Error::new(ErrorKind::Unsuccessful, format!("`{}` failed: {error}", T::DEF.name))
                .with_source(error))
        }
    }
}

fn inline_job<T: Task>(payload: String) -> ClaimedJob {
    let options = &T::DEF.options;
    ClaimedJob {
        id: JobId::new(),
        owner: WorkerId::new(),
        fence: 1,
        queue: options.queue.into(),
        task: T::DEF.name.to_owned(),
        priority: options.priority,
        attempt: 1,
        max_attempts: i32::from(options.max_attempts),
        payload,
        payload_format: crate::job::PAYLOAD_JSON,
        inserted_at: DateTime::<Utc>::UNIX_EPOCH,
        run_at: DateTime::<Utc>::UNIX_EPOCH,
        crash_count: 0,
        snooze_count: 0,
        solo: false,
        cancel_requested: false,
        extras: None,
    }
}

/// Runs every job that is available until none is, and those that they enqueue; answers how the
/// attempts ended. Jobs that wait for a time are left; let [`travel`] bring it. Those of a paused
/// queue are left too.
///
/// Only the tasks of enqueued jobs need their states.
///
/// # Errors
/// As starting a worker; transient ones.
pub async fn drain(app: &App) -> Result<AttemptCounts> {
    let registry = Registry::all(app.name())?;
    let mut counts = AttemptCounts::default();
    loop {
        let waiting = waiting(app, &registry).await?;
        if waiting.is_empty() {
            return Ok(counts);
        }
        let (mut tasks, mut queues): (BTreeSet<_>, BTreeSet<_>) = waiting.into_iter().unzip();
        // What they enqueue is run too, as far as its states are there.
        tasks.extend(ready_to_run(app, &registry));
        queues.extend(registry.queues());
        let worker = app
            .background_worker()
            .only(tasks)
            .queues(queues.into_iter().map(|queue| (queue, 10)))
            .start()
            .await?;
        worker.wait_idle().await?;
        worker.stop().await?;
        counts += worker.counts();
    }
}

/// Moves every time in the App's database back by `by`, as if that long had passed; workers of this
/// process look at once what has fallen due.
///
/// # Errors
/// Transient ones.
pub async fn travel(app: &App, by: Duration) -> Result<()> {
    let store = Arc::clone(app.queue().store());
    let travelling = async move {
        store.travel(by).await?;
        store.promote(u32::MAX >> 1).await.map(drop)
    };
    app.queue().on_io(travelling).await?;
    let hub = app.queue().hub();
    hub.wake_all();
    hub.schedules_changed.notify_one();
    Ok(())
}

/// The tasks that have all that they need.
fn ready_to_run(app: &App, registry: &Registry) -> impl Iterator<Item = String> {
    let (states, engine) = (Arc::clone(&app.inner().states), app.queue().engine());
    let fits = move |def: &&TaskDef| Registry::needs_of(def, &states, engine).is_empty();
    registry.tasks().into_iter().filter(fits).map(|def| def.name.to_owned())
}

/// Task and queue of each job of a linked task that could run now. One whose task no worker knew
/// may have been parked.
async fn waiting(app: &App, registry: &Registry) -> Result<Vec<(String, String)>> {
    let states = vec![JobState::Available, JobState::Parked];
    let paused = paused(app.queue()).await?;
    let counts = app.queue().count().await?.into_iter();
    let queues: BTreeSet<_> = counts
        .filter(|entry| states.contains(&entry.state) && !paused.contains(&entry.queue))
        .map(|entry| entry.queue)
        .collect();
    if queues.is_empty() {
        return Ok(Vec::new());
    }
    let filter = JobFilter {
        states,
        queues: queues.into_iter().collect(),
        tasks: registry.names().to_vec(),
        ..JobFilter::default()
    };
    let jobs = app.queue().list(&filter, Page { before: None, limit: 1_000 }).await?;
    Ok(jobs.into_iter().map(|job| (job.task, job.queue)).collect())
}

/// The queues of which nothing is claimed.
pub(super) async fn paused(queue: &Queue) -> Result<BTreeSet<String>> {
    let queues = queue.queues().await?.into_iter().filter(QueueInfo::is_paused);
    Ok(queues.map(|queue| queue.name).collect())
}
