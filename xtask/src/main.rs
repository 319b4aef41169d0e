//! The chores of taskx: `cargo xtask CHORE`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

mod bench;
mod counts;
mod engines;
mod gate;
mod interrupt;
mod newcomer;
mod prerequisites;
mod quickstart;
mod report;
mod test;
mod workspace;

use std::{env, ffi::OsString, process::ExitCode};

use anyhow::{Result, bail};
use lexopt::{Arg, Parser};
use xtask::servers::Durability;

use crate::{
    engines::Engines, interrupt::Interrupt, prerequisites::Permission, test::Options,
    workspace::Workspace,
};

const HELP: &str = "\
The chores of taskx.

cargo xtask test [--install | --no-install] [--sqlite] [-- ARGUMENTS]
    Passes all tests, against private PostgreSQL and MariaDB servers that it starts and ends.
    ARGUMENTS go to cargo nextest run (or cargo test); the doctests are then left out.
cargo xtask db [--install | --no-install] [--durable]
    Keeps both servers up until Ctrl-C and prints their URLs.
cargo xtask check [--install | --no-install]
    Format, lints, documentation.
cargo xtask quickstart
    Runs the example quickstart in an empty folder and checks the mail that it writes.
cargo xtask newcomer
    Compiles and runs the README's first program as a package of its own outside the workspace.
cargo xtask chaos [--full] [--engine NAME]... [--only SCENARIO]... [--seed N]
    Kills, stops, cuts and fills what taskx runs on, and counts what is lost.
cargo xtask bench [--peers] [ARGUMENTS]
    Measures speed against plain SQL, on servers whose commits wait for the disk; with --peers
    against other job queues too. ARGUMENTS go to the bench, which explains them by --help.
cargo xtask deny
    Licences and sources of the dependencies, by cargo-deny, which is compiled where it is missing.
cargo xtask ci [--install | --no-install]
    All of these but db and bench, of chaos only kill and restart, and each feature alone.

    --install      install missing Debian packages, through sudo unless run by root
    --no-install   install nothing; by default root does and others do not
    --sqlite       without the servers, as a plain cargo test
    --durable      servers whose commits wait for the disk
";

fn main() -> ExitCode {
    let interrupt = match Interrupt::listen() {
        Ok(interrupt) => interrupt,
        Err(error) => {
            eprintln!("no signals can be received: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = chore(&interrupt);
    if let Some(signal) = interrupt.signal() {
        eprintln!("ended by signal {signal}");
        // As a shell reports it.
        return ExitCode::from(u8::try_from(128 + signal).unwrap_or(u8::MAX));
    }
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What the command line asks for.
#[derive(Debug, Default)]
struct Request {
    chore: Option<String>,
    durability: Durability,
    options: Options,
}

impl Request {
    /// Reads the words after `cargo xtask`.
    fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Self> {
        let mut request = Self::default();
        let mut words = words.into_iter();
        let ours: Vec<OsString> = words.by_ref().take_while(|word| word != "--").collect();
        request.options.arguments = words.collect();

        let mut parser = Parser::from_args(ours);
        let mut only_for = Vec::new();
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Value(name) if request.chore.is_none() => {
                    request.chore = Some(name.to_string_lossy().into_owned());
                }
                Arg::Long("help") | Arg::Short('h') => request.chore = Some("help".to_owned()),
                Arg::Long("install") => request.options.permission = Permission::Sudo,
                Arg::Long("no-install") => request.options.permission = Permission::Never,
                Arg::Long("sqlite") => {
                    request.options.only_sqlite = true;
                    only_for.push(("--sqlite", "test"));
                }
                Arg::Long("durable") => {
                    request.durability = Durability::Default;
                    only_for.push(("--durable", "db"));
                }
                other => bail!("{}\n\n{HELP}", other.unexpected()),
            }
        }
        if !request.options.arguments.is_empty() {
            only_for.push(("--", "test"));
        }
        for (option, chore) in only_for {
            if !matches!(request.chore.as_deref(), Some(name) if name == chore || name == "help") {
                bail!("{option} is for `cargo xtask {chore}`");
            }
        }
        Ok(request)
    }
}

fn chore(interrupt: &Interrupt) -> Result<()> {
    let workspace = Workspace::find()?;
    let words: Vec<OsString> = env::args_os().skip(1).collect();
    // Programs of their own, with options of their own.
    match words.split_first() {
        Some((first, orders)) if first == "chaos" => {
            return gate::chaos(&workspace, interrupt, Permission::WhenRoot, orders);
        }
        Some((first, orders)) if first == "bench" => {
            return bench::bench(&workspace, interrupt, Permission::WhenRoot, orders);
        }
        _ => {}
    }
    let Request { chore, durability, options } = Request::parse(words)?;
    match chore.as_deref() {
        Some("test") => {
            let tested = test::test(&workspace, interrupt, &options)?;
            println!("{}", tested.counts);
            tested.verdict()
        }
        Some("db") => db(interrupt, options.permission, durability),
        Some("check") => gate::check(&workspace, interrupt, options.permission),
        Some("quickstart") => quickstart::quickstart(&workspace, interrupt),
        Some("newcomer") => newcomer::newcomer(&workspace, interrupt),
        Some("deny") => gate::deny(&workspace, interrupt),
        Some("ci") => gate::ci(&workspace, interrupt, options.permission),
        Some("help") => {
            print!("{HELP}");
            Ok(())
        }
        Some(other) => bail!("no chore is called {other}\n\n{HELP}"),
        None => bail!("which chore?\n\n{HELP}"),
    }
}

/// Keeps both servers up until a signal arrives.
fn db(interrupt: &Interrupt, permission: Permission, durability: Durability) -> Result<()> {
    prerequisites::servers(interrupt, permission)?;
    let engines = Engines::start(interrupt, durability)?;
    for line in engines.describe() {
        println!("export {line}");
    }
    eprintln!("==> up until Ctrl-C");
    interrupt.wait();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Request> {
        Request::parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn what_follows_two_dashes_goes_to_the_test_runner() {
        let request = parse("test --sqlite --no-install -- -p taskx-core --install fence").unwrap();
        assert_eq!(request.chore.as_deref(), Some("test"));
        assert!(request.options.only_sqlite);
        assert_eq!(request.options.permission, Permission::Never);
        assert_eq!(request.options.arguments, ["-p", "taskx-core", "--install", "fence"]);
    }

    #[test]
    fn an_option_that_a_chore_does_not_have_is_an_error() {
        for line in ["check --sqlite", "test --durable", "ci -- fence", "test fence", "test --fast"]
        {
            assert!(parse(line).is_err(), "{line}");
        }
        assert_eq!(parse("db --durable").unwrap().durability, Durability::Default);
    }
}
