//! What the view knows: counts, rates, jobs, and what is chosen.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use taskx_core::{
    app::App,
    config::without_secrets,
    driver::DEFAULT_URL,
    error::{Result, chain},
    inspect::{Inspect, JobFilter, Page, QueueInfo},
    job::{Job, JobState},
};

/// The most jobs that are listed.
const JOBS: u32 = 100;

/// Which jobs are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listed {
    Running,
    Waiting,
    Retrying,
    Later,
    Dead,
    Done,
}

impl Listed {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Retrying => "retrying",
            Self::Later => "later",
            Self::Dead => "dead",
            Self::Done => "done",
        }
    }

    pub(super) fn next(self) -> Self {
        match self {
            Self::Running => Self::Waiting,
            Self::Waiting => Self::Retrying,
            Self::Retrying => Self::Later,
            Self::Later => Self::Dead,
            Self::Dead => Self::Done,
            Self::Done => Self::Running,
        }
    }

    fn states(self) -> Vec<JobState> {
        match self {
            Self::Running => vec![JobState::Running],
            Self::Waiting => vec![JobState::Available, JobState::Parked],
            Self::Retrying => vec![JobState::Retryable],
            Self::Later => vec![JobState::Scheduled],
            Self::Dead => vec![JobState::Discarded, JobState::Quarantined],
            Self::Done => vec![JobState::Completed, JobState::Cancelled],
        }
    }
}

/// The table that keys move in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Focus {
    Queues,
    Jobs,
}

/// A queue with its counts.
#[derive(Debug, Clone)]
pub(super) struct QueueRow {
    pub(super) info: QueueInfo,
    pub(super) counts: BTreeMap<JobState, i64>,
    /// Jobs completed and jobs dead each second since the look before.
    pub(super) rates: (f64, f64),
}

impl QueueRow {
    pub(super) fn count(&self, states: &[JobState]) -> i64 {
        states.iter().filter_map(|state| self.counts.get(state)).sum()
    }

    fn ended(&self) -> (i64, i64) {
        let dead = [JobState::Discarded, JobState::Quarantined];
        (self.count(&[JobState::Completed]), self.count(&dead))
    }
}

/// All that is drawn.
#[derive(Debug)]
pub(super) struct Screen {
    pub(super) database: String,
    pub(super) now: Option<DateTime<Utc>>,
    pub(super) workers: usize,
    pub(super) queues: Vec<QueueRow>,
    pub(super) jobs: Vec<Job>,
    pub(super) listed: Listed,
    pub(super) focus: Focus,
    /// The chosen row of each table; it may lie behind the end.
    pub(super) queue_at: usize,
    pub(super) job_at: usize,
    /// What was done last, or is asked.
    pub(super) message: String,
    /// Why the last look failed.
    pub(super) trouble: Option<String>,
    /// What is to be done after a yes.
    pub(super) asked: Option<super::keys::Action>,
    looked: Option<Instant>,
}

impl Screen {
    pub(super) fn new(app: &App) -> Self {
        let url = app.config().database_url.as_deref().unwrap_or(DEFAULT_URL);
        Self {
            database: format!("{} {}", app.queue().engine(), without_secrets(url)),
            now: None,
            workers: 0,
            queues: Vec::new(),
            jobs: Vec::new(),
            listed: Listed::Running,
            focus: Focus::Queues,
            queue_at: 0,
            job_at: 0,
            message: String::new(),
            trouble: None,
            asked: None,
            looked: None,
        }
    }

    /// Asks the database; an error is shown, and what was known before stays.
    pub(super) async fn look(&mut self, app: &App) {
        self.trouble = self.read(app).await.err().map(|error| chain(&error));
    }

    async fn read(&mut self, app: &App) -> Result<()> {
        let queue = app.queue();
        let mut counts: BTreeMap<String, BTreeMap<JobState, i64>> = BTreeMap::new();
        for entry in queue.count().await? {
            counts.entry(entry.queue).or_default().insert(entry.state, entry.count);
        }
        let since = self.looked.replace(Instant::now()).map(|looked| looked.elapsed());
        let rows: Vec<QueueRow> = rows(queue.queues().await?, counts)
            .map(|row| QueueRow { rates: self.rates(&row, since), ..row })
            .collect();
        let filter = JobFilter { states: self.listed.states(), ..JobFilter::default() };
        self.jobs = queue.list(&filter, Page { before: None, limit: JOBS }).await?;
        self.workers = queue.workers().await?.len();
        self.now = Some(queue.now().await?);
        self.queues = rows;
        Ok(())
    }

    /// How many jobs of a queue have ended each second since it was looked at before. What retention
    /// took away meanwhile makes no rate negative.
    fn rates(&self, row: &QueueRow, since: Option<Duration>) -> (f64, f64) {
        let before = self.queues.iter().find(|before| before.info.name == row.info.name);
        let Some((since, before)) = since.zip(before) else { return (0.0, 0.0) };
        let rate = |now: i64, before: i64| {
            let ended = u32::try_from((now - before).max(0)).unwrap_or(u32::MAX);
            f64::from(ended) / since.as_secs_f64().max(0.001)
        };
        let (now, before) = (row.ended(), before.ended());
        (rate(now.0, before.0), rate(now.1, before.1))
    }

    pub(super) fn queue(&self) -> Option<&QueueRow> {
        self.queues.get(self.queue_at.min(self.queues.len().saturating_sub(1)))
    }

    pub(super) fn job(&self) -> Option<&Job> {
        self.jobs.get(self.job_at.min(self.jobs.len().saturating_sub(1)))
    }
}

/// Queues that are listed, and those whose jobs have all finished.
fn rows(
    infos: Vec<QueueInfo>,
    mut counts: BTreeMap<String, BTreeMap<JobState, i64>>,
) -> impl Iterator<Item = QueueRow> {
    let mut all: BTreeMap<String, QueueRow> = BTreeMap::new();
    for info in infos {
        let counts = counts.remove(&info.name).unwrap_or_default();
        all.insert(info.name.clone(), QueueRow { info, counts, rates: (0.0, 0.0) });
    }
    for (name, counts) in counts {
        let info = QueueInfo {
            name: name.clone(),
            paused_at: None,
            paused_by: None,
            reason: None,
            oldest_available: None,
        };
        all.insert(name, QueueRow { info, counts, rates: (0.0, 0.0) });
    }
    all.into_values()
}
