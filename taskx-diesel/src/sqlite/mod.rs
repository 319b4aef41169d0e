//! SQLite: one writer thread, a few readers.

mod busy;
mod migrate;
