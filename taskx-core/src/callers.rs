//! The runtimes of those who call: a lone caller's insert may use its own.

use std::cell::RefCell;

use tokio::runtime::{Handle, RuntimeFlavor};

/// The runtime of this thread, if it is driven whatever its users do: one with threads of its own. A
/// current-thread runtime only is while somebody blocks on it.
#[must_use]
pub fn driven_runtime() -> Option<Handle> {
    let here = Handle::try_current().ok();
    here.filter(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread)
}

thread_local! {
    static CALLERS: RefCell<Option<Handle>> = const { RefCell::new(None) };
}

/// The driven runtime of a caller who polls a future of the App's by itself, while it does. What is
/// spawned there wakes that caller soonest, and may end with that runtime; timers are not for it, since
/// one whose runtime has ended panics.
#[must_use]
pub fn callers_runtime() -> Option<Handle> {
    CALLERS.with_borrow(Clone::clone)
}

/// Runs `poll` with a [`callers_runtime`].
pub(crate) fn with_callers_runtime<R>(runtime: Option<Handle>, poll: impl FnOnce() -> R) -> R {
    /// Puts back what was there, also after a panic.
    struct Before(Option<Handle>);
    impl Drop for Before {
        fn drop(&mut self) {
            CALLERS.set(self.0.take());
        }
    }
    let _before = Before(CALLERS.replace(runtime));
    poll()
}
