//! taskx-diesel
