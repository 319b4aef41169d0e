//! taskx-schedule
