//! Threads for plain fns. Not the blocking pool of the runtime that they belong to: a runtime that
//! ends waits for its pool, so that one fn that never ends would keep its process from ending.

use std::{
    collections::VecDeque,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tokio::{runtime::Handle, sync::oneshot};

/// How long a thread without work stays.
const IDLE: Duration = Duration::from_secs(10);

type Work = Box<dyn FnOnce() + Send>;

/// All threads of the process. There is no upper bound but the slots of its workers.
#[derive(Default)]
struct Pool {
    waiting: VecDeque<Work>,
    /// Threads that wait for work.
    idle: usize,
}

static POOL: Mutex<Pool> = Mutex::new(Pool { waiting: VecDeque::new(), idle: 0 });
static RUNG: Condvar = Condvar::new();

/// Runs a function on a thread that the process does not wait for at its end. The caller's runtime
/// is the current one there, so that `Handle::current()` works. The answer fails if it panics.
///
/// # Errors
/// If the system gives no thread.
pub fn run<R: Send + 'static>(
    body: impl FnOnce() -> R + Send + 'static,
) -> io::Result<oneshot::Receiver<R>> {
    let runtime = Handle::try_current().ok();
    let (reply, answer) = oneshot::channel();
    let work = Box::new(move || {
        let _entered = runtime.as_ref().map(Handle::enter);
        // Nobody may wait for it any more.
        let _ = reply.send(body());
    });
    let mut pool = pool();
    pool.waiting.push_back(work);
    if pool.idle >= pool.waiting.len() {
        RUNG.notify_one();
        return Ok(answer);
    }
    let started = thread::Builder::new().name("taskx-task".to_owned()).spawn(serve);
    if let Err(error) = started {
        pool.waiting.pop_back();
        return Err(error);
    }
    Ok(answer)
}

/// Works until nothing has come for a while.
fn serve() {
    let mut pool = pool();
    loop {
        while let Some(work) = pool.waiting.pop_front() {
            drop(pool);
            // What panics has no answer; the thread goes on.
            let _ = catch_unwind(AssertUnwindSafe(work));
            pool = self::pool();
        }
        pool.idle += 1;
        let (woken, pause) = RUNG
            .wait_timeout_while(pool, IDLE, |pool| pool.waiting.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        pool = woken;
        pool.idle -= 1;
        if pause.timed_out() {
            return;
        }
    }
}

fn pool() -> MutexGuard<'static, Pool> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_runs_beside_work_and_a_panic_harms_nobody() {
        let (left, right) = (oneshot::channel(), oneshot::channel());
        // Each waits for the other: on one thread they would wait for ever.
        let one = run(move || {
            left.0.send(()).unwrap();
            right.1.blocking_recv().unwrap();
        });
        let two = run(move || {
            right.0.send(()).unwrap();
            left.1.blocking_recv().unwrap();
        });
        one.unwrap().await.unwrap();
        two.unwrap().await.unwrap();
        assert!(run(|| panic!("here")).unwrap().await.is_err());
        let answers: Vec<_> = (0..100).map(|n| run(move || n).unwrap()).collect();
        for (n, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.await.unwrap(), n);
        }
        let current = run(|| Handle::try_current().is_ok()).unwrap();
        assert!(current.await.unwrap());
    }
}
