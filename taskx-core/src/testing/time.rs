//! Time that passes as quickly as there is nothing to do in it, on a clock that a test moves.

use std::{sync::Arc, time::Duration};

use super::run::paused;
use crate::{
    app::App,
    clock::{Clock, TestClock, later},
    error::Result,
    inspect::{Inspect, JobFilter, Page},
    job::JobState,
    registry::Registry,
    worker::{AttemptCounts, Scheduler},
};

/// How long a job may take by the machine's clock before the test is told that it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Lets `span` pass on the clock of an App whose store is a
/// [`MemoryStore`](crate::store::memory::MemoryStore) on this clock: stops wherever a schedule or a
/// job falls due, fires what is due, runs it and what it enqueues, and goes on. A year of a daily
/// task takes a fraction of a second. Jobs of a paused queue are left. Answers how the attempts
/// ended.
///
/// # Errors
/// As starting a worker; `Timeout` if a job does not end within a minute of real time, or if its
/// queue is not one of the linked tasks'.
pub async fn pass(app: &App, clock: &TestClock, span: Duration) -> Result<AttemptCounts> {
    let until = later(clock.now(), span);
    let inner = app.inner();
    let scheduler = Arc::new(Scheduler {
        queue: app.queue().clone(),
        tasks: Arc::clone(Registry::all(app.name())?.names()),
        app: inner.name.clone(),
        service: inner.service.clone(),
        version: inner.version.clone(),
        timezone: inner.config.timezone.clone(),
    });
    let declaring = Arc::clone(&scheduler);
    app.queue().on_io(async move { declaring.declare().await }).await?;
    let worker = app.background_worker().start().await?;
    loop {
        let next = fall_due(app, &scheduler).await?;
        run_available(app, &scheduler.tasks).await?;
        // What has run may have left something that is due sooner.
        let sooner = promote(app).await?;
        let next = next.into_iter().chain(sooner).min();
        match next.map(|next| later(clock.now(), next)) {
            Some(at) if at <= until => clock.set(at),
            _ => break,
        }
    }
    clock.set(until);
    worker.stop().await?;
    Ok(worker.counts())
}

/// Fires and promotes what is due; answers how long until something is due again.
async fn fall_due(app: &App, scheduler: &Arc<Scheduler>) -> Result<Option<Duration>> {
    let scheduler = Arc::clone(scheduler);
    let next = app.queue().on_io(async move { scheduler.fire_due().await }).await?;
    Ok(next.into_iter().chain(promote(app).await?).min())
}

async fn promote(app: &App) -> Result<Option<Duration>> {
    let store = Arc::clone(app.queue().store());
    let promoted = app.queue().on_io(async move { store.promote(u32::MAX >> 1).await }).await?;
    for queue in &promoted.queues {
        app.queue().hub().wake(queue);
    }
    Ok(promoted.next_due)
}

/// Waits until no job of these tasks is running, or available in a queue that is not paused.
async fn run_available(app: &App, tasks: &[String]) -> Result<()> {
    let busy = |state| matches!(state, JobState::Available | JobState::Running);
    let filter = JobFilter {
        states: vec![JobState::Available, JobState::Running],
        tasks: tasks.to_vec(),
        ..JobFilter::default()
    };
    loop {
        let mut jobs = app.queue().list(&filter, Page { limit: 1_000, before: None }).await?;
        if jobs.is_empty() {
            return Ok(());
        }
        let paused = paused(app.queue()).await?;
        jobs.retain(|job| job.state == JobState::Running || !paused.contains(&job.queue));
        if jobs.is_empty() {
            return Ok(());
        }
        for job in jobs {
            app.queue().wait_until(job.id, PATIENCE, |state| !busy(state)).await?;
        }
    }
}
