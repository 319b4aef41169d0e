//! Throw-away database servers for the tests, the benches and the fault programmes of taskx.
//!
//! The chores themselves (`cargo xtask check`, `test`, `db`, ...) are the binary of this package;
//! only what other members need is a library. Linux only: it reads `/proc`.

pub mod servers;
pub mod tools;
