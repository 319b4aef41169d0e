//! Words that an attribute does not take: what a reader who wrote one of them probably meant.

use taskx_schedule::CronField;

use crate::{attribute::Attribute, options::OPTIONS, schedule::SCHEDULE, trigger};

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

/// Words of other job systems, with what to write here.
const OF_TASKS: &[(&str, &str)] = &[
    ("acks_late", "leave it out: a job is always settled after its run"),
    ("args", "the arguments are given when the task is applied: `EmailTask::apply(..)`"),
    ("attempts", "write `max_attempts = 5`, the first attempt included"),
    (
        "autoretry_for",
        "leave it out: every error is tried again; end a job early by `Discard::because(..)`",
    ),
    ("bind", "take a parameter `ctx: &Ctx` instead"),
    ("channel", "write `queue = \"..\"`"),
    ("countdown", "a delay is chosen for each job: `.apply(..).delay(..)`"),
    ("cron", "write `#[cron_task(\"..\")]`"),
    ("default_retry_delay", "write `backoff = \"30s\"`"),
    ("delay", "a delay is chosen for each job: `.apply(..).delay(..)`"),
    ("eta", "a time is chosen for each job: `.apply(..).at(..)`"),
    ("every", "write `#[interval_task(minutes = ..)]`"),
    ("ignore_result", "write `retention = \"none\"` to keep no trace of finished jobs"),
    ("interval", "write `#[interval_task(minutes = ..)]`"),
    ("kwargs", "the arguments are given when the task is applied: `EmailTask::apply(..)`"),
    ("max_retries", THREE_RETRIES),
    ("on_error", "return the error: it is tried again by `backoff` until `max_attempts`"),
    ("rate_limit", "`rate` is not supported yet"),
    ("retries", THREE_RETRIES),
    ("retry", THREE_RETRIES),
    ("retry_backoff", "write `backoff = \"2s..1h\"`"),
    ("retry_delay", "write `backoff = \"30s\"`"),
    ("routing_key", "write `queue = \"..\"`"),
    ("run_at", "a time is chosen for each job: `.apply(..).at(..)`"),
    ("soft_time_limit", "write `timeout = \"30s\"`"),
    ("time_limit", "write `timeout = \"30s\"`"),
    ("topic", "write `queue = \"..\"`"),
    ("ttl", "write `retention = \"7d\"` for finished jobs"),
];

const THREE_RETRIES: &str =
    "write `max_attempts`, which counts the first attempt too: 3 retries are `max_attempts = 4`";

/// Words of APScheduler and other schedulers, with what to write here.
const OF_SCHEDULES: &[(&str, &str)] = &[
    ("catch_up", "write `misfire = \"all\"`"),
    ("catchup", "write `misfire = \"all\"`"),
    ("coalesce", "write `misfire = \"latest\"` for one run after a stop, `\"all\"` for each"),
    ("dow", "write `day_of_week = \"mon-fri\"`"),
    ("id", "write `schedule = \"..\"` to name the schedule"),
    ("kwargs", "write `args(..)`, in the order of the function"),
    ("max_instances", "write `overlap = \"skip\"` for one at a time, or `\"allow\"`"),
    ("misfire_grace_time", "write `misfire_grace = \"1h\"`"),
    ("next_run_time", "write `start_date = \"..\"`"),
    ("replace_existing", "leave it out: what is declared replaces what was declared before"),
    ("tz", "write `timezone = \"Europe/Paris\"`"),
];

/// What to tell someone who wrote `key` in `attribute`.
pub(crate) fn unknown_option(key: &str, attribute: Attribute) -> String {
    if LATER.contains(&key) {
        return format!("`{key}` is not supported yet");
    }
    let hint = |words: &[(&str, &'static str)]| {
        words.iter().find(|(word, _)| *word == key).map(|(_, hint)| *hint)
    };
    let hint = match attribute.is_schedule() {
        true => hint(OF_SCHEDULES).or_else(|| hint(OF_TASKS)),
        false => hint(OF_TASKS),
    };
    if let Some(hint) = hint {
        return format!("`{key}` is not an option of {attribute}; {hint}");
    }
    let near = near(key, attribute);
    if let Some(owner) = owner(key, attribute) {
        return match near {
            Some(near) => format!("`{key}` belongs to {owner}; did you mean `{near}`?"),
            None => format!("`{key}` belongs to {owner}"),
        };
    }
    match near {
        Some(near) => format!("unknown option `{key}`; did you mean `{near}`?"),
        None => {
            let all: Vec<_> = keys(attribute).map(|name| format!("`{name}`")).collect();
            format!("unknown option `{key}`; {attribute} takes {}", all.join(", "))
        }
    }
}

/// Every key that an attribute takes.
fn keys(attribute: Attribute) -> impl Iterator<Item = &'static str> {
    let settings = if attribute.is_schedule() { SCHEDULE } else { &[] };
    trigger::keys(attribute)
        .chain(settings.iter().map(|row| row.name))
        .chain(OPTIONS.iter().map(|row| row.name))
}

/// Another attribute that takes the key.
fn owner(key: &str, attribute: Attribute) -> Option<Attribute> {
    Attribute::ALL
        .into_iter()
        .find(|other| *other != attribute && keys(*other).any(|own| own == key))
}

/// The key that was probably meant.
fn near(key: &str, attribute: Attribute) -> Option<&'static str> {
    nearest(key, keys(attribute)).or_else(|| {
        // `weekday`, `dom`, `month_of_year`: the parser knows what people call the fields.
        let error = key.parse::<CronField>().err()?;
        let meant = error.hint()?.strip_prefix("did you mean `")?.strip_suffix("`?")?;
        keys(attribute).find(|own| *own == meant)
    })
}

/// The candidate that `word` is probably a slip of.
fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let limit = (word.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
