//! The tests of taskx; each file beside this one is a target of its own.

#[cfg(doctest)]
mod guide;
