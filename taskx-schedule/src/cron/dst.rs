//! What a cron trigger does when the clock jumps or is set back.

use std::fmt;
use std::str::FromStr;

use crate::error::{TriggerError, TriggerErrorKind};

/// The rule of a cron trigger for daylight saving and other changes of the clock.
///
/// A schedule of all 24 hours (`minute = "*/10"`) is the same under both: it fires at every real
/// second whose wall clock matches. The rules differ for schedules of certain hours:
///
/// | | 02:30 on the day without it | 02:30 on the day with two |
/// |---|---|---|
/// | [`Rfc`](Self::Rfc) | fires at 03:30, when 02:30 would have been | fires the first time |
/// | [`WallClock`](Self::WallClock) | does not fire | fires both times |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dst {
    /// Each matching time of the wall clock fires exactly once (as RFC 5545 reads it): `"rfc"`.
    #[default]
    Rfc,
    /// Whatever the wall clock shows: what it skips is lost, what it repeats fires again:
    /// `"wall_clock"`.
    WallClock,
}

impl Dst {
    /// The word for it in attributes and text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rfc => "rfc",
            Self::WallClock => "wall_clock",
        }
    }
}

impl fmt::Display for Dst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Dst {
    type Err = TriggerError;

    fn from_str(text: &str) -> Result<Self, TriggerError> {
        match text {
            "rfc" => Ok(Self::Rfc),
            "wall_clock" => Ok(Self::WallClock),
            _ => Err(TriggerError::new(TriggerErrorKind::Syntax, "no such rule")
                .of("dst")
                .at(text, 0..text.len())
                .hinting("write `rfc` (the default) or `wall_clock`")),
        }
    }
}
