//! The I/O thread of an App: a current-thread runtime on which all database work runs, so that
//! connections outlive whatever runtime a user or a test calls from.

use std::{future::Future, sync::Mutex, thread, time::Duration};

use tokio::{runtime::Handle, sync::oneshot};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, ErrorKind, Result};

/// A thread with a current-thread runtime, stopped when this is dropped.
#[derive(Debug)]
pub(crate) struct IoThread {
    handle: Handle,
    stop: CancellationToken,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
}

impl IoThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// `Config` if the system gives no thread or no runtime.
    pub(crate) fn start(name: &str) -> Result<Self> {
        let failed = |e: std::io::Error| {
            Error::new(ErrorKind::Config, "start a thread for database work").with_source(e)
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .thread_name(name)
            .build()
            .map_err(failed)?;
        let handle = runtime.handle().clone();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                runtime.block_on(stopped.cancelled());
                // Blocking calls (a SQLite open, say) are not waited for.
                runtime.shutdown_background();
            })
            .map_err(failed)?;
        Ok(Self { handle, stop, thread: Mutex::new(Some(thread)) })
    }

    /// The thread's runtime, to spawn loops on.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// A pause that works on any executor: the timer is this thread's.
    pub(crate) fn sleep(&self, pause: Duration) -> tokio::time::Sleep {
        let _entered = self.handle.enter();
        tokio::time::sleep(pause)
    }

    /// Runs a future on the thread; the caller may be on any runtime, or on none.
    pub(crate) fn run<R: Send + 'static>(
        &self,
        future: impl Future<Output = Result<R>> + Send + 'static,
    ) -> oneshot::Receiver<Result<R>> {
        let (reply, answer) = oneshot::channel();
        self.handle.spawn(async move {
            let _ = reply.send(future.await);
        });
        answer
    }
}

impl Drop for IoThread {
    fn drop(&mut self) {
        self.stop.cancel();
        let thread = self.thread.get_mut().map(Option::take).unwrap_or_default();
        // The last handle may be dropped by a task of the thread itself.
        if let Some(thread) = thread
            && thread.thread().id() != thread::current().id()
        {
            let _ = thread.join();
        }
    }
}
