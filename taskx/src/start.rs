//! What `#[taskx::main]` runs: a runtime, the environment, the App, the user's body, the end.

use std::{future::Future, process::ExitCode, time::Duration};

use taskx_core::{
    app::{App, AppBuilder},
    config::unreadable_env,
    driver::DEFAULT_URL,
    error::{BoxError, chain},
    signals::Signals,
    verdict::{TaskReturn, Verdict},
};
use tokio::runtime::Runtime;

/// How long a body that does not wait for `app.stopping()` may go on after a signal, beyond what
/// the workers take.
const PATIENCE: Duration = Duration::from_secs(1);

/// Runs an application: `.env` is read, a multi-thread tokio runtime started, the App set up, the
/// body run; at its end, or at a signal, the App's live workers are stopped gracefully.
///
/// An error is printed with its causes, and the exit code is 1. With the feature `cli`,
/// `myapp taskx ..` is answered instead of the body.
pub fn run<E, S, SF, B, BF>(setup: S, body: B) -> ExitCode
where
    E: Into<BoxError>,
    S: FnOnce(AppBuilder) -> SF,
    SF: Future<Output = Result<App, E>>,
    B: FnOnce(App) -> BF,
    BF: Future,
    BF::Output: TaskReturn,
{
    let order = match order::given() {
        Ok(order) => order,
        Err(exit) => return exit,
    };
    let runtime = match prepare() {
        Ok(runtime) => runtime,
        Err(error) => return order.failed(error.as_ref()),
    };
    let ended = runtime.block_on(async {
        let app = setup(order.configure(App::builder())).await.map_err(Into::into)?;
        if app.config().database_url.is_none() {
            announce_default();
        }
        order.obey(app, body).await
    });
    // A plain fn that does not end must not hold up the end of the process.
    runtime.shutdown_background();
    ended.unwrap_or_else(|error: BoxError| order.failed(error.as_ref()))
}

/// The App of an application without a setup of its own.
///
/// # Errors
/// As [`AppBuilder::build`].
pub async fn default_setup(app: AppBuilder) -> taskx_core::error::Result<App> {
    app.build().await
}

fn prepare() -> Result<Runtime, BoxError> {
    // Before any thread: it sets variables.
    match dotenvy::dotenv() {
        Ok(_) => {}
        Err(error) if error.not_found() => {}
        Err(dotenvy::Error::LineParse(line, _)) => return Err(unreadable_env(&line).into()),
        Err(error) => return Err(format!(".env: {error}").into()),
    }
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// Why a body has ended.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    /// It returned by itself.
    Done,
    /// A signal came.
    Stopped,
}

/// Runs the body to its end, or to a signal; then stops the workers gracefully, at a second signal
/// at once.
async fn whole<B, BF>(app: &App, body: B) -> Result<Ended, BoxError>
where
    B: FnOnce(App) -> BF,
    BF: Future,
    BF::Output: TaskReturn,
{
    let mut signals = Signals::install()?;
    let body = body(app.clone());
    tokio::pin!(body);
    let returned = tokio::select! {
        returned = &mut body => Some(returned),
        () = signals.next() => None,
    };
    let hurry = signals.next();
    let (ended, returned) = match returned {
        Some(returned) => {
            app.shutdown_hurried_by(hurry).await?;
            (Ended::Done, returned)
        }
        None => {
            let stopping = async {
                app.shutdown_hurried_by(hurry).await?;
                // Its own end takes a body that asked when to begin with it some time.
                let grace = app.config().grace;
                tokio::time::sleep(if app.stopping_is_awaited() { grace } else { PATIENCE }).await;
                Ok::<_, BoxError>(())
            };
            tokio::pin!(stopping);
            tokio::select! {
                returned = &mut body => {
                    stopping.await?;
                    (Ended::Stopped, returned)
                }
                stopped = &mut stopping => return stopped.map(|()| Ended::Stopped),
            }
        }
    };
    match returned.into_verdict() {
        Verdict::Done(_) => Ok(ended),
        Verdict::Failed(error) => Err(error),
        Verdict::Undecodable(error) => Err(error.into()),
    }
}

#[expect(clippy::print_stderr, reason = "a program without a log still says where its jobs are")]
fn announce_default() {
    let path = DEFAULT_URL.trim_start_matches("sqlite://");
    if let Ok(path) = std::path::absolute(path) {
        eprintln!("taskx: no database is configured; using sqlite://{}", path.display());
    }
}

/// Says why the program ends.
#[expect(clippy::print_stderr, reason = "the end of a program")]
fn complain(error: &(dyn std::error::Error + 'static)) {
    eprintln!("Error: {}", chain(error));
}

/// What the program was called for, where it answers commands.
#[cfg(feature = "cli")]
mod order {
    use taskx_commands::{Answer, Asked, Exit, Request, asked};
    use taskx_core::error::{Error, ErrorKind};

    use super::{App, AppBuilder, BoxError, Ended, ExitCode, Future, TaskReturn, complain, whole};

    /// A command, or none: then the program's own body.
    pub(super) struct Order(Option<Request>);

    /// What the program was called for; the exit code if that has been done already.
    pub(super) fn given() -> Result<Order, ExitCode> {
        match asked() {
            Asked::No => Ok(Order(None)),
            Asked::Answered(exit) => Err(exit.into()),
            Asked::Command(request) => match request.answer_alone() {
                Some(exit) => Err(exit.into()),
                None => Ok(Order(Some(request))),
            },
        }
    }

    impl Order {
        pub(super) fn configure(&self, builder: AppBuilder) -> AppBuilder {
            match self.0.as_ref().and_then(Request::opening) {
                Some(opening) => builder.opening(opening),
                None => builder,
            }
        }

        pub(super) async fn obey<B, BF>(&self, app: App, body: B) -> Result<ExitCode, BoxError>
        where
            B: FnOnce(App) -> BF,
            BF: Future,
            BF::Output: TaskReturn,
        {
            if let Some(request) = &self.0
                && let Answer::Exit(exit) = request.answer(&app).await
            {
                app.shutdown().await?;
                return Ok(exit.into());
            }
            let ended = whole(&app, body).await?;
            // A signal may have come before it came to its worker.
            if self.0.is_some() && ended == Ended::Done && app.workers().is_empty() {
                let text = "the application ran as a whole and started no worker: let `main` start \
                    `app.background_worker()`, or say `.worker(Mode::Blocking)` in the setup";
                return Err(Error::new(ErrorKind::Config, text).into());
            }
            Ok(ExitCode::SUCCESS)
        }

        /// Says why a program ends, and how.
        pub(super) fn failed(&self, error: &(dyn std::error::Error + 'static)) -> ExitCode {
            complain(error);
            let ours = error.downcast_ref::<Error>();
            match ours {
                Some(ours) if self.0.is_some() && ours.kind() == ErrorKind::Config => {
                    Exit::Usage.into()
                }
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// Without the feature `cli` there are no commands; being called for one is told and not ignored.
#[cfg(not(feature = "cli"))]
mod order {
    use super::{App, AppBuilder, BoxError, ExitCode, Future, TaskReturn, complain, whole};

    pub(super) struct Order;

    #[expect(clippy::print_stderr, reason = "the end of a program")]
    pub(super) fn given() -> Result<Order, ExitCode> {
        if std::env::args_os().nth(1).is_some_and(|word| word == "taskx") {
            eprintln!(
                "Error: this program was built without the feature `cli` of taskx; write \
                 `taskx = {{ version = \"..\", features = [\"cli\"] }}` in its Cargo.toml"
            );
            return Err(ExitCode::from(2));
        }
        Ok(Order)
    }

    impl Order {
        pub(super) fn configure(&self, builder: AppBuilder) -> AppBuilder {
            builder
        }

        pub(super) async fn obey<B, BF>(&self, app: App, body: B) -> Result<ExitCode, BoxError>
        where
            B: FnOnce(App) -> BF,
            BF: Future,
            BF::Output: TaskReturn,
        {
            whole(&app, body).await?;
            Ok(ExitCode::SUCCESS)
        }

        pub(super) fn failed(&self, error: &(dyn std::error::Error + 'static)) -> ExitCode {
            complain(error);
            ExitCode::FAILURE
        }
    }
}
