//! The same command as `cargo taskx`.

use std::{ffi::OsStr, process::ExitCode};

fn main() -> ExitCode {
    // Cargo hands over its own name for us first: `cargo-taskx taskx run`.
    let is_name = |at: usize, word: &OsStr| at == 1 && word == "taskx";
    let words = std::env::args_os().enumerate();
    taskx_cli::main(words.filter(|(at, word)| !is_name(*at, word)).map(|(_, word)| word))
}
