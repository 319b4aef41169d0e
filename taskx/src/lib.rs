//! Background tasks for Rust: annotate a function, and your own SQL database is its queue.

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
    store::Engine,
    verdict::{Cancel, Discard, Retry, Snooze, TaskReturn, Verdict},
    worker::{BackgroundTaskWorker, BlockingTaskWorker, Stopped, WorkerHandle},
};
#[cfg(feature = "sqlite")]
pub use taskx_diesel::AsyncSqliteConn;
#[cfg(feature = "mysql")]
pub use taskx_diesel::MysqlConn;
#[cfg(feature = "postgres")]
pub use taskx_diesel::PgConn;
pub use taskx_diesel::{ApplyOn, QueueTransaction};
pub use taskx_macros::*;
pub use taskx_schedule as schedule;

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
            ScheduleDef, SettleMode, Storable, Task, TaskDef, TaskOptions,
        },
        verdict::{AnyReturn, Returned, TaskReturn, Verdict},
    };
    pub use taskx_diesel::TaskConnection;
    pub use taskx_schedule::{self, Misfire};

    /// A future that a task's wrapper returns.
    pub type BoxFuture<'a, T> =
        ::core::pin::Pin<::std::boxed::Box<dyn ::core::future::Future<Output = T> + Send + 'a>>;
}
