//! Opening connections. A database that does not answer is called twice a second at most, by
//! whichever of a store's loops comes first; the others get the last answer at once.

use std::{
    future::Future,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use taskx_core::error::{Error, ErrorKind, Result, chain};
use tokio::{runtime::Handle, task::JoinSet};

/// The shortest time between two tries after one that failed; jitter comes on top.
const PAUSE: Duration = Duration::from_millis(500);

/// How long a caller's runtime may take to open a connection.
const SOON: Duration = Duration::from_millis(500);

/// Opens a connection on a caller's runtime; `None` if that does not do it soon: it is ending, has no
/// I/O, or its threads are all busy.
pub(crate) async fn open_on<C: Send + 'static>(
    runtime: &Handle,
    open: impl Future<Output = Result<C>> + Send + 'static,
) -> Option<Result<C>> {
    let mut opening = JoinSet::new();
    opening.spawn_on(open, runtime);
    tokio::time::timeout(SOON, opening.join_next()).await.ok()??.ok()
}

/// Who may open a connection now.
#[derive(Debug, Default)]
pub(crate) struct Redial(Mutex<Option<Failed>>);

/// The last try, if it failed.
#[derive(Debug)]
struct Failed {
    again: Instant,
    kind: ErrorKind,
    text: String,
}

impl Redial {
    /// Opens a connection, unless one that was tried a moment ago could not be opened.
    ///
    /// # Errors
    /// Those of `open`, or its last one again.
    pub(crate) async fn dial<C>(&self, open: impl Future<Output = Result<C>>) -> Result<C> {
        self.allow(Instant::now())?;
        let opened = open.await;
        *self.last() = match &opened {
            Ok(_) => None,
            Err(error) => {
                let (again, kind, text) = (next(Instant::now()), error.kind(), chain(error));
                Some(Failed { again, kind, text })
            }
        };
        opened
    }

    /// Lets one caller through when it is time, and makes the others wait for what it finds.
    fn allow(&self, now: Instant) -> Result<()> {
        match &mut *self.last() {
            Some(failed) if now < failed.again => Err(Error::new(failed.kind, failed.text.clone())),
            Some(failed) => {
                failed.again = next(now);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn last(&self) -> MutexGuard<'_, Option<Failed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn next(now: Instant) -> Instant {
    now + PAUSE.mul_f64(1.0 + fastrand::f64() * 0.5)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    async fn refuse(calls: &AtomicU32) -> Result<()> {
        calls.fetch_add(1, Ordering::SeqCst);
        Err(Error::new(ErrorKind::Transient, "nobody answers"))
    }

    #[tokio::test]
    async fn a_server_that_is_away_is_called_twice_a_second_at_most() {
        let (redial, calls) = (Redial::default(), AtomicU32::new(0));
        let until = Instant::now() + Duration::from_millis(1_100);
        while Instant::now() < until {
            let error = redial.dial(refuse(&calls)).await.unwrap_err();
            assert_eq!(error.to_string(), "nobody answers");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!((2..=3).contains(&calls.load(Ordering::SeqCst)), "{calls:?}");
        let opened = loop {
            match redial.dial(async { Ok(7) }).await {
                Ok(seven) => break seven,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        };
        assert_eq!(opened, 7);
        redial.dial(refuse(&calls)).await.unwrap_err();
    }
}
