//! What the bench and the programs that it measures have in common: an [`Order`] goes in as the
//! last argument, a [`Measured`] comes out as the last line, and the loops between are the same for
//! all.
//!
//! A package of its own without databases, so that the peers' workspaces can use it beside any
//! version of any driver.

pub mod drive;
pub mod meter;
pub mod order;

pub use drive::{Contestant, Filling, Job, ran};
pub use meter::{Latency, Measured, Moments, Stopwatch, latencies, percentiles};
pub use order::{Handler, ORDERS, Order, Setting, Side, Work};

/// Reads the order of this process from its last argument.
///
/// # Errors
/// When there is none.
pub fn order() -> anyhow::Result<Order> {
    use anyhow::Context;
    let order = std::env::args().next_back().context("no order was given")?;
    serde_json::from_str(&order).context("the last argument is no order")
}
