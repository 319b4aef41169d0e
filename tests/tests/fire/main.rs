//! Schedules that fire: on every engine, once over all workers, declared in code or at run time.
#![expect(clippy::unwrap_used, reason = "a test")]

mod dates;
mod kinds;
mod misfire;
mod overlap;
mod owners;
mod run_time;

use chrono::{DateTime, Utc};
use taskx::{
    App, Job,
    inspect::{Inspect, JobFilter, Page},
};

/// The jobs of a schedule, live and finished, oldest slot first.
async fn fired(app: &App, schedule: &str) -> Vec<Job> {
    let page = Page { before: None, limit: 1_000 };
    let jobs = app.queue().list(&JobFilter::default(), page).await.unwrap();
    let mut jobs: Vec<_> =
        jobs.into_iter().filter(|job| job.extras.schedule.as_deref() == Some(schedule)).collect();
    jobs.sort_by_key(|job| job.extras.slot);
    jobs
}

/// Their slots.
async fn slots(app: &App, schedule: &str) -> Vec<DateTime<Utc>> {
    fired(app, schedule).await.iter().map(|job| job.extras.slot.unwrap()).collect()
}
