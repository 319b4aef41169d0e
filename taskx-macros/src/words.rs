//! Words that are not options: what a reader who wrote one of them probably meant.

use crate::options::{Attribute, OPTIONS};

/// Options that are planned. They are refused, so that nobody relies on what does nothing yet.
const LATER: &[&str] = &[
    "batch",
    "chunk",
    "concurrency",
    "debounce",
    "depends_on",
    "expires",
    "isolate",
    "limit",
    "rate",
    "retry_for",
    "retry_if",
    "tags",
    "tenant",
    "throttle",
    "unique",
    "version",
];

/// Words of other job systems and of APScheduler, with what to write here.
const ELSEWHERE: &[(&str, &str)] = &[
    ("acks_late", "leave it out: a job is always settled after its run"),
    ("args", "the arguments are given when the task is applied: `EmailTask::apply(..)`"),
    ("attempts", "write `max_attempts = 5`, the first attempt included"),
    (
        "autoretry_for",
        "leave it out: every error is tried again; end a job early by `Discard::because(..)`",
    ),
    ("bind", "take a parameter `ctx: &Ctx` instead"),
    ("channel", "write `queue = \"..\"`"),
    ("coalesce", "write `misfire = \"latest\"` or `\"all\"` in `#[cron_task]`"),
    ("countdown", "a delay is chosen for each job: `.apply(..).delay(..)`"),
    ("cron", "write `#[cron_task(\"..\")]` instead of `#[task]`"),
    ("default_retry_delay", "write `backoff = \"30s\"`"),
    ("delay", "a delay is chosen for each job: `.apply(..).delay(..)`"),
    ("eta", "a time is chosen for each job: `.apply(..).at(..)`"),
    ("every", "write `#[interval_task(minutes = ..)]` instead of `#[task]`"),
    ("ignore_result", "write `retention = \"none\"` to keep no trace of finished jobs"),
    ("interval", "write `#[interval_task(minutes = ..)]` instead of `#[task]`"),
    ("kwargs", "the arguments are given when the task is applied: `EmailTask::apply(..)`"),
    ("max_instances", "write `overlap = \"skip\"` or `\"allow\"` in `#[cron_task]`"),
    (
        "max_retries",
        "write `max_attempts`, which counts the first attempt too: 3 retries are `max_attempts = 4`",
    ),
    ("misfire_grace_time", "write `misfire_grace = \"1h\"` in `#[cron_task]`"),
    ("on_error", "return the error: it is tried again by `backoff` until `max_attempts`"),
    ("rate_limit", "`rate` is not supported yet"),
    (
        "retries",
        "write `max_attempts`, which counts the first attempt too: 3 retries are `max_attempts = 4`",
    ),
    (
        "retry",
        "write `max_attempts`, which counts the first attempt too: 3 retries are `max_attempts = 4`",
    ),
    ("retry_backoff", "write `backoff = \"2s..1h\"`"),
    ("retry_delay", "write `backoff = \"30s\"`"),
    ("routing_key", "write `queue = \"..\"`"),
    ("run_at", "a time is chosen for each job: `.apply(..).at(..)`"),
    ("schedule", "write `#[cron_task(..)]` instead of `#[task]`"),
    ("soft_time_limit", "write `timeout = \"30s\"`"),
    ("time_limit", "write `timeout = \"30s\"`"),
    ("topic", "write `queue = \"..\"`"),
    ("ttl", "write `retention = \"7d\"` for finished jobs"),
];

/// What to tell someone who wrote `key` as an option of `attribute`.
pub(crate) fn unknown_option(key: &str, attribute: Attribute) -> String {
    if LATER.contains(&key) {
        return format!("`{key}` is not supported yet");
    }
    if let Some((_, hint)) = ELSEWHERE.iter().find(|(word, _)| *word == key) {
        return format!("`{key}` is not an option of {attribute}; {hint}");
    }
    let known = OPTIONS.iter().map(|option| option.name);
    match nearest(key, known.clone()) {
        Some(near) => format!("unknown option `{key}`; did you mean `{near}`?"),
        None => {
            let all: Vec<_> = known.map(|name| format!("`{name}`")).collect();
            format!("unknown option `{key}`; {attribute} takes {}", all.join(", "))
        }
    }
}

/// The candidate that `word` is probably a slip of.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let word = word.to_lowercase();
    let limit = (word.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
