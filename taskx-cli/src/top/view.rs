//! How the view is drawn.

use std::time::Duration;

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Modifier, Style},
    text::Line,
    widgets::{Block, Cell, Row, Table, TableState},
};
use taskx_commands::span::{from_now, span};
use taskx_core::job::{Job, JobState};

use super::screen::{Focus, QueueRow, Screen};

const KEYS: &str =
    "Tab table  j/k move  s states  p pause/resume queue  r retry job  c cancel job  q quit";

/// Draws everything. Emphasis is bold and reverse alone, so that no colour is needed.
pub(super) fn draw(frame: &mut Frame<'_>, screen: &Screen) {
    let queues = u16::try_from(screen.queues.len()).unwrap_or(u16::MAX).clamp(1, 12) + 3;
    let [head, top, middle, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(queues),
        Constraint::Min(4),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(Line::from(header(screen)).style(bold()), head);
    draw_queues(frame, top, screen);
    draw_jobs(frame, middle, screen);
    let message = Some(&screen.message).filter(|message| !message.is_empty());
    let text = screen.trouble.as_ref().or(message).map_or(KEYS, String::as_str);
    frame.render_widget(Line::from(text), foot);
}

fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

fn header(screen: &Screen) -> String {
    // Not `sum`, which makes -0 of nothing.
    let done = screen.queues.iter().map(|queue| queue.rates.0).fold(0.0, |all, one| all + one);
    let time = screen.now.map(|now| now.format("%H:%M:%S UTC").to_string()).unwrap_or_default();
    let workers = if screen.workers == 1 { "worker" } else { "workers" };
    format!("taskx  {}  {} {workers}  {done:.1} done/s  {time}", screen.database, screen.workers)
}

fn draw_queues(frame: &mut Frame<'_>, area: Rect, screen: &Screen) {
    let header = [
        "queue", "waiting", "oldest", "running", "later", "retrying", "dead", "done/s", "dead/s",
        "state",
    ];
    let rows = screen.queues.iter().map(|queue| queue_row(queue, screen));
    let widths = [
        Constraint::Min(12),
        Constraint::Length(9),
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Length(9),
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Length(24),
    ];
    let table =
        table(rows.collect(), &widths, &header, "queues".to_owned(), screen.focus == Focus::Queues);
    let mut state = TableState::new().with_selected(screen.queue_at);
    frame.render_stateful_widget(table, area, &mut state);
}

fn queue_row(queue: &QueueRow, screen: &Screen) -> Row<'static> {
    let number = |states: &[JobState]| queue.count(states).to_string();
    let oldest = queue
        .info
        .oldest_available
        .zip(screen.now)
        .map(|(due, now)| span((now - due).to_std().unwrap_or(Duration::ZERO)));
    let state = match (&queue.info.paused_at, &queue.info.paused_by) {
        (None, _) => "active".to_owned(),
        (Some(_), None) => "paused".to_owned(),
        (Some(_), Some(by)) => format!("paused by {by}"),
    };
    let cells = [
        queue.info.name.clone(),
        number(&[JobState::Available]),
        oldest.unwrap_or_default(),
        number(&[JobState::Running]),
        number(&[JobState::Scheduled]),
        number(&[JobState::Retryable]),
        number(&[JobState::Discarded, JobState::Quarantined]),
        format!("{:.1}", queue.rates.0),
        format!("{:.1}", queue.rates.1),
        state,
    ];
    Row::new(cells.map(Cell::from))
}

fn draw_jobs(frame: &mut Frame<'_>, area: Rect, screen: &Screen) {
    let header = ["id", "task", "queue", "attempt", "when", "reason"];
    let rows = screen.jobs.iter().map(|job| job_row(job, screen));
    let widths = [
        Constraint::Length(36),
        Constraint::Min(12),
        Constraint::Length(12),
        Constraint::Length(8),
        Constraint::Length(12),
        Constraint::Fill(2),
    ];
    let title = format!("jobs: {}", screen.listed.name());
    let table = table(rows.collect(), &widths, &header, title, screen.focus == Focus::Jobs);
    let mut state = TableState::new().with_selected(screen.job_at);
    frame.render_stateful_widget(table, area, &mut state);
}

fn job_row(job: &Job, screen: &Screen) -> Row<'static> {
    let time = job.finished_at.or(job.claimed_at.filter(|_| job.state == JobState::Running));
    let when = screen.now.map(|now| from_now(time.unwrap_or(job.run_at), now));
    let cells = [
        job.id.to_string(),
        job.task.clone(),
        job.queue.clone(),
        format!("{}/{}", job.attempt, job.max_attempts),
        when.unwrap_or_default(),
        job.reason
            .as_deref()
            .and_then(|reason| reason.lines().next())
            .unwrap_or_default()
            .to_owned(),
    ];
    Row::new(cells.map(Cell::from))
}

fn table<'t>(
    rows: Vec<Row<'t>>,
    widths: &[Constraint],
    header: &[&'static str],
    title: String,
    has_focus: bool,
) -> Table<'t> {
    let chosen = if has_focus { Modifier::REVERSED } else { Modifier::BOLD };
    Table::new(rows, widths.iter().copied())
        .header(Row::new(header.iter().map(|name| Cell::from(*name))).style(bold()))
        .block(Block::bordered().title(title))
        .row_highlight_style(Style::new().add_modifier(chosen))
}
