//! Feature `testing`: the conformance suite of the stores.

pub mod conformance;
