//! `taskx completions` and `taskx man`: what a shell and a manual know of this command.

use std::{fs, io, path::PathBuf};

use clap_complete::Shell;
use serde_json::json;
use taskx_commands::{Failure, Output};

/// For which shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  taskx completions bash > ~/.local/share/bash-completion/completions/taskx
  taskx completions zsh > ~/.zfunc/_taskx
  taskx completions fish > ~/.config/fish/completions/taskx.fish")]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

/// Prints the script that makes a shell complete this command.
///
/// # Errors
/// If nobody reads.
pub(crate) fn completions(args: &Completions, mut command: clap::Command) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "taskx", &mut script);
    Ok(io::Write::write_all(&mut io::stdout(), &script)?)
}

/// Where to.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  taskx man | man -l -
  taskx man --out ~/.local/share/man/man1    a page for each command")]
pub(crate) struct Man {
    /// A folder for a page of each command; without it the first page is printed
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

/// Prints the manual page, or writes one for each command.
///
/// # Errors
/// If the folder cannot be written, or nobody reads.
pub(crate) fn man(args: &Man, command: clap::Command, out: &mut Output) -> Result<(), Failure> {
    let Some(folder) = &args.out else {
        return Ok(clap_mangen::Man::new(command).render(&mut io::stdout())?);
    };
    let failed = |error: io::Error| Failure::failed(format!("write {}: {error}", folder.display()));
    fs::create_dir_all(folder).map_err(failed)?;
    clap_mangen::generate_to(command, folder).map_err(failed)?;
    if out.is_json() {
        return out.json(&json!({ "folder": folder }));
    }
    out.line(format_args!("the pages are in {}", folder.display()))
}
