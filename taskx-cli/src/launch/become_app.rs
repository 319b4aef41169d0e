//! The handshake with an executable, and turning into it.

use std::{
    io::Read,
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use taskx_commands::{
    Failure,
    protocol::{self, Handshake},
};

use super::Call;

/// How long an application may take to answer; one without `#[taskx::main]` sets itself up first.
const PATIENCE: Duration = Duration::from_secs(20);

/// Asks an executable whether it answers to `taskx`, and in which version of the protocol.
///
/// # Errors
/// If it does not, or in another version than ours.
pub(super) fn shake_hands(executable: &Path) -> Result<(), Failure> {
    let name = executable.display();
    let mut child = Command::new(executable)
        .args(["taskx", protocol::OPTION])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| Failure::usage(format!("start {name}: {error}")))?;
    let (sender, answer) = mpsc::channel();
    if let Some(mut stdout) = child.stdout.take() {
        thread::spawn(move || {
            let mut printed = String::new();
            let _ = stdout.read_to_string(&mut printed);
            let _ = sender.send(printed);
        });
    }
    let printed = answer.recv_timeout(PATIENCE);
    if printed.is_err() {
        let _ = child.kill();
    }
    let _ = child.wait();
    let printed = printed.unwrap_or_default();
    match Handshake::find(&printed) {
        Some(Handshake { taskx }) if taskx.protocol == protocol::PROTOCOL => Ok(()),
        Some(Handshake { taskx }) => {
            let (theirs, ours) = (&taskx.version, env!("CARGO_PKG_VERSION"));
            let older = if taskx.protocol < protocol::PROTOCOL {
                "upgrade taskx in its Cargo.toml"
            } else {
                "install the taskx command of its version"
            };
            Err(Failure::usage(format!(
                "{name} was built with taskx {theirs}, which speaks protocol {}; this is taskx \
                 {ours}, which speaks {}",
                taskx.protocol,
                protocol::PROTOCOL
            ))
            .mend(older))
        }
        None => Err(Failure::usage(format!("{name} does not answer to `taskx`")).mend(
            "put `#[taskx::main]` on its main, or let `taskx::cli::intercept(&app).await` be the \
             first thing it does; both need the feature `cli` of taskx",
        )),
    }
}

/// Turns into the application: signals, the exit code and the standard input are its own.
#[cfg(unix)]
pub(super) fn become_app(executable: &Path, call: &Call) -> Failure {
    use std::os::unix::process::CommandExt;
    let error = call.command(executable).exec();
    Failure::failed(format!("start {}: {error}", executable.display()))
}

/// Runs the application and ends as it ends.
#[cfg(not(unix))]
pub(super) fn become_app(executable: &Path, call: &Call) -> Failure {
    use taskx_commands::Exit;
    match call.command(executable).status() {
        Ok(status) if status.success() => Failure::silent(Exit::Done),
        Ok(status) if status.code() == Some(2) => Failure::silent(Exit::Usage),
        Ok(_) => Failure::silent(Exit::Failed),
        Err(error) => Failure::failed(format!("start {}: {error}", executable.display())),
    }
}
