//! The one error of taskx: what was being done, of which kind the trouble is, and its cause.

use std::{borrow::Cow, error::Error as StdError, fmt};

/// A boxed cause.
pub type BoxError = Box<dyn StdError + Send + Sync + 'static>;

/// `Result` of taskx's own calls. A task may return it too: any error means "try again".
pub type Result<T = (), E = Error> = std::result::Result<T, E>;

/// Of which kind an [`Error`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The database refused, and would refuse again.
    Store,
    /// The database could not be reached or was busy; the same call may succeed later.
    Transient,
    /// Arguments or a result that cannot be stored or read back, or that are over the limit.
    Payload,
    /// No task of this name is linked into the program.
    UnknownTask,
    /// No queue is at hand: no `App` is live, or several are and none was named.
    NoStore,
    /// A setting, a URL, a task or a state is wrong; the program has to be changed.
    Config,
    /// The database's schema does not fit this version of taskx.
    Schema,
    /// The commit's answer was lost, and whether the job is stored cannot be known: of a task with
    /// `retention = "none"`, which leaves no trace by which a repeated insert could know it again.
    CommitUnknown,
    /// No job, schedule or worker of this id.
    NotFound,
    /// The call does not fit the state that the job, queue or connection is in.
    Conflict,
    /// A wait ended before what was waited for.
    Timeout,
    /// The job that was waited for ended without a result (discarded, cancelled, quarantined).
    Unsuccessful,
}

/// What went wrong: [`Display`](fmt::Display) says what was being done and why it failed in a
/// sentence; the cause is only in [`source`](StdError::source).
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    doing: Cow<'static, str>,
    source: Option<BoxError>,
    /// Whether it is sure that nothing was written.
    unwritten: bool,
}

impl Error {
    /// An error of `kind` that happened while `doing`.
    #[must_use]
    pub fn new(kind: ErrorKind, doing: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner { kind, doing: doing.into(), source: None, unwritten: false }))
    }

    /// The same error with its cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The same error as seen by an outer step: `doing` is put before what is there.
    #[must_use]
    pub fn context(mut self, doing: &str) -> Self {
        self.0.doing = Cow::Owned(format!("{doing}: {}", self.0.doing));
        self
    }

    /// The same error where it is sure that the call has written nothing: it came before anything
    /// was sent, or all was rolled back. For stores.
    #[doc(hidden)]
    #[must_use]
    pub fn unwritten(mut self) -> Self {
        self.0.unwritten = true;
        self
    }

    /// Whether it is sure that the call has written nothing.
    pub(crate) fn is_unwritten(&self) -> bool {
        self.0.unwritten
    }

    /// Of which kind it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the same call may succeed later without any change.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.0.kind == ErrorKind::Transient
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("doing", &self.0.doing)
            .field("source", &self.0.source)
            .finish()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.doing)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|cause| cause as _)
    }
}

/// An error and its causes in one line, each cause once, parted by `: `.
#[must_use]
pub fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let part = next.to_string();
        if !part.is_empty() && !text.ends_with(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_says_what_was_done_and_source_keeps_the_cause() {
        let error = Error::new(ErrorKind::Transient, "claim jobs of queue `mail`")
            .with_source(std::io::Error::other("connection reset"));
        assert_eq!(error.to_string(), "claim jobs of queue `mail`");
        assert!(error.is_transient());
        assert_eq!(chain(&error), "claim jobs of queue `mail`: connection reset");
        assert_eq!(
            error.context("run the worker").to_string(),
            "run the worker: claim jobs of queue `mail`"
        );
    }
}
