//! What went wrong, as a terminal or a log shows it; never with a password.

use std::{
    fmt,
    io::{self, IsTerminal, Write},
};

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};
use percent_encoding::percent_decode_str;
use taskx_commands::{Exit, Failure};

/// Tells failures.
#[derive(Debug)]
pub(crate) struct Report {
    /// The passwords in the database's URL, as written and as meant.
    secrets: Vec<String>,
}

/// A failure as miette takes it.
#[derive(Debug)]
struct Told(Failure);

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Told {}

impl Diagnostic for Told {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.0.mend.as_ref().map(|mend| Box::new(mend) as _)
    }
}

impl Report {
    /// A report that hides the passwords of this URL.
    pub(crate) fn new(url: Option<&str>) -> Self {
        Self { secrets: url.map(secrets).unwrap_or_default() }
    }

    /// Says on the standard error what went wrong, and answers how to end.
    pub(crate) fn tell(&self, failure: &Failure) -> Exit {
        if failure.message.is_empty() {
            return failure.exit;
        }
        let told = Failure {
            message: self.hide(&failure.message),
            mend: failure.mend.as_deref().map(|mend| self.hide(mend)),
            exit: failure.exit,
        };
        let mut stderr = io::stderr();
        let text = if stderr.is_terminal() { drawn(told) } else { told.plain() };
        let _ = stderr.write_all(text.as_bytes());
        failure.exit
    }

    /// A text without the passwords.
    pub(crate) fn hide(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
    }
}

fn drawn(told: Failure) -> String {
    let told = Told(told);
    let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme);
    let mut text = String::new();
    match handler.render_report(&mut text, &told) {
        Ok(()) => text,
        Err(_) => told.0.plain(),
    }
}

/// The passwords in a URL, each as it is written and percent-decoded.
fn secrets(url: &str) -> Vec<String> {
    let Some((_, rest)) = url.split_once("://") else { return Vec::new() };
    // The last @: a password may hold another one, or a slash, though it should not.
    let (user, rest) = match rest.rsplit_once('@') {
        Some((user, rest)) => (Some(user), rest),
        None => (None, rest),
    };
    let mut found: Vec<String> = user
        .and_then(|user| user.split_once(':'))
        .map(|(_, word)| word.to_owned())
        .into_iter()
        .collect();
    let query = rest.split_once('?').map(|(_, query)| query).unwrap_or_default();
    for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        if key.contains("password") {
            found.push(value.to_owned());
        }
    }
    let decoded: Vec<String> = found
        .iter()
        .map(|word| percent_decode_str(word).decode_utf8_lossy().into_owned())
        .collect();
    found.extend(decoded);
    found.retain(|word| !word.is_empty());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_hidden_however_they_are_written() {
        let report = Report::new(Some("postgres://ada:s%23cret@db/app?password=hush&x=1"));
        assert_eq!(report.hide("no s%23cret, s#cret or hush"), "no ***, *** or ***");
        assert_eq!(Report::new(Some("sqlite://taskx.db")).hide("taskx.db"), "taskx.db");
        assert_eq!(Report::new(Some("postgres://ada:@db/app")).hide("a"), "a");
        let report = Report::new(Some("mysql://ada:se/cr?et@db/app"));
        assert_eq!(report.hide("no se/cr?et"), "no ***");
    }
}
