//! What the tests of taskx share: fresh databases, child processes, and waiting with a deadline.
//! Each file and folder in `tests/` is a target of its own.
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what only tests use fails as a test does, by a panic"
)]

pub mod child;
pub mod database;
#[cfg(doctest)]
mod guide;
pub mod stores;
pub mod tasks;
pub mod wait;

pub use self::{
    child::Child,
    database::{Database, Engine},
    wait::{SOON, eventually},
};
