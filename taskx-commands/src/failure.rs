//! What went wrong with a command: the cause, what mends it, and the exit code.

use std::{fmt, io, process::ExitCode};

use taskx_core::error::{Error, ErrorKind, chain};

/// How a program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It did what was asked.
    Done = 0,
    /// It failed, or it looked for trouble and found some.
    Failed = 1,
    /// The command line or a setting is wrong: the same call fails again.
    Usage = 2,
}

impl Exit {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What went wrong, with its causes; empty if there is nothing to say.
    pub message: String,
    /// What to do about it.
    pub mend: Option<String>,
    /// How the program ends.
    pub exit: Exit,
}

impl Failure {
    /// It failed.
    #[must_use]
    pub fn failed(message: impl Into<String>) -> Self {
        Self { message: message.into(), mend: None, exit: Exit::Failed }
    }

    /// The command line or a setting is wrong.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), mend: None, exit: Exit::Usage }
    }

    /// All has been said already.
    #[must_use]
    pub const fn silent(exit: Exit) -> Self {
        Self { message: String::new(), mend: None, exit }
    }

    /// With what to do about it.
    #[must_use]
    pub fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mend = Some(mend.into());
        self
    }

    /// What is told where nothing is drawn: the message in a line, the mend in another.
    #[must_use]
    pub fn plain(&self) -> String {
        let help = self.mend.as_ref().map(|mend| format!("help: {mend}\n"));
        format!("error: {}\n{}", self.message, help.unwrap_or_default())
    }

    /// As seen by an outer step.
    #[must_use]
    pub fn context(mut self, doing: &str) -> Self {
        self.message = format!("{doing}: {}", self.message);
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let exit = match error.kind() {
            ErrorKind::Config | ErrorKind::Payload | ErrorKind::UnknownTask => Exit::Usage,
            _ => Exit::Failed,
        };
        let mend = match error.kind() {
            ErrorKind::Transient => Some("is the database up, and can it be reached from here?"),
            _ => None,
        };
        Self { message: chain(&error), mend: mend.map(str::to_owned), exit }
    }
}

impl From<taskx_schedule::TriggerError> for Failure {
    fn from(error: taskx_schedule::TriggerError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<io::Error> for Failure {
    /// Who reads no more (`| head`) has what it wanted.
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::silent(Exit::Done);
        }
        Self::failed(format!("write the answer: {error}"))
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        if error.is_io() {
            return io::Error::from(error).into();
        }
        Self::failed(format!("write the answer as JSON: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_succeed_by_repeating_is_a_usage_error() {
        let of = |kind| Failure::from(Error::new(kind, "x")).exit;
        assert_eq!(of(ErrorKind::Config), Exit::Usage);
        assert_eq!(of(ErrorKind::Transient), Exit::Failed);
        assert_eq!(of(ErrorKind::NotFound), Exit::Failed);
    }

    #[test]
    fn a_reader_that_has_gone_is_no_failure() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(failure, Failure::silent(Exit::Done));
        let json = serde_json::Error::io(io::ErrorKind::BrokenPipe.into());
        assert_eq!(Failure::from(json), Failure::silent(Exit::Done));
    }
}
