//! `taskx jobs list`: a page of jobs.

use chrono::{DateTime, Utc};
use taskx_commands::{Failure, Output, Table, span::from_now};
use taskx_core::{
    app::App,
    inspect::{Inspect, JobFilter},
    job::{Job, JobState},
};

use super::{filter::Paging, show::View};

/// The most characters of arguments or a reason in a table.
const CELL: usize = 60;

/// Lists jobs, newest first.
///
/// # Errors
/// If the database does not answer.
pub(crate) async fn list(
    filter: &JobFilter,
    paging: &Paging,
    app: &App,
    out: &mut Output,
) -> Result<(), Failure> {
    let page = paging.page();
    let jobs = app.queue().list(filter, page).await?;
    if out.is_json() {
        let views: Vec<_> = jobs.iter().map(View::of).collect();
        return out.json(&views);
    }
    if jobs.is_empty() {
        return out.line("no job fits");
    }
    let now = app.queue().now().await?;
    let mut table =
        Table::new(&["id", "state", "queue", "task", "attempt", "when", "arguments", "reason"]);
    for job in &jobs {
        table.row([
            job.id.to_string(),
            job.state.to_string(),
            job.queue.clone(),
            job.task.clone(),
            format!("{}/{}", job.attempt, job.max_attempts),
            when(job, now),
            cut(&job.payload),
            job.reason.as_deref().map(cut).unwrap_or_default(),
        ]);
    }
    out.table(&table)?;
    match jobs.last() {
        Some(last) if jobs.len() == page.limit as usize => {
            out.line(format_args!("more: --before {}", last.id))
        }
        _ => Ok(()),
    }
}

/// The time that matters in a job's state.
fn when(job: &Job, now: DateTime<Utc>) -> String {
    let time = match job.state {
        JobState::Running => job.claimed_at.unwrap_or(job.run_at),
        state if state.is_finished() => job.finished_at.unwrap_or(job.run_at),
        _ => job.run_at,
    };
    from_now(time, now)
}

/// The beginning of a text, in one line.
fn cut(text: &str) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(CELL) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_one_short_line() {
        assert_eq!(cut("{\n  \"a\": 1\n}"), "{ \"a\": 1 }");
        assert_eq!(cut(&"é".repeat(100)), format!("{}…", "é".repeat(60)));
    }
}
