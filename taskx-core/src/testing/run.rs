//! Ways for an application's tests to run its tasks: one inline without a database, or all that
//! are enqueued.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use crate::{
    app::App,
    context::Ctx,
    current,
    error::{Error, ErrorKind, Result},
    inspect::{Inspect, JobFilter, Page},
    job::{ClaimedJob, JobId, JobState, WorkerId},
    task::{Invocation, Run, Task, decode, registered},
    verdict::Verdict,
    worker::AttemptCounts,
};

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
/// attempts ended. Jobs that wait for a time are left; let [`travel`] bring it.
///
/// Only the tasks of enqueued jobs need their states.
///
/// # Errors
/// As starting a worker; transient ones.
pub async fn drain(app: &App) -> Result<AttemptCounts> {
    let mut counts = AttemptCounts::default();
    loop {
        let tasks = available_tasks(app).await?;
        if tasks.is_empty() {
            return Ok(counts);
        }
        let queues = registered_queues(&tasks, app).await?;
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

/// Moves every time in the App's database back by `by`, as if that long had passed.
///
/// # Errors
/// Transient ones.
pub async fn travel(app: &App, by: Duration) -> Result<()> {
    let store = Arc::clone(app.queue().store());
    app.queue()
        .on_io(async move {
            store.travel(by).await?;
            store.promote(u32::MAX >> 1).await.map(drop)
        })
        .await
}

/// The linked tasks of which jobs are available.
async fn available_tasks(app: &App) -> Result<BTreeSet<String>> {
    let names: BTreeSet<&str> =
        registered().filter(|def| def.app == app.name()).flat_map(|def| def.names()).collect();
    let jobs = available(app).await?;
    Ok(jobs
        .into_iter()
        .map(|(task, _)| task)
        .filter(|task| names.contains(task.as_str()))
        .collect())
}

/// The queues in which those jobs are.
async fn registered_queues(tasks: &BTreeSet<String>, app: &App) -> Result<BTreeSet<String>> {
    let jobs = available(app).await?;
    Ok(jobs.into_iter().filter(|(task, _)| tasks.contains(task)).map(|(_, queue)| queue).collect())
}

/// Task and queue of each available job.
async fn available(app: &App) -> Result<Vec<(String, String)>> {
    let filter = JobFilter { states: vec![JobState::Available], ..JobFilter::default() };
    let jobs = app.queue().list(&filter, Page { before: None, limit: 1_000 }).await?;
    Ok(jobs.into_iter().map(|job| (job.task, job.queue)).collect())
}
