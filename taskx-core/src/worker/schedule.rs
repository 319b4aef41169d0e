//! Fires schedules that are due; whoever finds one due first fires it.

use std::sync::Arc;

use super::shared::Shared;

/// The loop.
pub(super) async fn run(shared: Arc<Shared>) {
    shared.stop.cancelled().await;
}
