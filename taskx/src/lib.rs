//! Background tasks for Rust: annotate a function, and your own SQL database is its queue.
//!
//! ```no_run
//! use taskx::prelude::*;
//!
//! /// Sends a welcome mail.
//! #[task(queue = "mail", max_attempts = 5, backoff = "2s..1h", timeout = "30s")]
//! async fn welcome_task(to: String, mailer: &Mailer) -> Result<()> {
//!     mailer.send(&to, "Welcome!").await
//! }
//!
//! /// Every working day at nine, Paris time.
//! #[cron_task(day_of_week = "mon-fri", hour = 9, timezone = "Europe/Paris")]
//! async fn digest_task(mailer: &Mailer) -> Result<()> {
//!     mailer.send("team@example.com", "What happened yesterday").await
//! }
//!
//! async fn setup(app: AppBuilder) -> Result<App> {
//!     app.state(Mailer).build().await
//! }
//!
//! #[taskx::main(setup = setup)]
//! async fn main(app: App) -> Result<()> {
//!     let worker = app.background_worker().start().await?; // beside your web server
//!     WelcomeTask::apply("ada@example.com").await?; // on disk when it returns
//!     worker.wait_idle().await
//! }
//! # struct Mailer;
//! # impl Mailer {
//! #     async fn send(&self, _to: &str, _text: &str) -> Result<()> { Ok(()) }
//! # }
//! ```
//!
//! **What a task takes by value is stored with the job; what it takes by reference is lent when it
//! runs**: `&str` is stored and lent, `&Ctx` is the context of the run, any other `&T` a state of the
//! App, and a `&mut` connection a transaction that also completes the job.
//!
//! # Where to look
//!
//! | to | see |
//! |---|---|
//! | declare a task | [`macro@task`], with the table of options |
//! | declare a schedule | [`macro@cron_task`], [`macro@date_task`], [`macro@interval_task`] |
//! | enqueue | [`Apply`], [`ApplyMany`], [`Enqueued`]; in your own transaction [`ApplyOn`] |
//! | set up an application | [`App`], [`AppBuilder`], [`Config`], [`macro@main`] |
//! | run jobs | [`BackgroundTaskWorker`], [`BlockingTaskWorker`], [`WorkerHandle`] |
//! | say how an attempt ends | any error, [`Retry`], [`Snooze`], [`Cancel`], [`Discard`]; [`Backoff`] |
//! | ask about the run | [`Ctx`] |
//! | look and operate | [`Queue`], [`inspect::Inspect`], [`Schedules`], [`Event`] |
//! | wrap every run | [`Layer`] |
//! | test | `testing`, with the feature of that name |
//!
//! The guide in the repository's folder `docs/` explains all of it in order, with the promises word
//! for word.
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `sqlite` (default) | SQLite, compiled in |
//! | `postgres` | PostgreSQL, by a driver in Rust |
//! | `mysql` | MySQL and MariaDB, by a driver in Rust |
//! | `tls` | encrypted connections to the servers, by rustls |
//! | `cli` | the program answers `myapp taskx run`, `status` and so on: the module `cli` |
//! | `testing` | the test kit for applications |

mod start;

#[cfg(feature = "testing")]
pub use taskx_core::testing;
pub use taskx_core::{
    app::{App, AppBuilder, Mode},
    apply::{Apply, Enqueue},
    apply_many::{ApplyMany, EnqueueMany},
    config::Config,
    context::Ctx,
    enqueued::Enqueued,
    error::{Error, ErrorKind, Result},
    event::Event,
    inspect::{self, Actor, Cancelled},
    job::{Job, JobId, JobState},
    layer::{Layer, Next},
    queue::Queue,
    retry::Backoff,
    schedule::{ScheduleInfo, ScheduleSource},
    schedules::{NewSchedule, Schedules},
    store::Engine,
    task::Overlap,
    verdict::{Cancel, Discard, Retry, Snooze, TaskReturn, Verdict},
    worker::{AttemptCounts, BackgroundTaskWorker, BlockingTaskWorker, Stopped, WorkerHandle},
};
#[cfg(feature = "mysql")]
pub use taskx_diesel::MysqlConn;
#[cfg(feature = "postgres")]
pub use taskx_diesel::PgConn;
pub use taskx_diesel::{
    ApplyOn, MIGRATIONS, QueueTransaction, TaskxBackend, error_from_diesel, migrate, schema,
};
#[cfg(feature = "sqlite")]
pub use taskx_diesel::{AsyncSqliteConn, Durability, SqliteOptions, SqliteStore};
pub use taskx_macros::*;
pub use taskx_schedule as schedule;

/// The commands that this application's own binary answers: `myapp taskx run`, `myapp taskx status`.
///
/// `#[taskx::main]` answers them by itself; in any other `main`, [`intercept`](cli::intercept) does.
#[cfg(feature = "cli")]
pub mod cli {
    pub use taskx_commands::{Answer, Asked, Exit, Request, asked, intercept};
}

/// What a file with tasks needs: `use taskx::prelude::*;`.
pub mod prelude {
    pub use crate::{
        App, AppBuilder, ApplyOn, BackgroundTaskWorker, BlockingTaskWorker, Cancel, Ctx, Discard,
        JobId, Mode, QueueTransaction, Result, Retry, Snooze, cron_task, date_task, interval_task,
        task,
    };
}

/// What the macros' code names. Not part of the public interface: it changes without notice.
#[doc(hidden)]
pub mod __private {
    pub use crate::start::{default_setup, run as run_main};
    pub use inventory;
    pub use serde;
    pub use serde_json;
    pub use taskx_core::{
        apply::Apply,
        error::{Error, ErrorKind, Result},
        job::JobId,
        retry::Backoff,
        state::StateNeed,
        store::Engine,
        task::{
            ArgumentDef, ConnectionNeed, Invocation, Overlap, Registered, Retention, Run,
            ScheduleDef, SettleMode, Storable, Task, TaskDef, TaskOptions, accepts,
        },
        verdict::{AnyReturn, Returned, TaskReturn, Verdict},
    };
    pub use taskx_diesel::TaskConnection;
    pub use taskx_schedule::{self, Misfire};

    /// A future that a task's wrapper returns.
    pub type BoxFuture<'a, T> =
        ::core::pin::Pin<::std::boxed::Box<dyn ::core::future::Future<Output = T> + Send + 'a>>;
}
