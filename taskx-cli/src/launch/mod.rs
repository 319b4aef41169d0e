//! `taskx run` and `taskx app`: find the application, build it, and become it.
//!
//! `find` decides which binary it is, `source` looks for the mark of an application in a main file,
//! `build` asks cargo, `become_app` shakes hands with the executable and turns into it, `watch` does
//! all of it again when the sources change.

mod become_app;
mod build;
mod find;
mod source;
#[cfg(unix)]
mod watch;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use taskx_commands::{Failure, run as worker};

use self::find::Found;

/// Which application, and how it is built.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Target {
    /// The application: an executable's path, a binary, package:binary, or an example. Default:
    /// TASKX_APP (also in .env), then `app` in [package.metadata.taskx], then the only binary that
    /// uses #[taskx::main] or taskx::cli::intercept
    #[arg(long, value_name = "APP")]
    app: Option<String>,
    /// Look only in this package of the workspace
    #[arg(long, short, value_name = "PACKAGE")]
    package: Option<String>,
    /// Build it with optimizations
    #[arg(long, short)]
    release: bool,
    /// Features of it to turn on
    #[arg(long, short = 'F', value_name = "FEATURE,..", value_delimiter = ',')]
    features: Vec<String>,
    /// The Cargo.toml of the package or workspace. Default: as cargo finds it from here
    #[arg(long, value_name = "PATH")]
    manifest_path: Option<PathBuf>,
}

/// How to run the application's worker.
#[derive(Debug, clap::Args)]
// Its name is that of the worker's arguments too, and groups go by name.
#[group(skip)]
#[command(after_help = "\
Examples:
  taskx run                                the application of this folder
  taskx run --app shop:web --release
  TASKX_APP=./target/release/web taskx run
  taskx run --queues mail=20,default --worker-only
  taskx run --exit-when-idle               what waits now, then exit (for cron and for tests)
  taskx run --watch                        while it is being written

An application whose setup says `Mode::Background` (the default) runs as a whole: its `main`, which
starts the worker itself. One that says `Mode::Blocking` runs its setup and the worker.
Signals, the standard input and the exit code are the application's: taskx becomes it.")]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    worker: worker::Args,
    /// Build and start it anew, gracefully, when its sources change
    #[arg(long)]
    watch: bool,
}

/// A command of the application's own.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  taskx app -- tasks
  taskx app -- enqueue email_task --args '{\"to\": \"ada@example.com\"}'
  taskx app --app shop:web -- --help")]
pub(crate) struct AppArgs {
    #[command(flatten)]
    target: Target,
    /// What is said to it after `myapp taskx`
    #[arg(last = true, required = true, value_name = "COMMAND")]
    words: Vec<String>,
}

/// What the application is called with.
#[derive(Debug)]
pub(crate) struct Call {
    /// What follows `myapp taskx`.
    pub(crate) words: Vec<String>,
    /// The database that it shall use, unless its own code names one.
    pub(crate) database: Option<String>,
}

impl Call {
    /// The call of an executable.
    fn command(&self, executable: &Path) -> Command {
        let mut command = Command::new(executable);
        command.arg("taskx").args(&self.words);
        if let Some(url) = &self.database {
            command.env("TASKX_DATABASE_URL", url);
        }
        command
    }
}

/// Finds, builds and becomes the application, as `myapp taskx run ..`.
///
/// # Errors
/// Only if it does not come so far.
pub(crate) fn run(args: &Args, database: Option<String>) -> Result<(), Failure> {
    let mut words = vec!["run".to_owned()];
    words.extend(args.worker.words());
    let call = Call { words, database };
    if args.watch { watch(&args.target, &call) } else { launch(&args.target, &call) }
}

#[cfg(unix)]
fn watch(target: &Target, call: &Call) -> Result<(), Failure> {
    match find::find(target)? {
        Found::Binary(binary) => watch::watch(&binary, target, call),
        Found::Executable(path) => Err(Failure::usage(format!(
            "--watch builds from sources, and {} is built",
            path.display()
        ))
        .mend("name the binary instead: --app package:bin")),
    }
}

#[cfg(not(unix))]
fn watch(_: &Target, _: &Call) -> Result<(), Failure> {
    Err(Failure::usage("--watch needs a Unix: a process must be asked to stop"))
}

/// Finds, builds and becomes the application, as `myapp taskx COMMAND ..`.
///
/// # Errors
/// Only if it does not come so far.
pub(crate) fn app(args: AppArgs, json: bool, database: Option<String>) -> Result<(), Failure> {
    let mut words = args.words;
    if json {
        words.insert(0, "--json".to_owned());
    }
    launch(&args.target, &Call { words, database })
}

fn launch(target: &Target, call: &Call) -> Result<(), Failure> {
    let executable = match find::find(target)? {
        Found::Executable(path) => path,
        Found::Binary(binary) => build::build(&binary, target)?,
    };
    become_app::shake_hands(&executable)?;
    Err(become_app::become_app(&executable, call))
}
