//! Which queue is meant when none is named: the one whose job is running, else the scope's, else
//! the process default.

use std::{
    cell::RefCell,
    future::Future,
    sync::{Mutex, PoisonError, Weak},
    thread::LocalKey,
};

use crate::{
    error::{Error, ErrorKind, Result},
    queue::{Queue, QueueInner},
};

tokio::task_local! {
    static TASK_QUEUE: Queue;
    /// Set inside a transaction that is the only one which may write to the queue's database.
    static TASK_WRITES: Queue;
}

thread_local! {
    static THREAD_QUEUE: RefCell<Option<Queue>> = const { RefCell::new(None) };
    /// As `TASK_WRITES`, in sync code.
    static THREAD_WRITES: RefCell<Option<Queue>> = const { RefCell::new(None) };
}

/// The queues of the Apps that are live in this process.
static LIVE: Mutex<Vec<Weak<QueueInner>>> = Mutex::new(Vec::new());

/// Runs a future in which `queue` is the current one.
pub(crate) fn scope<F: Future>(queue: Queue, future: F) -> impl Future<Output = F::Output> {
    TASK_QUEUE.scope(queue, future)
}

/// Runs a function in which `queue` is the current one.
pub(crate) fn scope_sync<R>(queue: &Queue, body: impl FnOnce() -> R) -> R {
    set_while(&THREAD_QUEUE, queue, body)
}

/// Runs a future inside a transaction that holds the only write lock of `queue`'s database.
pub(crate) fn writing<F: Future>(queue: Queue, future: F) -> impl Future<Output = F::Output> {
    TASK_WRITES.scope(queue, future)
}

/// Runs a function inside a transaction that holds the only write lock of `queue`'s database.
pub(crate) fn writing_sync<R>(queue: &Queue, body: impl FnOnce() -> R) -> R {
    set_while(&THREAD_WRITES, queue, body)
}

/// Fails where a write to this queue would wait for a lock that the caller holds itself.
pub(crate) fn check_may_write(queue: &Queue) -> Result<()> {
    let holds = TASK_WRITES.try_with(|held| held.is(queue)).unwrap_or(false)
        || THREAD_WRITES.with(|slot| slot.borrow().as_ref().is_some_and(|held| held.is(queue)));
    if !holds {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Conflict,
        "enqueue a job inside a transactional task, whose own transaction holds SQLite's only \
         write lock: use `.on(conn)`, with the connection that the task took",
    ))
}

/// Runs a function while a slot of this thread holds `queue`.
fn set_while<R>(
    slot: &'static LocalKey<RefCell<Option<Queue>>>,
    queue: &Queue,
    body: impl FnOnce() -> R,
) -> R {
    struct Restore(&'static LocalKey<RefCell<Option<Queue>>>, Option<Queue>);
    impl Drop for Restore {
        fn drop(&mut self) {
            self.0.with(|slot| *slot.borrow_mut() = self.1.take());
        }
    }
    let _restore = Restore(slot, slot.with(|slot| slot.borrow_mut().replace(queue.clone())));
    body()
}

/// Makes a queue one of the live ones.
pub(crate) fn enter(queue: &Queue) {
    let mut live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
    live.retain(|one| one.strong_count() > 0);
    live.push(queue.downgrade());
}

/// Every live queue.
pub(crate) fn live() -> Vec<Queue> {
    let live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
    live.iter().filter_map(Weak::upgrade).filter_map(Queue::if_open).collect()
}

/// The live queue, where there has only been one: nearly always.
fn only() -> Option<Queue> {
    let live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
    let [one] = live.as_slice() else { return None };
    one.upgrade().and_then(Queue::if_open)
}

/// The current queue.
pub(crate) fn get() -> Result<Queue> {
    if let Ok(queue) = TASK_QUEUE.try_with(Clone::clone) {
        return Ok(queue);
    }
    if let Some(queue) = THREAD_QUEUE.with(|slot| slot.borrow().clone()) {
        return Ok(queue);
    }
    if let Some(queue) = only() {
        return Ok(queue);
    }
    let mut live = live();
    match (live.pop(), live.len()) {
        (Some(queue), 0) => Ok(queue),
        (None, _) => Err(Error::new(
            ErrorKind::NoStore,
            "enqueue a job: no App is live; build one first and keep it, or name a queue with `.to(&queue)`",
        )),
        (Some(_), others) => Err(Error::new(
            ErrorKind::NoStore,
            format!(
                "enqueue a job: {} Apps are live in this process; name the one that is meant with `.to(&queue)` or `queue.scope(..)`",
                others + 1
            ),
        )),
    }
}
