//! The chores of taskx.
fn main() {}
