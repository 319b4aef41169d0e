//! `taskx jobs show`: all that is known of a job.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use taskx_commands::{
    Failure, Output,
    span::{from_now, time},
};
use taskx_core::{
    app::App,
    inspect::{AttemptInfo, Inspect},
    job::{Job, JobId},
};

/// A job as machines get it: its columns, and its arguments as JSON beside the stored text.
#[derive(Debug, Serialize)]
pub(super) struct View<'a> {
    #[serde(flatten)]
    job: &'a Job,
    /// Left out where the stored text is no JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<&'a RawValue>,
}

impl<'a> View<'a> {
    pub(super) fn of(job: &'a Job) -> Self {
        Self { job, args: serde_json::from_str(&job.payload).ok() }
    }
}

#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    view: View<'a>,
    failures: &'a [AttemptInfo],
}

/// Shows a job.
///
/// # Errors
/// If there is none of this id, or the database does not answer.
pub(super) async fn show(id: JobId, app: &App, out: &mut Output) -> Result<(), Failure> {
    let job = app.queue().find(id).await?.ok_or_else(|| gone(id))?;
    let failures = app.queue().attempts(id).await?;
    if out.is_json() {
        return out.json(&Whole { view: View::of(&job), failures: &failures });
    }
    let now = app.queue().now().await?;
    for (name, value) in facts(&job, now) {
        out.line(format_args!("{name:<12} {value}"))?;
    }
    for failure in &failures {
        out.line("")?;
        out.line(format_args!(
            "attempt {} ended {} ({}): {}",
            failure.attempt,
            from_now(failure.ended_at, now),
            failure.outcome,
            failure.error
        ))?;
        if let Some(backtrace) = &failure.backtrace {
            out.line(backtrace.trim_end())?;
        }
    }
    Ok(())
}

/// That there is no such job.
pub(super) fn gone(id: JobId) -> Failure {
    Failure::failed(format!("there is no job {id}"))
        .mend("was it deleted, or is its retention over? `taskx jobs list` shows those that are")
}

/// What there is to tell, in the order in which it is read.
fn facts(job: &Job, now: DateTime<Utc>) -> Vec<(&'static str, String)> {
    let at = |at: DateTime<Utc>| format!("{} ({})", time(at), from_now(at, now));
    let extras = &job.extras;
    let all = [
        ("id", Some(job.id.to_string())),
        ("task", Some(job.task.clone())),
        ("state", Some(job.state.to_string())),
        ("reason", job.reason.clone()),
        ("queue", Some(job.queue.clone())),
        ("priority", Some(job.priority.to_string())),
        ("attempt", Some(format!("{} of {}", job.attempt, job.max_attempts))),
        ("arguments", Some(job.payload.clone())),
        ("result", job.result.clone()),
        ("progress", job.progress.clone()),
        ("enqueued", Some(at(job.inserted_at))),
        ("due", Some(at(job.run_at))),
        ("claimed", job.claimed_at.map(at)),
        ("finished", job.finished_at.map(at)),
        ("cancelling", job.cancel_requested_at.map(at)),
        ("worker", job.owner.map(|owner| owner.to_string())),
        ("crashes", (job.crash_count > 0).then(|| job.crash_count.to_string())),
        ("snoozes", (job.snooze_count > 0).then(|| job.snooze_count.to_string())),
        ("tags", (!extras.tags.is_empty()).then(|| extras.tags.join(", "))),
        ("meta", extras.meta.as_ref().and_then(|meta| serde_json::to_string(meta).ok())),
        ("schedule", extras.schedule.clone()),
        ("slot", extras.slot.map(time)),
        ("parent", extras.parent_id.map(|parent| parent.to_string())),
        ("trace", extras.trace.clone()),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}
