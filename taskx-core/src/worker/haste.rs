//! A stop that must not wait: a second signal, and what may still be written after it.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

/// Outcomes may be written for so long after a second signal ..
pub(super) const TO_SETTLE: Duration = Duration::from_millis(400);

/// .. and the worker's row retired: the process is to be gone a second after the signal.
pub(super) const TO_RETIRE: Duration = Duration::from_millis(700);

/// Whether, and since when, a stop must not wait.
#[derive(Debug, Default)]
pub(super) struct Haste {
    since: OnceLock<Instant>,
    begun: CancellationToken,
}

impl Haste {
    /// No more waiting from now on.
    pub(super) fn begin(&self) {
        self.since.get_or_init(Instant::now);
        self.begun.cancel();
    }

    /// Waits until there is haste.
    pub(super) async fn begun(&self) {
        self.begun.cancelled().await;
    }

    /// Waits until there is haste, and `limit` after it.
    pub(super) async fn passed(&self, limit: Duration) {
        self.begun.cancelled().await;
        let since = self.since.get().map_or(limit, Instant::elapsed);
        tokio::time::sleep(limit.saturating_sub(since)).await;
    }
}
