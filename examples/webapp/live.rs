//! The part of the page that changes: it is fetched again and again.

use std::collections::{BTreeMap, HashMap};

use askama::Template;
use axum::{extract::State, response::Html};
use serde::Deserialize;
use taskx::{
    Job, JobState,
    inspect::{Inspect, JobFilter, Page},
};

use crate::{error::Answer, pages::Site};

/// How many jobs and pictures are shown.
const JOBS: u32 = 8;
const PICTURES: i64 = 9;

/// The jobs and the pictures as they are now.
#[derive(Template)]
#[template(path = "live.html")]
pub(crate) struct Live {
    counts: BTreeMap<JobState, i64>,
    jobs: Vec<JobView>,
    pictures: Vec<PictureView>,
}

/// A job as the page shows it.
struct JobView {
    task: String,
    state: JobState,
    attempts: String,
    percent: u8,
    /// What it does now, or why it did not.
    note: String,
    took: String,
}

/// A picture as the page shows it.
struct PictureView {
    id: String,
    title: String,
    /// The job that makes its thumbnails, until they are made.
    waits_for: Option<JobView>,
}

/// What a task says by `ctx.progress(..)`.
#[derive(Deserialize, Default)]
struct Progress {
    percent: u8,
    #[serde(default)]
    message: String,
}

/// `GET /live`
pub(crate) async fn live(State(site): State<Site>) -> Answer<Html<String>> {
    Ok(Html(Live::look(&site).await?.render()?))
}

impl Live {
    pub(crate) async fn look(site: &Site) -> Answer<Self> {
        let queue = site.app.queue();
        let mut counts = BTreeMap::new();
        for entry in queue.count().await? {
            *counts.entry(entry.state).or_default() += entry.count;
        }
        let newest = Page { limit: JOBS, ..Page::default() };
        let jobs = queue.list(&JobFilter::default(), newest).await?;
        Ok(Self {
            counts,
            jobs: jobs.iter().map(JobView::new).collect(),
            pictures: pictures(site).await?,
        })
    }
}

async fn pictures(site: &Site) -> Answer<Vec<PictureView>> {
    let pictures = site.database.pictures(PICTURES).await?;
    if pictures.is_empty() {
        return Ok(Vec::new());
    }
    let ids = pictures.iter().filter_map(|picture| picture.job.parse().ok()).collect();
    let makers = JobFilter { ids, ..JobFilter::default() };
    let makers = site.app.queue().list(&makers, Page::default()).await?;
    // A job is forgotten some days after its end; its picture stays.
    let mut unfinished: HashMap<String, JobView> = makers
        .iter()
        .filter(|job| job.state != JobState::Completed)
        .map(|job| (job.id.to_string(), JobView::new(job)))
        .collect();
    let views = pictures.into_iter().map(|picture| PictureView {
        waits_for: unfinished.remove(&picture.job),
        id: picture.id,
        title: picture.title,
    });
    Ok(views.collect())
}

impl JobView {
    fn new(job: &Job) -> Self {
        let progress: Progress = job
            .progress
            .as_deref()
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        let (percent, note) = match (job.state, &job.reason) {
            (JobState::Completed, _) => (100, String::new()),
            // A running job may still have the reason why its last attempt failed.
            (JobState::Running, _) | (_, None) => (progress.percent, progress.message),
            (_, Some(reason)) => (progress.percent, reason.clone()),
        };
        let took = job.finished_at.map(|end| (end - job.inserted_at).num_milliseconds());
        Self {
            task: job.task.replace('_', " "),
            state: job.state,
            attempts: format!("{} of {}", job.attempt, job.max_attempts),
            percent,
            note,
            took: match took {
                Some(millis @ ..1_000) => format!("{} ms", millis.max(0)),
                Some(millis) => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
                None => String::new(),
            },
        }
    }
}
