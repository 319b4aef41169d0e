//! Which missed fire times still run: misfire policies, in bounded time however many were missed.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::error::{TriggerError, TriggerErrorKind};
use crate::trigger::Trigger;

/// What happens to fire times that nobody was there to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Misfire {
    /// Only what is found on time runs: `"skip"`.
    Skip,
    /// The latest one runs, the others are left out: `"latest"`.
    #[default]
    Latest,
    /// All run, the oldest first, at most the newest `max` of them: `"all"` (10,000), `"all(50)"`.
    All {
        /// At least 1.
        max: u32,
    },
}

impl Misfire {
    /// How many `"all"` means without a number.
    pub const DEFAULT_MAX: u32 = 10_000;
}

impl fmt::Display for Misfire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Skip => f.pad("skip"),
            Self::Latest => f.pad("latest"),
            Self::All { max: Self::DEFAULT_MAX } => f.pad("all"),
            Self::All { max } => f.pad(&format!("all({max})")),
        }
    }
}

impl FromStr for Misfire {
    type Err = TriggerError;

    fn from_str(text: &str) -> Result<Self, TriggerError> {
        let max = text.strip_prefix("all(").and_then(|rest| rest.strip_suffix(')'));
        let max = max.and_then(|max| max.trim().parse().ok()).filter(|max| *max > 0);
        match (text, max) {
            ("skip", _) => Ok(Self::Skip),
            ("latest", _) => Ok(Self::Latest),
            ("all", _) => Ok(Self::All { max: Self::DEFAULT_MAX }),
            (_, Some(max)) => Ok(Self::All { max }),
            _ => Err(TriggerError::new(TriggerErrorKind::Syntax, "no such misfire policy")
                .of("misfire")
                .at(text, 0..text.len())
                .hinting("write `skip`, `latest` (the default), `all` or `all(50)`")),
        }
    }
}

crate::text_serde::serde_as_text!(Misfire);

/// A misfire policy with its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueRule {
    /// What to do with missed fire times. Default: [`Misfire::Latest`].
    pub misfire: Misfire,
    /// How late a fire time may run at most. Default: 1 hour.
    pub grace: Duration,
    /// How late a fire time may be found and still be on time: a little more than the time between
    /// two looks. Only [`Misfire::Skip`] asks. Default: 10 seconds.
    pub on_time: Duration,
}

impl Default for DueRule {
    fn default() -> Self {
        Self {
            misfire: Misfire::default(),
            grace: Duration::from_secs(3_600),
            on_time: Duration::from_secs(10),
        }
    }
}

/// What a look at a schedule found; made by [`Trigger::due`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Due {
    /// The fire times to run now, the oldest first.
    pub run: Vec<DateTime<Utc>>,
    /// The latest fire time that is left out, if any is: too late, or one of many.
    pub missed: Option<DateTime<Utc>>,
    /// The latest of all fire times up to now: the schedule's new position. `None` if there were
    /// none, and the position stays.
    pub position: Option<DateTime<Utc>>,
    /// The first fire time after now: when to look again. `None` when there is none any more.
    pub next: Option<DateTime<Utc>>,
}

impl Trigger {
    /// What is due of the fire times with `after < t <= now`, where `after` is the schedule's
    /// position, and when to look again.
    ///
    /// The cost grows with what runs, never with what was missed: a task of every second after a
    /// year's stop takes a few searches, not 31 million.
    ///
    /// ```
    /// use std::time::Duration;
    /// use taskx_schedule::{DueRule, Misfire, Trigger};
    ///
    /// let trigger: Trigger = "* * * * * *".parse()?; // every second
    /// let last_run = "2025-01-01T00:00:00Z".parse()?;
    /// let now = "2026-01-01T00:00:00Z".parse()?;
    /// let due = trigger.due(last_run, now, &DueRule::default());
    /// assert_eq!(due.run, [now]);
    ///
    /// let rule = DueRule { misfire: Misfire::All { max: 3 }, ..DueRule::default() };
    /// assert_eq!(trigger.due(last_run, now, &rule).run.len(), 3);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn due(&self, after: DateTime<Utc>, now: DateTime<Utc>, rule: &DueRule) -> Due {
        let (keep, late) = match rule.misfire {
            Misfire::Skip => (1, rule.on_time.min(rule.grace)),
            Misfire::Latest => (1, rule.grace),
            Misfire::All { max } => (max.max(1), rule.grace),
        };
        let earliest = TimeDelta::from_std(late)
            .ok()
            .and_then(|late| now.checked_sub_signed(late))
            .unwrap_or(DateTime::<Utc>::MIN_UTC);
        let mut run = Vec::new();
        let mut missed = None;
        for slot in self.between(after, now).rev() {
            if slot < earliest || run.len() == keep as usize {
                missed = Some(slot);
                break;
            }
            run.push(slot);
        }
        run.reverse();
        let position = run.last().copied().or(missed);
        // An interval without a beginning counts from its last fire time.
        let next = match position {
            Some(position) => self.between(position, DateTime::<Utc>::MAX_UTC).next(),
            None => self.between(after, DateTime::<Utc>::MAX_UTC).next(),
        };
        Due { run, missed, position, next }
    }

    /// The position of a schedule that has never fired, for one that is first seen now: fire times
    /// after it count.
    ///
    /// A cron or interval trigger begins with what comes from now on, now included. A date counts
    /// even if it is past, so that [`due`](Self::due) can run it within its grace or tell that it
    /// is missed.
    #[must_use]
    pub fn first_position(&self, first_seen: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::Cron(_) | Self::Interval(_) => first_seen
                .checked_sub_signed(TimeDelta::microseconds(1))
                .unwrap_or(DateTime::<Utc>::MIN_UTC),
            Self::Date(_) => DateTime::<Utc>::MIN_UTC,
        }
    }
}
