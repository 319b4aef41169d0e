//! For tests: the kit for applications, and the suite that every store passes.

mod assert;
pub mod conformance;
pub mod faults;
mod run;
mod time;

pub use self::{
    assert::{assert_enqueued, enqueued, refute_any_enqueued, refute_enqueued},
    run::{app, drain, run_inline, travel},
    time::pass,
};
pub use crate::{clock::TestClock, store::memory::MemoryStore};
