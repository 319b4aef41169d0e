//! What an application's tests say of its queue: what is enqueued, and what is not.

use std::{fmt::Write, panic::Location};

use crate::{
    error::Result,
    inspect::{Inspect, JobFilter, Page},
    job::{Job, JobState},
    queue::Queue,
    task::{Task, decode},
};

/// The states of jobs that have not ended.
const LIVE: &[JobState] = &[
    JobState::Available,
    JobState::Running,
    JobState::Scheduled,
    JobState::Retryable,
    JobState::Parked,
    JobState::Blocked,
];

/// The jobs of this task that have not ended, with their arguments, newest first (1,000 at most).
///
/// # Errors
/// `Payload` if stored arguments do not decode; transient ones.
pub async fn enqueued<T: Task>(queue: &Queue) -> Result<Vec<(Job, T)>> {
    let jobs = live_jobs::<T>(queue).await?;
    jobs.into_iter()
        .map(|job| {
            let arguments = decode(&job.payload)?;
            Ok((job, arguments))
        })
        .collect()
}

/// Passes if a job of this task with these arguments is enqueued and has not ended.
///
/// # Panics
/// If there is none (the message lists the task's jobs with their arguments), or if the database
/// does not answer.
#[track_caller]
pub fn assert_enqueued<'a, T: Task>(
    queue: &'a Queue,
    arguments: &T,
) -> impl Future<Output = ()> + Send + 'a {
    let wanted = as_json(arguments);
    check::<T>(queue, Location::caller(), move |jobs| {
        let found = jobs.iter().any(|job| same(&job.payload, &wanted));
        (!found).then(|| format!("no job of `{}` with {wanted} is enqueued", T::DEF.name))
    })
}

/// Passes if no job of this task with these arguments is enqueued.
///
/// # Panics
/// If there is one, or if the database does not answer.
#[track_caller]
pub fn refute_enqueued<'a, T: Task>(
    queue: &'a Queue,
    arguments: &T,
) -> impl Future<Output = ()> + Send + 'a {
    let unwanted = as_json(arguments);
    check::<T>(queue, Location::caller(), move |jobs| {
        let found = jobs.iter().any(|job| same(&job.payload, &unwanted));
        found.then(|| format!("a job of `{}` with {unwanted} is enqueued", T::DEF.name))
    })
}

/// Passes if no job of this task is enqueued, whatever its arguments.
///
/// # Panics
/// If there is one, or if the database does not answer.
#[track_caller]
pub fn refute_any_enqueued<T: Task>(queue: &Queue) -> impl Future<Output = ()> + Send + '_ {
    check::<T>(queue, Location::caller(), |jobs| {
        (!jobs.is_empty()).then(|| format!("jobs of `{}` are enqueued", T::DEF.name))
    })
}

/// Panics with what `complaint` says of the task's live jobs, and with the place of the caller.
#[expect(clippy::panic, reason = "an assertion panics")]
async fn check<T: Task>(
    queue: &Queue,
    place: &Location<'_>,
    complaint: impl FnOnce(&[Job]) -> Option<String>,
) {
    let jobs = or_panic(live_jobs::<T>(queue).await);
    if let Some(complaint) = complaint(&jobs) {
        panic!("{place}: {complaint}{}", listing(&jobs));
    }
}

async fn live_jobs<T: Task>(queue: &Queue) -> Result<Vec<Job>> {
    let filter = JobFilter {
        tasks: T::DEF.names().map(ToOwned::to_owned).collect(),
        states: LIVE.to_vec(),
        ..JobFilter::default()
    };
    queue.list(&filter, Page { before: None, limit: 1_000 }).await
}

fn as_json<T: Task>(arguments: &T) -> serde_json::Value {
    or_panic(serde_json::to_value(arguments))
}

/// Whether a stored payload means these arguments, whatever the order of its keys.
fn same(payload: &str, arguments: &serde_json::Value) -> bool {
    serde_json::from_str::<serde_json::Value>(payload).is_ok_and(|stored| stored == *arguments)
}

fn listing(jobs: &[Job]) -> String {
    let mut text = format!("; there are {} of this task", jobs.len());
    for job in jobs {
        let _ = write!(text, "\n  {} {} {}", job.id, job.state, job.payload);
    }
    text
}

#[track_caller]
#[expect(clippy::panic, reason = "an assertion panics")]
fn or_panic<R, E: std::fmt::Debug>(result: std::result::Result<R, E>) -> R {
    result.unwrap_or_else(|e| panic!("look at the queue: {e:?}"))
}
