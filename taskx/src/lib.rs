//! taskx
