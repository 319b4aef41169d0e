//! The examples of taskx; each file beside this one is a target of its own.
