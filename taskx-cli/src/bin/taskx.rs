//! The command `taskx`.

use std::process::ExitCode;

fn main() -> ExitCode {
    taskx_cli::main(std::env::args_os())
}
