//! What `#[taskx::main]` runs: a runtime, the environment, the App, the user's body, the end.

use std::{future::Future, process::ExitCode, time::Duration};

use taskx_core::{
    app::{App, AppBuilder},
    driver::DEFAULT_URL,
    error::{BoxError, chain},
    verdict::{TaskReturn, Verdict},
};

/// Runs an application: `.env` is read, a multi-thread tokio runtime started, the App set up, the
/// body run; at its end the App's live workers are stopped gracefully.
///
/// An error is printed with its causes, and the exit code is 1.
pub fn run<E, S, SF, B, BF>(setup: S, body: B) -> ExitCode
where
    E: Into<BoxError>,
    S: FnOnce(AppBuilder) -> SF,
    SF: Future<Output = Result<App, E>>,
    B: FnOnce(App) -> BF,
    BF: Future,
    BF::Output: TaskReturn,
{
    let runtime = match prepare() {
        Ok(runtime) => runtime,
        Err(error) => return failed(error.as_ref()),
    };
    let ended = runtime.block_on(async {
        let app = setup(App::builder()).await.map_err(Into::into)?;
        if app.config().database_url.is_none() {
            announce_default();
        }
        let verdict = body(app.clone()).await.into_verdict();
        app.shutdown().await?;
        match verdict {
            Verdict::Done(_) => Ok(()),
            Verdict::Failed(error) => Err(error),
            Verdict::Undecodable(error) => Err(error.into()),
        }
    });
    // Jobs that would not end have been given back; a plain fn that never returns must not keep the
    // process alive.
    runtime.shutdown_timeout(Duration::from_millis(200));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(error.as_ref()),
    }
}

/// The App of an application without a setup of its own.
///
/// # Errors
/// As [`AppBuilder::build`].
pub async fn default_setup(app: AppBuilder) -> taskx_core::error::Result<App> {
    app.build().await
}

fn prepare() -> Result<tokio::runtime::Runtime, BoxError> {
    // Before any thread: it sets variables.
    match dotenvy::dotenv() {
        Ok(_) => {}
        Err(error) if error.not_found() => {}
        Err(error) => return Err(format!(".env: {error}").into()),
    }
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

#[expect(clippy::print_stderr, reason = "a program without a log still says where its jobs are")]
fn announce_default() {
    let path = DEFAULT_URL.trim_start_matches("sqlite://");
    if let Ok(path) = std::path::absolute(path) {
        eprintln!("taskx: no database is configured; using sqlite://{}", path.display());
    }
}

#[expect(clippy::print_stderr, reason = "the end of a program")]
fn failed(error: &(dyn std::error::Error + 'static)) -> ExitCode {
    eprintln!("Error: {}", chain(error));
    ExitCode::FAILURE
}
