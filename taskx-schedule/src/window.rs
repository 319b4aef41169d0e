//! The start and the end of a trigger, given as text or as an instant.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::error::TriggerError;
use crate::instant::{ceil, floor};
use crate::moment;

/// One end of the window, as the builder was given it.
#[derive(Clone, Debug)]
pub(crate) enum Bound {
    Text(String),
    At(DateTime<Utc>),
}

impl Bound {
    /// The first microsecond that is not before it.
    pub(crate) fn at_start(&self, field: &'static str, zone: Tz) -> Result<i64, TriggerError> {
        match self {
            Self::Text(text) => moment::parse(field, text, zone),
            Self::At(at) => Ok(ceil(*at)),
        }
    }

    /// The last microsecond that is not after it.
    pub(crate) fn at_end(&self, field: &'static str, zone: Tz) -> Result<i64, TriggerError> {
        match self {
            Self::Text(text) => moment::parse(field, text, zone),
            Self::At(at) => Ok(floor(*at)),
        }
    }
}
