//! The tasks that are measured.

use std::time::Duration;

use taskx::prelude::*;
use taskx_measure::ran;

/// The queue that is drained.
pub(crate) const QUEUE: &str = "bench";

/// A queue that no worker of a drain serves.
pub(crate) const ELSEWHERE: &str = "elsewhere";

/// Does nothing.
#[task(queue = "bench")]
pub(crate) async fn nothing(order: u64, customer: &str, note: &str) {
    ran(order, customer, note);
}

/// Does nothing, and leaves nothing behind.
#[task(queue = "bench", retention = "none")]
pub(crate) async fn forgotten(order: u64, customer: &str, note: &str) {
    ran(order, customer, note);
}

/// Takes its time.
#[task(queue = "bench")]
pub(crate) async fn sleepy(order: u64, customer: &str, note: &str) {
    tokio::time::sleep(Duration::from_millis(5)).await;
    ran(order, customer, note);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_sql_stores_the_json_that_the_macro_stores() {
        let json = taskx_measure::drive::json(7, 100);
        let job: Nothing = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::to_string(&job).unwrap(), json);
    }
}
