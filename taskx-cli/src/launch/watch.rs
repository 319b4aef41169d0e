//! `taskx run --watch`: the application is built and started anew when its sources change.
//!
//! It is built while the old one still runs; only one that compiles replaces it, and the old one
//! stops gracefully.

use std::{
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use notify::{Event, RecursiveMode, Watcher};
use rustix::process::{Pid, Signal, kill_process};
use taskx_commands::{Exit, Failure, output::say};
use taskx_core::signals::Signals;
use tokio::{
    process::{Child, Command},
    runtime,
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
};

use super::{Call, Target, become_app, build, find::Binary};

/// What makes an application another one; the files that it writes itself do not.
const SOURCES: [&str; 4] = ["rs", "toml", "sql", "html"];

/// Folders of a package that hold no sources.
const NO_SOURCES: [&str; 2] = ["target", "node_modules"];

/// Editors write several files at once, and some twice.
const SETTLE: Duration = Duration::from_millis(100);

/// Runs the application until a signal comes.
///
/// # Errors
/// If the sources cannot be watched, or the application cannot be started.
pub(super) fn watch(binary: &Binary, target: &Target, call: &Call) -> Result<(), Failure> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("start a runtime: {error}")))?;
    runtime.block_on(async {
        let (sender, mut changes) = unbounded_channel();
        let tell = move |event: notify::Result<Event>| {
            let is_source = |event: &Event| {
                !event.kind.is_access() && event.paths.iter().any(|path| is_source(path))
            };
            if event.as_ref().is_ok_and(is_source) {
                let _ = sender.send(());
            }
        };
        let failed = |error| Failure::failed(format!("watch the sources: {error}"));
        let mut watcher = notify::recommended_watcher(tell).map_err(failed)?;
        for folder in &binary.folders {
            for (path, mode) in parts(folder) {
                watcher.watch(&path, mode).map_err(failed)?;
            }
        }
        serve(binary, target, call, &mut changes).await
    })
}

/// What of a package's folder is watched: itself, and every folder in it that may hold sources.
fn parts(folder: &Path) -> Vec<(PathBuf, RecursiveMode)> {
    let mut parts = vec![(folder.to_owned(), RecursiveMode::NonRecursive)];
    for entry in folder.read_dir().into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_ours = !name.starts_with('.') && !NO_SOURCES.contains(&name.as_ref());
        if is_ours && entry.path().is_dir() {
            parts.push((entry.path(), RecursiveMode::Recursive));
        }
    }
    parts
}

fn is_source(path: &Path) -> bool {
    path.extension().is_some_and(|is| SOURCES.iter().any(|source| is == *source))
}

async fn serve(
    binary: &Binary,
    target: &Target,
    call: &Call,
    changes: &mut UnboundedReceiver<()>,
) -> Result<(), Failure> {
    let mut signals = Signals::install()?;
    let mut running: Option<Child> = None;
    loop {
        match build::build(binary, target).and_then(|path| {
            become_app::shake_hands(&path)?;
            Ok(path)
        }) {
            Ok(path) => {
                if let Some(old) = running.take() {
                    say("the sources have changed; starting anew");
                    stop(old).await?;
                }
                running = Some(start(&path, call)?);
            }
            // Cargo has told what does not compile.
            Err(failure) if failure.message.is_empty() => {}
            Err(failure) => say(&failure),
        }
        tokio::select! {
            () = next(changes) => {}
            () = signals.next() => {
                let Some(old) = running else { return Ok(()) };
                return end(old, &mut signals).await;
            }
            status = ended(&mut running) => {
                say(format_args!("the application ended ({status}); waiting for a change"));
                running = None;
                tokio::select! {
                    () = next(changes) => {}
                    () = signals.next() => return Ok(()),
                }
            }
        }
    }
}

/// The end of the application, waited for; never, if none runs.
async fn ended(running: &mut Option<Child>) -> String {
    let Some(child) = running else { return std::future::pending().await };
    match child.wait().await {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    }
}

/// A change, and those that follow at once.
async fn next(changes: &mut UnboundedReceiver<()>) {
    if changes.recv().await.is_none() {
        std::future::pending::<()>().await;
    }
    while let Ok(Some(())) = tokio::time::timeout(SETTLE, changes.recv()).await {}
}

/// Starts the application in a process group of its own, so that Ctrl-C comes to it through us, and
/// once.
fn start(executable: &Path, call: &Call) -> Result<Child, Failure> {
    Command::from(call.command(executable))
        .stdin(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| Failure::failed(format!("start {}: {error}", executable.display())))
}

/// Asks the application to stop.
fn ask(child: &Child) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended just now.
        let _ = kill_process(pid, Signal::TERM);
    }
}

async fn stop(mut child: Child) -> Result<ExitStatus, Failure> {
    ask(&child);
    Ok(child.wait().await?)
}

/// Passes signals on until the application has ended, and ends as it does.
async fn end(mut child: Child, signals: &mut Signals) -> Result<(), Failure> {
    ask(&child);
    loop {
        tokio::select! {
            status = child.wait() => {
                return match status?.code() {
                    Some(0) => Ok(()),
                    Some(2) => Err(Failure::silent(Exit::Usage)),
                    _ => Err(Failure::silent(Exit::Failed)),
                };
            }
            () = signals.next() => ask(&child),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_application_writes_is_no_source() {
        assert!(is_source(Path::new("src/main.rs")) && is_source(Path::new("Cargo.toml")));
        assert!(!is_source(Path::new("taskx.db-wal")) && !is_source(Path::new("outbox/1.eml")));
    }

    #[test]
    fn build_folders_are_not_watched() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["src", "target", ".git"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let parts = parts(folder.path());
        let names: Vec<_> = parts.iter().map(|(path, _)| path.file_name().unwrap()).collect();
        assert!(parts.len() == 2 && names.contains(&"src".as_ref()), "{names:?}");
    }
}
