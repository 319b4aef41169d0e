//! New jobs.

use std::collections::HashSet;

use super::tables::{Row, Tables, Time};
use crate::{
    clock::later,
    error::{Error, ErrorKind, Result},
    job::{Job, JobState, NewJob, RunAt},
    store::Inserted,
};

/// Inserts all or, at a conflict, none.
pub(super) fn insert(tables: &mut Tables, now: Time, jobs: &[NewJob]) -> Result<Vec<Inserted>> {
    let mut taken = HashSet::new();
    let mut answers = Vec::with_capacity(jobs.len());
    for job in jobs {
        let is_new = taken.insert(job.id);
        let answer = if job.check_id {
            if is_new && !tables.knows(job.id) { Inserted::New } else { Inserted::Existing }
        } else if is_new && !tables.live.contains(job.id) {
            Inserted::New
        } else {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!("insert jobs: there is a job {} already", job.id),
            ));
        };
        answers.push(answer);
    }
    for (job, answer) in jobs.iter().zip(&answers) {
        if *answer == Inserted::New {
            tables.live.put(row(job, now));
        }
    }
    Ok(answers)
}

/// The row of a new job.
fn row(new: &NewJob, now: Time) -> Row {
    let run_at = match new.run_at {
        RunAt::Now => now,
        RunAt::In(delay) => later(now, delay),
        RunAt::At(time) => time,
    };
    let state = if run_at <= now { JobState::Available } else { JobState::Scheduled };
    let mut job =
        Job::new(new.id, state, new.queue.clone().into_owned(), new.task.clone().into_owned(), now);
    job.priority = new.priority;
    job.max_attempts = new.max_attempts;
    job.payload.clone_from(&new.payload);
    job.run_at = run_at;
    job.extras = new.extras.as_deref().cloned().unwrap_or_default();
    Row { job, solo: false, prune_at: None }
}
