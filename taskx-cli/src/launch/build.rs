//! Building the application with cargo, whose messages go to the terminal as usual.

use std::{
    env,
    io::BufReader,
    path::PathBuf,
    process::{Command, Stdio},
};

use cargo_metadata::{Message, TargetKind};
use taskx_commands::{Exit, Failure};

use super::{Target, find::Binary};

/// Builds a binary; answers where it is.
///
/// # Errors
/// If it does not compile, which cargo has told; if cargo cannot be started.
pub(super) fn build(binary: &Binary, target: &Target) -> Result<PathBuf, Failure> {
    let failed = |error: std::io::Error| {
        Failure::failed(format!("build {}: {error}", binary.name)).mend("is cargo on the PATH?")
    };
    let mut command = command(binary, target);
    let mut cargo = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(failed)?;
    let messages = cargo.stdout.take().map(BufReader::new);
    let mut executable = None;
    for message in messages.into_iter().flat_map(Message::parse_stream) {
        if let Message::CompilerArtifact(artifact) = message.map_err(failed)?
            && artifact.target.name == binary.name
            && artifact.target.kind.contains(&kind(binary))
            && let Some(path) = artifact.executable
        {
            executable = Some(path.into_std_path_buf());
        }
    }
    let status = cargo.wait().map_err(failed)?;
    if !status.success() {
        return Err(Failure::silent(Exit::Failed));
    }
    executable.ok_or_else(|| Failure::failed(format!("cargo built no executable {}", binary.name)))
}

fn kind(binary: &Binary) -> TargetKind {
    if binary.is_example { TargetKind::Example } else { TargetKind::Bin }
}

fn command(binary: &Binary, target: &Target) -> Command {
    // Cargo names itself to what it starts, such as `cargo taskx`.
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(["build", "--message-format=json-render-diagnostics", "--manifest-path"])
        .arg(&binary.manifest)
        .args(["--package", &binary.package])
        .args([if binary.is_example { "--example" } else { "--bin" }, &binary.name]);
    if target.release {
        command.arg("--release");
    }
    for feature in target.features.iter().chain(&binary.feature) {
        command.args(["--features", feature]);
    }
    command
}
