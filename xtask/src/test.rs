//! `cargo xtask test`: every test of the workspace, against every database.

use std::{
    ffi::OsString,
    fs,
    io::{self, BufRead, BufReader, Write},
    process::{Child, Command, ExitStatus, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, bail};
use xtask::servers::Durability;

use crate::{
    counts::Counts,
    engines::{self, Engines},
    interrupt::Interrupt,
    prerequisites::{self, Permission},
    workspace::Workspace,
};

/// Where nextest leaves its report, as `.config/nextest.toml` says.
const NEXTEST_REPORT: &str = "target/nextest/default/junit.xml";

/// Where the servers' logs are kept when a test has failed.
const LOGS: &str = "target/servers";

/// What is to be tested.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) permission: Permission,
    /// Without servers: the members that a plain `cargo test` covers, with their default features.
    pub(crate) only_sqlite: bool,
    /// For the test runner: filters and options. With any, the doctests are left out.
    pub(crate) arguments: Vec<OsString>,
}

/// What came of a run that reached its end.
#[derive(Debug)]
pub(crate) struct Tested {
    /// All that was counted.
    pub(crate) counts: Counts,
    complaints: Vec<String>,
}

impl Tested {
    /// # Errors
    /// When a test failed, none passed, or a runner failed for another reason.
    pub(crate) fn verdict(&self) -> Result<()> {
        if self.complaints.is_empty() {
            return Ok(());
        }
        bail!("{}", self.complaints.join("\n"))
    }
}

/// Starts the servers, runs all tests, ends the servers, and says what was run.
///
/// # Errors
/// When something is missing or does not compile, so that nothing was counted. Failed tests are no
/// error here: see [`Tested::verdict`].
pub(crate) fn test(
    workspace: &Workspace,
    interrupt: &Interrupt,
    options: &Options,
) -> Result<Tested> {
    let began = Instant::now();
    let engines = if options.only_sqlite {
        eprintln!("==> SQLite only: PostgreSQL and MariaDB are left out");
        None
    } else {
        if Engines::all_named() {
            prerequisites::libraries(interrupt, options.permission)?;
        } else {
            prerequisites::all(interrupt, options.permission)?;
        }
        let engines = Engines::start(interrupt, Durability::Off)?;
        for line in engines.describe() {
            eprintln!("==> {line}");
        }
        Some(engines)
    };
    let run = Run { workspace, interrupt, options, engines: engines.as_ref() };
    let outcome = run.everything();
    let some_failed = outcome.as_ref().is_ok_and(|parts| !parts.iter().all(Part::is_fine));
    if let Some(engines) = engines {
        if some_failed {
            engines.keep_logs(&workspace.root().join(LOGS));
        }
        drop(engines);
        eprintln!("==> the servers are gone");
    }

    let mut tested = Tested { counts: Counts::default(), complaints: Vec::new() };
    let mut runs = Vec::new();
    for Part { name, counts, complaint } in outcome? {
        runs.push(format!("{} by {name}", counts.passed + counts.failed));
        tested.counts += counts;
        tested.complaints.extend(complaint);
    }
    if tested.counts.passed == 0 {
        tested.complaints.push("no test passed".to_owned());
    }
    let databases = if options.only_sqlite { "SQLite" } else { "SQLite, PostgreSQL and MariaDB" };
    let seconds = began.elapsed().as_secs_f64();
    eprintln!("==> tests on {databases}: {}, in {seconds:.0} s", runs.join(", "));
    Ok(tested)
}

/// The tests of one runner.
#[derive(Debug)]
struct Part {
    name: &'static str,
    counts: Counts,
    /// What is wrong although every counted test may have passed.
    complaint: Option<String>,
}

impl Part {
    fn new(name: &'static str, counts: Counts, status: ExitStatus) -> Self {
        let failures: String =
            counts.failures.iter().map(|failure| format!("\n    {failure}")).collect();
        let complaint = match counts.failed {
            0 => (!status.success()).then(|| format!("{name}: {status}")),
            1 => Some(format!("1 test failed by {name}:{failures}")),
            failed => Some(format!("{failed} tests failed by {name}:{failures}")),
        };
        Self { name, counts, complaint }
    }

    fn is_fine(&self) -> bool {
        self.complaint.is_none()
    }
}

struct Run<'a> {
    workspace: &'a Workspace,
    interrupt: &'a Interrupt,
    options: &'a Options,
    engines: Option<&'a Engines>,
}

impl Run<'_> {
    fn everything(&self) -> Result<Vec<Part>> {
        if !self.workspace.has_subcommand("nextest") {
            eprintln!("==> cargo-nextest is not installed: tests run by cargo test");
            let mut command = self.cargo(&["test", "--no-fail-fast"]);
            command.args(&self.options.arguments);
            return Ok(vec![self.libtest("cargo test", command)?]);
        }
        let mut parts = vec![self.nextest()?];
        if self.options.arguments.is_empty() {
            let command = self.cargo(&["test", "--doc", "--no-fail-fast"]);
            parts.push(self.libtest("cargo test --doc", command)?);
        } else {
            eprintln!("==> the doctests are left out: arguments for cargo nextest were given");
        }
        Ok(parts)
    }

    fn nextest(&self) -> Result<Part> {
        let report = self.workspace.root().join(NEXTEST_REPORT);
        // One of an earlier run must not be taken for this one's.
        if let Err(error) = fs::remove_file(&report)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error).with_context(|| format!("{} is in the way", report.display()));
        }
        let mut command = self.cargo(&["nextest", "run"]);
        command.env_remove("NEXTEST_PROFILE").env_remove("NEXTEST_RETRIES");
        command.args(&self.options.arguments);
        let status = self.interrupt.run(&mut command)?;
        let text = match fs::read_to_string(&report) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                bail!("cargo nextest ended before any test ran ({status})")
            }
            read => read.with_context(|| report.display().to_string())?,
        };
        let counts = Counts::from_junit(&text).with_context(|| report.display().to_string())?;
        Ok(Part::new("cargo nextest", counts, status))
    }

    /// Runs cargo test; its lines are passed on and the results among them added up.
    fn libtest(&self, name: &'static str, mut command: Command) -> Result<Part> {
        let mut counts = Counts::default();
        command.stdout(Stdio::piped());
        let status = self.interrupt.run_reading(&mut command, |child| {
            pass_on(child, |line| counts.add_libtest_line(line))
        })?;
        Ok(Part::new(name, counts, status))
    }

    /// `cargo ARGUMENTS` for the members and features to be tested, with the servers' URLs.
    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = self.workspace.cargo(arguments.iter().copied());
        engines::withhold(&mut command);
        if let Some(engines) = self.engines {
            engines.export(&mut command);
            command.args(self.selection());
        }
        command
    }

    /// The whole workspace, unless the caller chooses packages, in which case cargo would ignore them.
    fn selection(&self) -> &'static [&'static str] {
        let chooses = |argument: &OsString| {
            let text = argument.to_string_lossy();
            text == "--package" || text.starts_with("--package=") || text.starts_with("-p")
        };
        if self.options.arguments.iter().any(chooses) {
            &["--all-features"]
        } else {
            &["--workspace", "--all-features"]
        }
    }
}

/// Copies the piped output of a child to ours, line by line, and shows each line to `see`.
pub(crate) fn pass_on(child: &mut Child, mut see: impl FnMut(&str)) -> Result<()> {
    let output = child.stdout.take().context("the output is not piped")?;
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line)? > 0 {
        io::stdout().lock().write_all(&line)?;
        see(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    Ok(())
}
