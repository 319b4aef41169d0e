//! Runs a task's code so that a panic ends the attempt and nothing else, with its backtrace.

use std::{
    any::Any,
    backtrace::Backtrace,
    cell::{Cell, RefCell},
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Once,
    task::{Context, Poll},
};

use crate::outcome::{Failure, FailureKind};

thread_local! {
    /// Whether this thread is inside a task's code.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    /// Where the last panic of a task on this thread happened, and its backtrace.
    static NOTE: RefCell<Option<(String, String)>> = const { RefCell::new(None) };
}

static HOOK: Once = Once::new();

/// Makes panics of tasks leave a note, once per process; the hook that was there is called too.
fn install_hook() {
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if INSIDE.get() {
                let place = panic.location().map(ToString::to_string).unwrap_or_default();
                let trace = Backtrace::force_capture().to_string();
                NOTE.with(|note| *note.borrow_mut() = Some((place, trace)));
            }
            previous(panic);
        }));
    });
}

/// Runs sync code of a task.
pub(super) fn guarded<R>(body: impl FnOnce() -> R) -> Result<R, Failure> {
    install_hook();
    let outer = INSIDE.replace(true);
    let result = catch_unwind(AssertUnwindSafe(body));
    INSIDE.set(outer);
    result.map_err(|panic| failure(panic.as_ref()))
}

fn failure(panic: &(dyn Any + Send)) -> Failure {
    let message = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a value that is no text".to_owned());
    let note = NOTE.with(|note| note.borrow_mut().take());
    let (place, backtrace) =
        note.map_or_else(Default::default, |(p, b)| (format!(" at {p}"), Some(b)));
    Failure { kind: FailureKind::Panic, error: format!("panicked{place}: {message}"), backtrace }
}

/// A future whose panics are its output.
pub(super) struct Guarded<F>(pub(super) F);

impl<F: Future + Unpin> Future for Guarded<F> {
    type Output = Result<F::Output, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match guarded(|| Pin::new(&mut self.0).poll(cx)) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(failure) => Poll::Ready(Err(failure)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_gives_message_place_and_backtrace() {
        let future = Box::pin(async {
            tokio::task::yield_now().await;
            let number = std::hint::black_box(7);
            assert!(number < 7, "no more than {number}");
        });
        let failure = Guarded(future).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Panic);
        assert!(failure.error.contains("guard.rs"), "{}", failure.error);
        assert!(failure.error.ends_with("no more than 7"), "{}", failure.error);
        assert!(failure.backtrace.unwrap().contains("guard"));
    }
}
