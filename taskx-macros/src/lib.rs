//! taskx-macros
