//! taskx-core
