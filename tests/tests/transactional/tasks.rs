//! The tasks of one connection: one that does as it is told, and one with a timeout.
#![expect(clippy::panic, reason = "a task that panics is what is tested")]

use std::{sync::Mutex, sync::mpsc::Sender};

use taskx::{Ctx, JobId, Queue, Result};

use crate::Then;

/// The tasks of one connection, as the proofs use them.
pub(crate) struct Tasks {
    /// The App's name.
    pub(crate) app: &'static str,
    /// Whether its functions are async, and so are stopped by a timeout.
    pub(crate) is_async: bool,
    /// Enqueues one that writes and goes on as it is told.
    pub(crate) write: fn(&Queue, Then) -> Result<JobId>,
    /// Enqueues one that hangs and has a timeout.
    pub(crate) hang: fn(&Queue) -> Result<JobId>,
}

/// Holds a task up between its write and its end.
pub(crate) struct Gate {
    /// Tells that a task is there.
    pub(crate) here: Mutex<Sender<()>>,
    /// Opens the gate.
    pub(crate) open: tokio::sync::watch::Receiver<bool>,
}

impl Gate {
    pub(crate) async fn pass(&self) {
        self.here.lock().unwrap().send(()).unwrap();
        self.open.clone().wait_for(|open| *open).await.unwrap();
    }

    pub(crate) fn pass_blocking(&self) {
        tokio::runtime::Handle::current().block_on(self.pass());
    }
}

/// The row that a run writes.
pub(crate) fn row(ctx: &Ctx) -> String {
    format!("INSERT INTO effects VALUES ('{}', {})", ctx.id(), ctx.fence())
}

/// How a run ends that has nothing else to do.
pub(crate) fn end(then: Then, ctx: &Ctx) -> anyhow::Result<i64> {
    match then {
        Then::Fail | Then::EnqueueAndFail => anyhow::bail!("told to fail"),
        Then::FailOnce if ctx.attempt() == 1 => anyhow::bail!("told to fail once"),
        Then::Snooze if ctx.fence() == 1 => {
            Err(taskx::Snooze::after(std::time::Duration::from_millis(20)))?
        }
        Then::Panic => panic!("told to panic"),
        _ => Ok(ctx.fence()),
    }
}

macro_rules! sync_tasks {
    ($module:ident, $app:tt, $Connection:path) => {
        mod $module {
            use diesel::connection::SimpleConnection;
            use taskx::prelude::*;

            use crate::{
                Then,
                tasks::{Gate, Tasks, end, row},
            };

            #[task(app = $app, queue = "write", max_attempts = 2, backoff = "20ms")]
            fn write(
                then: Then,
                conn: &mut $Connection,
                gate: &Gate,
                ctx: &Ctx,
            ) -> anyhow::Result<i64> {
                conn.batch_execute(&row(ctx))?;
                match then {
                    Then::Enqueue | Then::EnqueueAndFail => {
                        Follow::apply().to(ctx.queue()).on(conn)?;
                    }
                    Then::WaitForGate => gate.pass_blocking(),
                    _ => {}
                }
                end(then, ctx)
            }

            #[task(app = $app, queue = "write", timeout = "200ms", max_attempts = 1)]
            fn hang(conn: &mut $Connection, ctx: &Ctx) -> anyhow::Result<()> {
                conn.batch_execute(&row(ctx))?;
                while !ctx.is_cancelled() {
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
                anyhow::bail!("told to stop")
            }

            /// What the other one enqueues; nobody serves its queue.
            #[task(app = $app, queue = "follow")]
            fn follow() {}

            pub(crate) const TASKS: Tasks = Tasks {
                app: $app,
                is_async: false,
                write: |queue, then| Ok(Write::apply(then).to(queue).enqueue_blocking()?.id()),
                hang: |queue| Ok(Hang::apply().to(queue).enqueue_blocking()?.id()),
            };
        }
    };
}

macro_rules! async_tasks {
    ($module:ident, $app:tt, $Connection:path) => {
        mod $module {
            use diesel_async::SimpleAsyncConnection;
            use taskx::prelude::*;

            use crate::{
                Then,
                tasks::{Gate, Tasks, end, row},
            };

            #[task(app = $app, queue = "write", max_attempts = 2, backoff = "20ms")]
            async fn write(
                then: Then,
                conn: &mut $Connection,
                gate: &Gate,
                ctx: &Ctx,
            ) -> anyhow::Result<i64> {
                conn.batch_execute(&row(ctx)).await?;
                match then {
                    Then::Enqueue | Then::EnqueueAndFail => {
                        Follow::apply().to(ctx.queue()).on_async(conn).await?;
                    }
                    Then::WaitForGate => gate.pass().await,
                    _ => {}
                }
                end(then, ctx)
            }

            #[task(app = $app, queue = "write", timeout = "200ms", max_attempts = 1)]
            async fn hang(conn: &mut $Connection, ctx: &Ctx) -> anyhow::Result<()> {
                conn.batch_execute(&row(ctx)).await?;
                std::future::pending().await
            }

            /// What the other one enqueues; nobody serves its queue.
            #[task(app = $app, queue = "follow")]
            fn follow() {}

            pub(crate) const TASKS: Tasks = Tasks {
                app: $app,
                is_async: true,
                write: |queue, then| Ok(Write::apply(then).to(queue).enqueue_blocking()?.id()),
                hang: |queue| Ok(Hang::apply().to(queue).enqueue_blocking()?.id()),
            };
        }
    };
}
