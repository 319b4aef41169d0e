//! What a task's code says of its run: its return value, and the errors that steer what happens
//! next.

use std::{error::Error as StdError, fmt, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

use crate::error::{BoxError, Error, ErrorKind};

/// What a run of a task came to, before attempts and limits are looked at.
#[derive(Debug)]
pub enum Verdict {
    /// It succeeded; the result as JSON, `None` for `()`.
    Done(Option<String>),
    /// It failed.
    Failed(BoxError),
    /// The stored arguments did not decode; the function was not called.
    Undecodable(Error),
}

impl Verdict {
    /// A failed run.
    #[must_use]
    pub fn failed(error: impl Into<BoxError>) -> Self {
        Self::Failed(error.into())
    }
}

/// What a task may return: `()`, or `Result<T, E>` with a storable `T` and any error.
#[diagnostic::on_unimplemented(
    message = "a task cannot return `{Self}`",
    label = "a task returns `()` or `Result<T, E>`",
    note = "`T` is stored: it needs `Serialize` and `Deserialize`",
    note = "`E` is any error type, such as `anyhow::Error` or `Box<dyn Error + Send + Sync>`"
)]
pub trait TaskReturn {
    /// What a successful run returns.
    type Output: Serialize + DeserializeOwned + Send + 'static;

    /// The verdict.
    fn into_verdict(self) -> Verdict;
}

impl TaskReturn for () {
    type Output = ();

    fn into_verdict(self) -> Verdict {
        Verdict::Done(None)
    }
}

impl<T, E> TaskReturn for Result<T, E>
where
    T: Serialize + DeserializeOwned + Send + 'static,
    E: Into<BoxError>,
{
    type Output = T;

    fn into_verdict(self) -> Verdict {
        match self.map(|value| serde_json::to_string(&value)) {
            Ok(Ok(text)) if text == "null" => Verdict::Done(None),
            Ok(Ok(text)) => Verdict::Done(Some(text)),
            Ok(Err(error)) => Verdict::failed(
                Error::new(ErrorKind::Payload, "write the task's result as JSON")
                    .with_source(error),
            ),
            Err(error) => Verdict::Failed(error.into()),
        }
    }
}

/// What an error asks for besides "try again by the backoff".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Try again after this long; the attempt counts.
    Retry(Duration),
    /// Run again after this long; no attempt is used.
    Snooze(Duration),
    /// End as cancelled.
    Cancel(String),
    /// End as discarded: no further attempt.
    Discard(String),
}

/// Carries a [`Wish`] as the `source()` of the public errors. anyhow's and eyre's boxes hide the
/// type of the error itself, but not that of its causes.
#[derive(Debug)]
struct Marker(Wish);

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Wish::Retry(after) => write!(f, "retry after {}", humantime::format_duration(*after)),
            Wish::Snooze(after) => write!(f, "snooze for {}", humantime::format_duration(*after)),
            Wish::Cancel(reason) => write!(f, "cancelled: {reason}"),
            Wish::Discard(reason) => write!(f, "discarded: {reason}"),
        }
    }
}

impl StdError for Marker {}

/// The wish found in an error or in any of its causes; the outermost wins.
#[must_use]
pub fn wish(error: &(dyn StdError + 'static)) -> Option<Wish> {
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(marker) = error.downcast_ref::<Marker>() {
            return Some(marker.0.clone());
        }
        at = error.source();
    }
    None
}

macro_rules! wishes {
    ($($(#[$doc:meta])* $name:ident::$make:ident($arg:ident: $type:ty) => $wish:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name(Marker);

        impl $name {
            /// The error; return it with `Err(..)?` or inside any error chain.
            #[must_use]
            pub fn $make($arg: $type) -> Self {
                Self(Marker($wish))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl StdError for $name {
            fn source(&self) -> Option<&(dyn StdError + 'static)> {
                Some(&self.0)
            }
        }

        impl From<$name> for Error {
            fn from(wish: $name) -> Self {
                Self::new(ErrorKind::Conflict, wish.to_string()).with_source(wish)
            }
        }
    )*};
}

wishes! {
    /// "Try again after this long" instead of by the backoff. The attempt counts.
    Retry::after(after: Duration) => Wish::Retry(after);
    /// "Run me again after this long". No attempt is used.
    Snooze::after(after: Duration) => Wish::Snooze(after);
    /// "Stop: I am not wanted any more." The job ends as cancelled.
    Cancel::because(reason: impl Into<String>) => Wish::Cancel(reason.into());
    /// "Give up: trying again is of no use." The job ends as discarded, among the dead letters.
    Discard::because(reason: impl Into<String>) => Wish::Discard(reason.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] BoxError);

    #[test]
    fn a_wish_is_found_plain_and_inside_a_chain() {
        let minute = Duration::from_secs(60);
        assert_eq!(wish(&Snooze::after(minute)), Some(Wish::Snooze(minute)));
        let boxed: BoxError = Discard::because("gone").into();
        assert_eq!(wish(&Outer(boxed)), Some(Wish::Discard("gone".to_owned())));
        let own: Error = Cancel::because("late").into();
        assert_eq!(wish(&own), Some(Wish::Cancel("late".to_owned())));
        assert_eq!(wish(&std::io::Error::other("plain")), None);
    }

    #[test]
    fn results_are_kept_as_json_and_unit_as_nothing() {
        let Verdict::Done(text) = Ok::<_, Error>(vec![1, 2]).into_verdict() else { panic!() };
        assert_eq!(text.as_deref(), Some("[1,2]"));
        assert!(matches!(Ok::<(), Error>(()).into_verdict(), Verdict::Done(None)));
    }
}
