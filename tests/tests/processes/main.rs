//! Real processes on one database: a fleet of workers, many that start at once, signals.
#![expect(clippy::unwrap_used, reason = "a test")]

mod current;
mod fleet;
mod migrate;
mod signals;
mod slots;
mod start;

use taskx_tests::{Child, Database};

/// The child program, on this database.
fn child(database: &Database, arguments: &[&str], settings: &[(&str, &str)]) -> Child {
    Child::start(env!("CARGO_BIN_EXE_worker"), |command| {
        command
            .args(arguments)
            .env("TASKX_DATABASE_URL", &database.url)
            .envs(settings.iter().copied());
    })
}
