//! The I/O thread of an App: a current-thread runtime on which all database work runs, so that
//! connections outlive whatever runtime a user or a test calls from.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Mutex,
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use tokio::{runtime::Handle, sync::oneshot};
use tokio_util::sync::CancellationToken;

use crate::{
    callers::{driven_runtime, with_callers_runtime},
    error::{Error, ErrorKind, Result},
};

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

    /// Begins a future on the caller's thread, which then polls it itself: two changes of thread
    /// fewer than [`run`](Self::run), for what needs no connection of this thread's runtime.
    pub(crate) fn lend<R: Send + 'static>(
        &self,
        future: impl Future<Output = Result<R>> + Send + 'static,
    ) -> Lent<R> {
        let mut lent =
            Lent { progress: Progress::Running(Box::pin(future)), handle: self.handle.clone() };
        if let Poll::Ready(answer) = lent.go_on(&mut Context::from_waker(Waker::noop())) {
            lent.progress = Progress::Ended(answer);
        }
        lent
    }
}

/// A future that its caller polls, on any thread and executor; what it spawns and its pauses are the I/O
/// thread's, on which it also goes on if the caller drops it.
pub(crate) struct Lent<R: Send + 'static> {
    progress: Progress<R>,
    handle: Handle,
}

enum Progress<R> {
    Running(Pin<Box<dyn Future<Output = Result<R>> + Send>>),
    /// Before anybody asked.
    Ended(Result<R>),
    Told,
}

impl<R: Send + 'static> Lent<R> {
    fn go_on(&mut self, context: &mut Context<'_>) -> Poll<Result<R>> {
        let callers = driven_runtime();
        let _entered = self.handle.enter();
        let answer = match &mut self.progress {
            Progress::Running(future) => {
                with_callers_runtime(callers, || future.as_mut().poll(context))
            }
            Progress::Ended(_) | Progress::Told => Poll::Pending,
        };
        if answer.is_ready() {
            self.progress = Progress::Told;
        }
        answer
    }
}

impl<R: Send + Unpin + 'static> Future for Lent<R> {
    type Output = Result<R>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<R>> {
        match std::mem::replace(&mut self.progress, Progress::Told) {
            Progress::Ended(answer) => Poll::Ready(answer),
            other => {
                self.progress = other;
                self.go_on(context)
            }
        }
    }
}

impl<R: Send + 'static> Drop for Lent<R> {
    fn drop(&mut self) {
        if let Progress::Running(future) = std::mem::replace(&mut self.progress, Progress::Told) {
            // Where that thread has ended, this drops it.
            drop(self.handle.spawn(future));
        }
    }
}

impl<R: Send + 'static> fmt::Debug for Lent<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lent").finish_non_exhaustive()
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

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot::error::TryRecvError;

    use super::*;

    /// A future that sleeps, which needs a runtime, and then tells.
    async fn slow(tell: oneshot::Sender<&'static str>) -> Result<i32> {
        tokio::time::sleep(Duration::from_millis(20)).await;
        tell.send("told").unwrap();
        Ok(7)
    }

    #[test]
    fn what_is_lent_is_polled_without_a_runtime() {
        let io = IoThread::start("io").unwrap();
        let (tell, mut told) = oneshot::channel();
        let lent = io.lend(slow(tell));
        assert_eq!(told.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(pollster::block_on(lent).unwrap(), 7);
        assert_eq!(told.try_recv(), Ok("told"));
        assert_eq!(pollster::block_on(io.lend(async { Ok(8) })).unwrap(), 8);
    }

    #[test]
    fn what_is_lent_begins_at_once_and_goes_on_when_it_is_dropped() {
        let io = IoThread::start("io").unwrap();
        let (begin, mut begun) = oneshot::channel();
        let (tell, told) = oneshot::channel();
        let lent = io.lend(async move {
            begin.send(()).unwrap();
            slow(tell).await
        });
        assert_eq!(begun.try_recv(), Ok(()));
        drop(lent);
        assert_eq!(pollster::block_on(told), Ok("told"));
    }

    /// A timer of a runtime that has ended panics.
    #[test]
    fn what_is_lent_outlives_the_runtime_that_began_it() {
        let io = IoThread::start("io").unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let (tell, told) = oneshot::channel();
        let lent = {
            let _entered = runtime.enter();
            io.lend(slow(tell))
        };
        runtime.shutdown_background();
        drop(lent);
        assert_eq!(pollster::block_on(told), Ok("told"));
    }
}
