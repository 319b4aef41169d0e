//! Jobs: what is enqueued, what a worker claims, what an operator sees.
//!
//! ```text
//!            apply                     promote (due)
//!   scheduled ─────────────┐      ┌──────────────────── retryable
//!                          v      v                        ^
//!   parked <─────────── available ── claim ──> running ────┤ settle
//!     (no live worker      ^                     │         │
//!      knows the task)     └── release, rescue ──┘         v
//!                                             completed cancelled discarded quarantined
//! ```
//! The upper states live in `taskx_jobs`, the finished ones in `taskx_history`.

use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::{Error, ErrorKind, Result};

/// A job's id: a UUID of version 7 (RFC 9562), made by the client that enqueues, so that jobs sort
/// by the time of their creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(Uuid);

impl JobId {
    /// A fresh id. Ids of one process rise strictly.
    #[must_use]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// The id as a UUID.
    #[must_use]
    pub fn as_uuid(self) -> Uuid {
        self.0
    }
}

impl Default for JobId {
    fn default() -> Self {
        Self::new()
    }
}

impl From<Uuid> for JobId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for JobId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Uuid::parse_str(text).map(Self).map_err(|e| {
            Error::new(ErrorKind::Config, format!("`{text}` is no job id")).with_source(e)
        })
    }
}

/// A worker row's id: random, fresh for each start of a worker, never a host or process name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkerId(Uuid);

impl WorkerId {
    /// A fresh random id.
    #[must_use]
    pub fn new() -> Self {
        Self(Uuid::new_v4())
    }

    /// The id as a UUID.
    #[must_use]
    pub fn as_uuid(self) -> Uuid {
        self.0
    }
}

impl Default for WorkerId {
    fn default() -> Self {
        Self::new()
    }
}

impl From<Uuid> for WorkerId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

macro_rules! states {
    ($($(#[$doc:meta])* $variant:ident = $code:literal $name:literal,)*) => {
        /// Where a job stands. The numbers are those of the column `state`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        #[repr(i16)]
        pub enum JobState {
            $($(#[$doc])* $variant = $code,)*
        }

        impl JobState {
            /// Every state, live ones first.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The number in the column `state`.
            #[must_use]
            pub const fn code(self) -> i16 {
                self as i16
            }

            /// The state of a number in the column `state`.
            #[must_use]
            pub const fn from_code(code: i16) -> Option<Self> {
                match code {
                    $($code => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The state's name, in lower case.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

states! {
    /// Waits for a worker.
    Available = 0 "available",
    /// Claimed by a worker: executing, or in the worker's buffer.
    Running = 1 "running",
    /// Waits for its time.
    Scheduled = 2 "scheduled",
    /// Failed and waits for its next attempt.
    Retryable = 3 "retryable",
    /// No live worker knows its task.
    Parked = 4 "parked",
    /// Held back by a limit or by another job. Not reached yet; kept for workflows and limits.
    Blocked = 5 "blocked",
    /// Done.
    Completed = 10 "completed",
    /// Stopped by a person or by its own code.
    Cancelled = 11 "cancelled",
    /// Gave up: out of attempts, or by its own code. The dead letters.
    Discarded = 12 "discarded",
    /// Set aside: its payload does not decode, or it keeps killing its process.
    Quarantined = 13 "quarantined",
}

impl JobState {
    /// Whether the job has ended and lies in the history.
    #[must_use]
    pub const fn is_finished(self) -> bool {
        self.code() >= Self::Completed.code()
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for JobState {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL.iter().copied().find(|state| state.name() == text).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|state| state.name()).collect();
            Error::new(
                ErrorKind::Config,
                format!("`{text}` is no job state; the states are {}", names.join(", ")),
            )
        })
    }
}

/// When a new job may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RunAt {
    /// At once.
    #[default]
    Now,
    /// This long after the insert, by the database's clock.
    In(Duration),
    /// At this time, by the database's clock; a past time means at once.
    At(DateTime<Utc>),
}

/// How arguments are written in the column `payload`. Only JSON today; the column keeps the number.
pub const PAYLOAD_JSON: i16 = 0;

/// The most characters of a queue's, task's, tag's or schedule's name.
pub const NAME_LIMIT: usize = 190;

/// Whether a name may be stored: 1 to [`NAME_LIMIT`] characters, and no NUL, which PostgreSQL refuses.
///
/// # Errors
/// `Config` if not; `what` says of whom it is the name.
pub(crate) fn check_name(what: &str, name: &str) -> Result<()> {
    let length = name.chars().count();
    if length == 0 || length > NAME_LIMIT || name.contains('\0') {
        return Err(Error::new(
            ErrorKind::Config,
            format!(
                "a {what}'s name must have 1 to {NAME_LIMIT} characters and no NUL; this one has {length}"
            ),
        ));
    }
    Ok(())
}

/// Whether the arguments of `whose` are not over `limit` bytes.
///
/// # Errors
/// `Payload` if they are.
pub(crate) fn check_payload(whose: impl fmt::Display, payload: &str, limit: usize) -> Result<()> {
    if payload.len() > limit {
        return Err(Error::new(
            ErrorKind::Payload,
            format!(
                "the arguments of {whose} are {} bytes of JSON; the limit is {limit} (`payload_limit`)",
                payload.len()
            ),
        ));
    }
    Ok(())
}

/// A job to be inserted.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    /// Its id.
    pub id: JobId,
    /// Name of its queue, at most [`NAME_LIMIT`] characters.
    pub queue: Cow<'static, str>,
    /// Wire name of its task, at most [`NAME_LIMIT`] characters.
    pub task: Cow<'static, str>,
    /// Lower runs first within a queue. Default 0.
    pub priority: i16,
    /// Failed attempts until the job is discarded, 1 or more.
    pub max_attempts: i32,
    /// The arguments: a JSON object by parameter name, UTF-8.
    pub payload: String,
    /// When it may run.
    pub run_at: RunAt,
    /// Whether a job of the same id may be there already (`.id(..)`, or an insert that is repeated
    /// after a commit whose answer was lost): then live and finished jobs are both looked at.
    pub check_id: bool,
    /// What most jobs leave out.
    pub extras: Option<Box<JobExtras>>,
}

impl NewJob {
    /// A job with defaults: priority 0, 25 attempts, to run at once, a fresh id.
    #[must_use]
    pub fn new(
        queue: impl Into<Cow<'static, str>>,
        task: impl Into<Cow<'static, str>>,
        payload: String,
    ) -> Self {
        Self {
            id: JobId::new(),
            queue: queue.into(),
            task: task.into(),
            priority: 0,
            max_attempts: 25,
            payload,
            run_at: RunAt::Now,
            check_id: false,
            extras: None,
        }
    }

    /// The rarely used fields, made on first use.
    pub fn extras_mut(&mut self) -> &mut JobExtras {
        self.extras.get_or_insert_default()
    }
}

/// Fields of a job that most jobs leave empty; as JSON, what is empty is left out.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct JobExtras {
    /// Words to find the job by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The caller's own notes: a JSON object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meta: Option<serde_json::Map<String, serde_json::Value>>,
    /// W3C `traceparent`, and `tracestate` after a line feed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// The version of the arguments' shape.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_version: Option<i32>,
    /// The job that enqueued it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<JobId>,
    /// The batch it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_id: Option<Uuid>,
    /// Name of the schedule that fired it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// The fire time that it stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot: Option<DateTime<Utc>>,
    /// After this time it is not worth running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    /// Key of the unique constraint (kept for a later version).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unique_key: Option<String>,
    /// Key of the concurrency limit (kept for a later version).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency_key: Option<String>,
    /// The tenant that it belongs to (kept for a later version).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
}

/// A job as a worker got it: its attempt has been counted and its fence raised.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimedJob {
    /// Its id.
    pub id: JobId,
    /// The worker row that holds it.
    pub owner: WorkerId,
    /// The number of this claim, 1 or more; never the same twice for one job and owner.
    pub fence: i64,
    /// Name of its queue.
    pub queue: Cow<'static, str>,
    /// Wire name of its task as stored (it may be an alias).
    pub task: String,
    /// Its priority.
    pub priority: i16,
    /// Number of this attempt, counted from 1.
    pub attempt: i32,
    /// Failed attempts until it is discarded.
    pub max_attempts: i32,
    /// The arguments as stored.
    pub payload: String,
    /// How the payload is written ([`PAYLOAD_JSON`]).
    pub payload_format: i16,
    /// When it was inserted, by the database's clock.
    pub inserted_at: DateTime<Utc>,
    /// When it became due, by the database's clock.
    pub run_at: DateTime<Utc>,
    /// How many processes died while it ran.
    pub crash_count: i32,
    /// How often it snoozed.
    pub snooze_count: i32,
    /// Whether it must run with no other job beside it, because a process died while it ran.
    pub solo: bool,
    /// Whether its cancellation has been asked for.
    pub cancel_requested: bool,
    /// What most jobs leave out.
    pub extras: Option<Box<JobExtras>>,
}

/// A job as an operator sees it, live or finished.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Where it stands.
    pub state: JobState,
    /// Name of its queue.
    pub queue: String,
    /// Wire name of its task.
    pub task: String,
    /// Its priority; lower runs first.
    pub priority: i16,
    /// Attempts begun so far. What was given back, snoozed or rescued is not counted.
    pub attempt: i32,
    /// Failed attempts until it is discarded.
    pub max_attempts: i32,
    /// How often it was claimed.
    pub fence: i64,
    /// The worker row that holds it or finished it.
    pub owner: Option<WorkerId>,
    /// The arguments as stored.
    pub payload: String,
    /// How the payload is written ([`PAYLOAD_JSON`]).
    pub payload_format: i16,
    /// When it was inserted.
    pub inserted_at: DateTime<Utc>,
    /// When it is or was due.
    pub run_at: DateTime<Utc>,
    /// When it was last claimed.
    pub claimed_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// When its cancellation was asked for.
    pub cancel_requested_at: Option<DateTime<Utc>>,
    /// How many processes died while it ran.
    pub crash_count: i32,
    /// How often it snoozed.
    pub snooze_count: i32,
    /// Its progress: a JSON object `{"percent": 0..=100, "message": ".."}`.
    pub progress: Option<String>,
    /// What it returned, as JSON.
    pub result: Option<String>,
    /// Why it is where it is: the last error, or the reason of a cancel, discard or quarantine.
    pub reason: Option<String>,
    /// What most jobs leave out.
    #[serde(flatten)]
    pub extras: JobExtras,
}

/// The fields of a [`Job`] that every backend can fill; the others start empty.
impl Job {
    /// A job with its identity, and all else empty.
    #[must_use]
    pub fn new(
        id: JobId,
        state: JobState,
        queue: String,
        task: String,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            id,
            state,
            queue,
            task,
            priority: 0,
            attempt: 0,
            max_attempts: 0,
            fence: 0,
            owner: None,
            payload: String::new(),
            payload_format: PAYLOAD_JSON,
            inserted_at: now,
            run_at: now,
            claimed_at: None,
            finished_at: None,
            cancel_requested_at: None,
            crash_count: 0,
            snooze_count: 0,
            progress: None,
            result: None,
            reason: None,
            extras: JobExtras::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_survive_their_number_and_their_name() {
        for &state in JobState::ALL {
            assert_eq!(JobState::from_code(state.code()), Some(state));
            assert_eq!(state.name().parse::<JobState>().unwrap(), state);
        }
        assert_eq!(JobState::from_code(99), None);
        assert!("done".parse::<JobState>().unwrap_err().to_string().contains("available"));
    }

    #[test]
    fn ids_of_one_process_rise() {
        let ids: Vec<_> = (0..10_000).map(|_| JobId::new()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
