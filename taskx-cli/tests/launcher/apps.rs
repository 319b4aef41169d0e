//! Small applications in folders of their own. All are built into one target folder, that of
//! `cargo xtask ci`'s newcomer, with the same features and profile, so that the database and what it
//! needs are compiled for all of them once; they are made anew only when their text changes.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use assert_cmd::Command;
use tempfile::TempDir;

/// The folder of this package.
const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// A folder that stays from one run of the tests to the next.
fn kept() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("launcher")
}

/// Where everything is built.
pub(crate) fn target_dir() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("newcomer")
}

/// A `taskx = {..}` line.
fn dependency(rest: &str) -> String {
    let path = Path::new(HERE).parent().unwrap().join("taskx");
    format!("taskx = {{ path = '{}'{rest} }}\n", path.display())
}

fn package(name: &str, rest: &str) -> String {
    format!("[package]\nname = '{name}'\nversion = '3.2.1'\nedition = '2024'\n\n{rest}")
}

/// A workspace of its own, though its folder lies in ours.
const ALONE: &str = "\n[workspace]\n";

/// Writes files below a folder, unless they are there already, word for word.
fn write(folder: &Path, files: &[(&str, String)]) {
    for (name, text) in files {
        let path = folder.join(name);
        if fs::read_to_string(&path).is_ok_and(|found| found == *text) {
            continue;
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // Tests of several processes may write the same at the same time.
        let draft = path.with_extension(format!("{}.draft", std::process::id()));
        fs::write(&draft, text).unwrap();
        fs::rename(&draft, &path).unwrap();
    }
    let lock = Path::new(HERE).parent().unwrap().join("Cargo.lock");
    if !folder.join("Cargo.lock").exists() {
        fs::copy(lock, folder.join("Cargo.lock")).unwrap();
    }
}

const SINGLE: &str = r#"
use taskx::prelude::*;

/// Greets somebody.
#[task(queue = "mail", max_attempts = 2, backoff = "1h")]
async fn greet(name: String, #[arg(default)] times: u8) -> Result<String, String> {
    if name.is_empty() {
        return Err("nobody to greet".to_owned());
    }
    Ok(format!("Hello, {name}!").repeat(usize::from(times.max(1))))
}

/// Takes its time.
#[task]
fn slow(millis: u64) {
    println!("slow began");
    std::thread::sleep(std::time::Duration::from_millis(millis));
    println!("slow ended");
}

#[cron_task("0 3 * * *")]
fn nightly() {}

fn says(name: &str) -> bool {
    std::env::var_os(name).is_some()
}

async fn setup(app: AppBuilder) -> Result<App> {
    println!("setup runs");
    let mode = if says("SAY_BLOCKING") { Mode::Blocking } else { Mode::Background };
    app.worker(mode).build().await
}

#[taskx::main(setup = setup)]
async fn main(app: App) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    println!("main runs with {:?}", std::env::args().skip(1).collect::<Vec<_>>());
    if says("SAY_ERROR") {
        return Err("the application failed".into());
    }
    if says("SAY_LAZY") {
        return Ok(());
    }
    let stopping = app.stopping();
    app.background_worker().start().await?;
    stopping.await;
    println!("main ends");
    Ok(())
}
"#;

/// An application of one binary; taskx's feature `cli` is not in its manifest.
pub(crate) fn single() -> PathBuf {
    static WRITTEN: OnceLock<PathBuf> = OnceLock::new();
    WRITTEN
        .get_or_init(|| {
            let folder = kept().join("single");
            let manifest = package("single", &format!("[dependencies]\n{}{ALONE}", dependency("")));
            write(&folder, &[("Cargo.toml", manifest), ("src/main.rs", SINGLE.to_owned())]);
            folder
        })
        .clone()
}

const WEB: &str = r#"
async fn run() -> taskx::Result {
    let app = taskx::App::builder().worker(taskx::Mode::Blocking).build().await?;
    taskx::cli::intercept(&app).await;
    println!("the web server runs");
    Ok(())
}

fn main() -> taskx::Result {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(run())
}

#[taskx::task]
async fn ping() {}
"#;

const API: &str = "#[taskx::main]\nasync fn main(_app: taskx::App) {}\n";

/// A workspace: `web` (which calls `intercept`) and `api` are applications, `tool` is none, and the
/// library `jobs` has tasks that `forgetful` does not mention.
pub(crate) fn several() -> PathBuf {
    static WRITTEN: OnceLock<PathBuf> = OnceLock::new();
    WRITTEN
        .get_or_init(|| {
            let folder = kept().join("several");
            let members = "[workspace]\nresolver = '3'\nmembers = ['web', 'api', 'tool', 'jobs', 'forgetful']\n";
            let with = |name: &str, dependencies: &str| {
                package(name, &format!("[dependencies]\n{dependencies}"))
            };
            let tokio = "tokio = { version = '1', features = ['rt-multi-thread'] }\n";
            let jobs = "jobs = { path = '../jobs' }\n";
            let files = [
                ("Cargo.toml", members.to_owned()),
                ("web/Cargo.toml", with("web", &format!("{}{tokio}", dependency(", features = ['cli']")))),
                ("web/src/main.rs", WEB.to_owned()),
                ("api/Cargo.toml", with("api", &dependency(""))),
                ("api/src/main.rs", API.to_owned()),
                ("tool/Cargo.toml", with("tool", "")),
                ("tool/src/main.rs", "fn main() {}\n".to_owned()),
                ("jobs/Cargo.toml", with("jobs", &dependency(""))),
                ("jobs/src/lib.rs", "#[taskx::task]\npub async fn remembered() {}\n".to_owned()),
                ("forgetful/Cargo.toml", with("forgetful", &format!("{}{jobs}", dependency("")))),
                ("forgetful/src/main.rs", API.to_owned()),
            ];
            write(&folder, &files);
            folder
        })
        .clone()
}

/// A library whose application is an example, which its manifest names.
pub(crate) fn example() -> PathBuf {
    static WRITTEN: OnceLock<PathBuf> = OnceLock::new();
    WRITTEN
        .get_or_init(|| {
            let folder = kept().join("example");
            let named = "[package.metadata.taskx]\napp = 'demo'\n";
            let dependencies = format!("[dependencies]\n{}", dependency(""));
            let manifest = package("shown", &format!("{dependencies}{named}{ALONE}"));
            let demo = "#[taskx::task]\nasync fn ping() {}\n\n#[taskx::main]\nasync fn main() {}\n";
            let files = [
                ("Cargo.toml", manifest),
                ("src/lib.rs", String::new()),
                ("examples/demo.rs", demo.to_owned()),
            ];
            write(&folder, &files);
            folder
        })
        .clone()
}

/// A package of these files, which is only looked at.
pub(crate) fn sketch(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let filled: Vec<_> = files
        .iter()
        .map(|(name, text)| (*name, text.replace("TASKX", dependency("").trim_end())))
        .collect();
    write(folder.path(), &filled);
    folder
}

/// The command in a folder, with a database of its own.
pub(crate) fn taskx(folder: &Path, database: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_taskx"));
    set_up(command.current_dir(folder), database);
    command
}

/// The same as cargo's own subcommand.
pub(crate) fn cargo_taskx(folder: &Path, database: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-taskx"));
    set_up(command.current_dir(folder).arg("taskx"), database);
    command
}

fn set_up(command: &mut Command, database: &Path) {
    for (name, value) in environment(database) {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
}

/// What applications and the command are told, and what of this process they are not.
pub(crate) fn environment(database: &Path) -> Vec<(&'static str, Option<String>)> {
    let url = format!("sqlite://{}", database.join("jobs.db").display());
    let mut all = vec![
        ("TASKX_DATABASE_URL", Some(url)),
        ("CARGO_TARGET_DIR", Some(target_dir().display().to_string())),
        // Everything that is needed has been fetched for this workspace.
        ("CARGO_NET_OFFLINE", Some("true".to_owned())),
        ("CARGO_TERM_COLOR", Some("never".to_owned())),
        // A third of the time that linking takes; the newcomer says the same.
        ("CARGO_PROFILE_DEV_DEBUG", Some("false".to_owned())),
        ("USER", Some("ada".to_owned())),
    ];
    let removed = [
        "DATABASE_URL",
        "TASKX_APP",
        "TASKX_TEST_POSTGRES",
        "TASKX_TEST_MYSQL",
        "CARGO",
        "RUSTFLAGS",
    ];
    all.extend(removed.map(|name| (name, None)));
    all
}

const WATCHED: &str = r#"
#[taskx::task]
async fn ping() {}

#[taskx::main]
async fn main(app: taskx::App) {
    let stopping = app.stopping();
    let worker = app.background_worker().start().await;
    println!("edition one runs: {}", worker.is_ok());
    stopping.await;
    println!("edition one ends");
}
"#;

/// An application that a test changes.
pub(crate) fn watched() -> PathBuf {
    let folder = kept().join("watched");
    let manifest = package("watched", &format!("[dependencies]\n{}{ALONE}", dependency("")));
    write(&folder, &[("Cargo.toml", manifest), ("src/main.rs", WATCHED.to_owned())]);
    folder
}
