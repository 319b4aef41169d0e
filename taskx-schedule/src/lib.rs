//! Triggers: parse and next. Pure: no clock, no I/O.

/// A trigger.
#[derive(Debug, Clone)]
pub struct Trigger(());
