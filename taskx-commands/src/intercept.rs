//! The door of an application: `myapp taskx ..` is answered, anything else is the application's.
//!
//! It is known by the arguments and not by a variable of the environment, which child processes
//! would inherit.

use std::{
    ffi::{OsStr, OsString},
    io::{self, Write},
    path::Path,
};

use clap::{CommandFactory, FromArgMatches, Parser};
use taskx_core::app::{App, Opening};

use crate::{
    Command,
    failure::{Exit, Failure},
    output::Output,
    protocol::{self, Handshake},
};

/// Whether a program was called as `myapp taskx ..`.
#[derive(Debug)]
pub enum Asked {
    /// It was not: its arguments are its own.
    No,
    /// It was, and the answer has been given: help, the handshake, a mistake on the line.
    Answered(Exit),
    /// It was, with this command.
    Command(Request),
}

/// What became of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It was done; the program ends.
    Exit(Exit),
    /// The application shall run as a whole, its worker with it.
    Whole,
}

/// A command with its options.
#[derive(Debug)]
pub struct Request(Box<Line>);

#[derive(Debug, Parser)]
#[command(
    name = "taskx",
    version,
    about = "The background tasks of this application",
    after_help = "Exit codes: 0 done, 1 it failed or trouble was found, 2 the command line or a setting is wrong.",
    disable_help_subcommand = true,
    infer_long_args = true
)]
struct Line {
    /// Answer in JSON, for machines
    #[arg(long, global = true, display_order = 901)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

/// Looks whether this program was called as `myapp taskx ..`.
#[must_use]
pub fn asked() -> Asked {
    asked_by(std::env::args_os())
}

fn asked_by(arguments: impl IntoIterator<Item = OsString>) -> Asked {
    let mut arguments = arguments.into_iter();
    let program = arguments.next().unwrap_or_default();
    if arguments.next().as_deref() != Some(OsStr::new("taskx")) {
        return Asked::No;
    }
    let words: Vec<OsString> = arguments.collect();
    if words.as_slice() == [protocol::OPTION] {
        let said = writeln!(io::stdout(), "{}", Handshake::ours().line());
        return Asked::Answered(if said.is_ok() { Exit::Done } else { Exit::Failed });
    }
    match parse(&program, words) {
        Ok(line) => Asked::Command(Request(Box::new(line))),
        Err(error) => {
            let _ = error.print();
            Asked::Answered(if error.use_stderr() { Exit::Usage } else { Exit::Done })
        }
    }
}

fn parse(program: &OsStr, words: Vec<OsString>) -> Result<Line, clap::Error> {
    let name = Path::new(program).file_name().unwrap_or(program).to_string_lossy().into_owned();
    let mut command = Line::command().bin_name(format!("{name} taskx"));
    let line = std::iter::once(OsString::from("taskx")).chain(words);
    let mut matches = command.try_get_matches_from_mut(line)?;
    Line::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

impl Request {
    /// What building the App may do to the database; `None` if the command needs no App.
    #[must_use]
    pub fn opening(&self) -> Option<Opening> {
        self.0.command.opening()
    }

    /// Whether it is `taskx run`.
    #[must_use]
    pub fn is_run(&self) -> bool {
        matches!(self.0.command, Command::Run(_))
    }

    /// Does the command if it needs no App.
    #[must_use]
    pub fn answer_alone(&self) -> Option<Exit> {
        let result = self.0.command.answer_alone(&mut Output::stdout(self.0.json))?;
        Some(result.map_or_else(|failure| report(&failure), |()| Exit::Done))
    }

    /// Does the command, with the application's App.
    pub async fn answer(&self, app: &App) -> Answer {
        let mut out = Output::stdout(self.0.json);
        match self.0.command.answer(app, &mut out).await {
            Ok(answer) => answer,
            Err(failure) => Answer::Exit(report(&failure)),
        }
    }
}

/// Says on the standard error what went wrong, and answers how to end.
pub(crate) fn report(failure: &Failure) -> Exit {
    if !failure.message.is_empty() {
        let _ = io::stderr().write_all(failure.plain().as_bytes());
    }
    failure.exit
}

/// Answers `myapp taskx ..` and ends the process; returns if the program was called otherwise, or
/// as `taskx run` and is to run as a whole. The first line of a `main` without `#[taskx::main]`:
///
/// ```no_run
/// # use taskx_core::app::App;
/// # use taskx_commands as cli;
/// # async fn run() -> taskx_core::error::Result {
/// let app = App::new().await?;
/// cli::intercept(&app).await;
/// // the application's own work
/// # Ok(())
/// # }
/// ```
pub async fn intercept(app: &App) {
    let exit = match asked() {
        Asked::No => return,
        Asked::Answered(exit) => exit,
        Asked::Command(request) => match request.answer(app).await {
            Answer::Whole => return,
            Answer::Exit(exit) => match app.shutdown().await {
                Ok(()) => exit,
                Err(error) => report(&error.into()),
            },
        },
    };
    leave(exit)
}

#[expect(clippy::exit, reason = "the command was answered, and `main` has nothing more to do")]
fn leave(exit: Exit) -> ! {
    std::process::exit(i32::from(exit.code()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(line: &str) -> Asked {
        asked_by(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn the_command_line_makes_sense() {
        Line::command().debug_assert();
    }

    #[test]
    fn only_the_word_taskx_is_ours() {
        assert!(matches!(ask("app"), Asked::No));
        assert!(matches!(ask("app serve taskx"), Asked::No));
        assert!(matches!(ask("app taskx run --once"), Asked::Command(request) if request.is_run()));
    }

    #[test]
    fn mistakes_and_help_are_answered_at_once() {
        assert!(matches!(ask("app taskx"), Asked::Answered(Exit::Usage)));
        assert!(matches!(ask("app taskx rnu"), Asked::Answered(Exit::Usage)));
        assert!(matches!(ask("app taskx run --help"), Asked::Answered(Exit::Done)));
        assert!(matches!(ask("app taskx --protocol"), Asked::Answered(Exit::Done)));
    }

    #[test]
    fn usage_names_the_application() {
        let error = parse(OsStr::new("/opt/shop/web"), vec!["rnu".into()]).unwrap_err();
        assert!(error.to_string().contains("web taskx"), "{error}");
    }
}
