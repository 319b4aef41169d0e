//! `taskx run` and `taskx app` against real small applications, outside of this workspace, and the
//! commands that such an application's own binary answers.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests")]

mod apps;
mod embedded;
mod find;
mod process;
mod run;
