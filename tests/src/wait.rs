//! Waiting for what others do: by looking again and again until a deadline.

use std::time::{Duration, Instant};

/// How long anything that should happen at once may take on a machine that is very busy.
pub const SOON: Duration = Duration::from_secs(60);

/// Looks until `seen` answers something.
///
/// # Panics
/// After `limit`, naming `what`.
pub async fn eventually<R>(
    what: &str,
    limit: Duration,
    mut seen: impl AsyncFnMut() -> Option<R>,
) -> R {
    let started = Instant::now();
    loop {
        if let Some(answer) = seen().await {
            return answer;
        }
        assert!(started.elapsed() < limit, "{what}: not within {limit:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
