//! How far a worker may trust its own lease. The database's clock decides who holds a job; local
//! time only ever shortens what a worker believes.

use std::time::{Duration, Instant};

use tokio::sync::watch;

/// What the last renewal allows. Local time is monotonic.
#[derive(Debug)]
pub(super) struct Trust {
    /// When the last renewal that succeeded was sent: the database wrote it later.
    renewed: watch::Sender<Instant>,
    lease: Duration,
}

impl Trust {
    pub(super) fn new(lease: Duration) -> Self {
        Self { renewed: watch::Sender::new(Instant::now()), lease }
    }

    /// A renewal that was sent at `sent` has succeeded.
    pub(super) fn renewed(&self, sent: Instant) {
        self.renewed.send_replace(sent);
    }

    /// Waits while four fifths of the lease are over without a renewal: others may hold by now what
    /// this worker claimed, so it starts and claims nothing.
    pub(super) async fn holds(&self) {
        let enough = self.lease.mul_f64(0.8);
        if self.renewed.borrow().elapsed() < enough {
            return;
        }
        let mut renewed = self.renewed.subscribe();
        // The sender lives in `self`.
        let _ = renewed.wait_for(|sent| sent.elapsed() < enough).await;
    }

    /// Waits until the whole lease is over without a renewal.
    pub(super) async fn is_over(&self) {
        loop {
            let left = self.lease.saturating_sub(self.renewed.borrow().elapsed());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_lease_is_trusted_for_four_fifths_and_again_after_a_renewal() {
        let trust = Trust::new(Duration::from_secs(10));
        assert!(trust.holds().now_or_never().is_some());
        trust.renewed(Instant::now().checked_sub(Duration::from_secs(9)).unwrap());
        assert!(trust.holds().now_or_never().is_none(), "nine of ten seconds are over");
        assert!(trust.is_over().now_or_never().is_none(), "but not the tenth");
        trust.renewed(Instant::now().checked_sub(Duration::from_secs(11)).unwrap());
        assert!(trust.is_over().now_or_never().is_some());
        let waiting = trust.holds();
        tokio::pin!(waiting);
        assert!(waiting.as_mut().now_or_never().is_none());
        trust.renewed(Instant::now());
        waiting.await;
    }
}
