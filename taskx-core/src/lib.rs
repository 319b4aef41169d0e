//! The words, the path and the worker of taskx, without any SQL.
//!
//! # Layout
//! - the words: [`task`], [`job`], [`outcome`], [`schedule`], [`error`]
//! - enqueue: [`apply`] → [`queue`] → [`store`]
//! - work: [`worker`] (claim → execute → settle), [`context`], [`verdict`], [`retry`], [`layer`]
//! - operate: [`inspect`], [`event`], [`config`], [`app`]

pub mod app;
pub mod apply;
pub mod apply_many;
#[doc(hidden)]
pub mod callers;
pub mod clock;
pub mod config;
pub mod context;
mod current;
mod declared;
pub mod driver;
mod enqueue;
pub mod enqueued;
pub mod error;
pub mod event;
mod hub;
pub mod inspect;
mod io;
pub mod job;
pub mod layer;
pub mod outcome;
pub mod queue;
mod registry;
pub mod retry;
pub mod schedule;
pub mod schedules;
#[doc(hidden)]
pub mod signals;
pub mod state;
pub mod store;
pub mod task;
#[cfg(feature = "testing")]
pub mod testing;
#[doc(hidden)]
pub mod threads;
pub mod verdict;
pub mod worker;
