//! The words, the path and the worker of taskx, without any SQL.

pub mod clock;
pub mod error;
pub mod inspect;
pub mod job;
pub mod outcome;
pub mod schedule;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
