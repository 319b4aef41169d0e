//! The examples as their users run them: as processes of their own, on each database.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests"
)]

mod blocking_worker;
mod databases;
mod program;
mod quickstart;
mod webapp;
