//! The command `taskx`: it finds and runs an application's worker, and operates its queue.
//!
//! # Layout
//! - `launch`: `taskx run` and `taskx app`, which need the application: find it, build it, become it
//! - `connect`: everything else needs a database alone
//! - one file or folder a command: `jobs`, `dead`, `queues`, `workers`, `prune`, `top`, `shell`;
//!   those that an application's own binary answers too are in taskx-commands
//! - `terminal`: tables, questions, progress; `report`: what went wrong
//!
//! # Exit codes
//! 0 done; 1 it failed, or trouble was found; 2 the command line or a setting is wrong.

mod connect;
mod dead;
mod jobs;
mod launch;
mod prune;
mod queues;
mod report;
mod shell;
mod terminal;
mod top;
mod workers;

use std::{
    ffi::OsString,
    io::{self, Write},
    process::ExitCode,
};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
// Linked for the drivers that it registers.
use taskx_diesel as _;

use taskx_commands::{Exit, Failure, Output, cron, doctor, enqueue, migrate, schedules, status};
use taskx_core::{app::Opening, config::unreadable_env};

use crate::{connect::Database, report::Report};

/// The background tasks of an application: its worker, and its queue.
#[derive(Debug, Parser)]
#[command(
    name = "taskx",
    version,
    after_help = "\
Settings come from options, then TASKX_* variables (also in .env), then taskx.toml.
Exit codes: 0 done, 1 it failed or trouble was found, 2 the command line or a setting is wrong.",
    disable_help_subcommand = true,
    infer_long_args = true,
    arg_required_else_help = true
)]
struct Line {
    /// Answer in JSON, for machines
    #[arg(long, global = true, display_order = 901)]
    json: bool,
    #[command(flatten)]
    database: Database,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Find the application, build it, and run its worker
    Run(launch::Args),
    /// Find the application, build it, and give it one of its own commands
    App(launch::AppArgs),
    /// Show queues, workers, schedules, and what is wrong
    Status(status::Args),
    /// List, show, retry, cancel, discard, delete and edit jobs
    Jobs(jobs::Args),
    /// List, pause, resume and empty queues
    Queues(queues::Args),
    /// List the jobs that gave up, and bring them back
    Dead(dead::Args),
    /// List the tasks that workers have told of
    Tasks(workers::TaskArgs),
    /// List the workers
    Workers(workers::Args),
    /// Enqueue a job by the name of its task
    Enqueue(enqueue::Args),
    /// List, pause, resume, run, add and remove schedules
    Schedules(schedules::Args),
    /// Show when a trigger fires, and what it means
    Cron(cron::Args),
    /// Bring the database's tables up to date
    Migrate(migrate::Args),
    /// Delete finished jobs whose retention has passed
    Prune(prune::Args),
    /// Watch queues and jobs live
    Top(top::Args),
    /// Look for what is wrong, and say what mends it
    Doctor(doctor::Args),
    /// Print what makes a shell complete this command
    Completions(shell::Completions),
    /// Print or write the manual pages
    Man(shell::Man),
}

/// Does what the words of a command line say.
pub fn main(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let words: Vec<OsString> = words.into_iter().collect();
    let line = match parse(words.clone()) {
        Ok(line) => line,
        Err(error) => return slip(&error, &words).into(),
    };
    // Before any thread: it sets variables.
    let env = match dotenvy::dotenv() {
        Err(dotenvy::Error::LineParse(line, _)) => Err(unreadable_env(&line)),
        Err(error) if !error.not_found() => Err(format!(".env: {error}")),
        _ => Ok(()),
    };
    if let Err(message) = env {
        return Report::new(None).tell(&Failure::usage(message)).into();
    }
    let report = Report::new(line.database.url().as_deref());
    match answer(line) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => report.tell(&failure).into(),
    }
}

/// Tells of a line that is not understood, or prints the help that it asks for. A word in the wrong
/// place is repeated, and may be a URL.
fn slip(error: &clap::Error, words: &[OsString]) -> Exit {
    let texts = words.iter().map(|word| word.to_string_lossy());
    let told = error.render().to_string();
    let hidden = texts.fold(told.clone(), |told, word| Report::new(Some(&word)).hide(&told));
    if hidden == told {
        let _ = error.print();
    } else {
        let _ = io::stderr().write_all(hidden.as_bytes());
    }
    if error.use_stderr() { Exit::Usage } else { Exit::Done }
}

fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Line, clap::Error> {
    let mut command = Line::command();
    let mut matches = command.try_get_matches_from_mut(words)?;
    Line::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

fn answer(line: Line) -> Result<(), Failure> {
    let Line { json, database, command } = line;
    let mut out = terminal::output(json);
    let out = &mut out;
    if matches!(command, Command::Top(_)) {
        top::needs_a_terminal()?;
    }
    match command {
        Command::Run(args) => launch::run(&args, database.given()),
        Command::App(args) => launch::app(args, json, database.given()),
        Command::Cron(args) => cron::cron(&args, out),
        Command::Completions(args) => shell::completions(&args, Line::command()),
        Command::Man(args) => shell::man(&args, Line::command(), out),
        other => database.run(opening(&other), async |app| operate(other, app, out).await),
    }
}

/// What opening the database may do to it.
fn opening(command: &Command) -> Opening {
    match command {
        Command::Migrate(args) => args.opening(),
        _ => Opening::Existing,
    }
}

/// Does a command that needs a database.
async fn operate(
    command: Command,
    app: &taskx_core::app::App,
    out: &mut Output,
) -> Result<(), Failure> {
    match command {
        // These say themselves what a missing schema means.
        Command::Migrate(args) => {
            let undone = if terminal::can_ask() { args.to_consent(app).await? } else { Vec::new() };
            let args = if undone.is_empty() {
                args
            } else {
                let names = undone.join(", ");
                terminal::consent(&format!("Undo {names}, with all that the tables hold?"))?;
                args.consented()
            };
            return migrate::migrate(&args, app, out, || terminal::busy("migrating")).await;
        }
        Command::Doctor(args) => return doctor::doctor(&args, app, out).await,
        _ => app.check_schema().await?,
    }
    match command {
        Command::Status(args) => status::status(&args, app, out).await,
        Command::Jobs(args) => jobs::jobs(args, app, out).await,
        Command::Queues(args) => queues::queues(&args, app, out).await,
        Command::Dead(args) => dead::dead(args, app, out).await,
        Command::Tasks(args) => workers::tasks(&args, app, out).await,
        Command::Workers(args) => workers::workers(&args, app, out).await,
        Command::Enqueue(args) => enqueue::enqueue(&args, app, out).await,
        Command::Schedules(args) => schedules::schedules(&args, app, out).await,
        Command::Prune(args) => prune::prune(&args, app, out).await,
        Command::Top(args) => top::top(&args, app).await,
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn the_command_line_makes_sense() {
        Line::command().debug_assert();
    }

    /// Each command with its whole name.
    fn commands() -> Vec<(String, clap::Command)> {
        fn gather(command: &clap::Command, path: &str, all: &mut Vec<(String, clap::Command)>) {
            let path = format!("{path} {}", command.get_name()).trim_start().to_owned();
            all.push((path.clone(), command.clone()));
            command.get_subcommands().for_each(|part| gather(part, &path, all));
        }
        let mut all = Vec::new();
        gather(&Line::command(), "", &mut all);
        all
    }

    fn after_help(command: &clap::Command) -> String {
        command.get_after_help().map(ToString::to_string).unwrap_or_default()
    }

    /// Every command that does something shows how by examples.
    #[test]
    fn every_help_has_examples() {
        for (path, command) in commands() {
            let is_part = path.starts_with("taskx migrate ");
            let does_something = command.get_subcommands().next().is_none() && !is_part;
            assert!(
                !does_something || after_help(&command).contains("Example"),
                "{path} has no example"
            );
        }
    }

    /// The words of a line as a shell splits it, up to a remark, a pipe or a redirection.
    fn words(line: &str) -> Vec<String> {
        let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
        for letter in line.chars() {
            match (quote, letter) {
                (Some(open), letter) if letter == open => quote = None,
                (Some(_), letter) => word.push(letter),
                (None, '\'' | '"') => quote = Some(letter),
                (None, '|' | '>' | '#') => break,
                // Two blanks: a remark follows.
                (None, ' ') if word.is_empty() => break,
                (None, ' ') => words.push(std::mem::take(&mut word)),
                (None, letter) => word.push(letter),
            }
        }
        words.extend(Some(word).filter(|word| !word.is_empty()));
        words
    }

    /// What is written of this command in a text, a line each.
    fn examples(text: &str) -> impl Iterator<Item = &str> {
        let from_our_name = |line| {
            let line: &str = str::trim_start(line).trim_start_matches("$ ");
            // What an application's own binary answers is among what this command does.
            let line = line.strip_prefix("web ").unwrap_or(line);
            let (setting, rest) = line.split_once(' ')?;
            if setting.contains('=') { Some(rest) } else { Some(line) }
        };
        // In a Cargo.toml our name begins a line too.
        let is_call = |line: &&str| line.starts_with("taskx ") && !line.starts_with("taskx =");
        text.lines().filter_map(from_our_name).filter(is_call)
    }

    /// What the help, the README and the guide tell people to type is understood.
    #[test]
    fn every_example_is_a_command_line() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut texts: Vec<_> =
            commands().into_iter().map(|(path, command)| (path, after_help(&command))).collect();
        let mut files = vec![root.join("README.md")];
        let chapters = fs::read_dir(root.join("docs/src")).unwrap();
        files.extend(chapters.map(|entry| entry.unwrap().path()));
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            // Only what is fenced, of which every second part is.
            let fenced = text.split("\n```").skip(1).step_by(2).collect::<Vec<_>>().join("\n");
            texts.push((file.display().to_string(), fenced));
        }
        let mut count = 0;
        for (place, text) in &texts {
            for example in examples(text) {
                count += 1;
                let parsed = parse(words(example).into_iter().map(OsString::from));
                assert!(parsed.is_ok(), "{place}: {example}\n{}", parsed.unwrap_err());
            }
        }
        assert!(count > 80, "only {count} examples were found");
    }

    #[test]
    fn a_line_is_split_as_a_shell_does() {
        assert_eq!(words("taskx a 'b c' --d=\"e\"  a remark"), ["taskx", "a", "b c", "--d=e"]);
        assert_eq!(words("taskx a | jq"), ["taskx", "a"]);
        let text = "Examples:\n  A=1 taskx run\n$ taskx top\nno taskx";
        assert_eq!(examples(text).collect::<Vec<_>>(), ["taskx run", "taskx top"]);
    }
}
