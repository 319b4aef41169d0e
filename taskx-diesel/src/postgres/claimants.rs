//! Which worker rows may still claim.
//!
//! A claim commits without waiting for the disk, so a crash of the server may undo it after its jobs
//! were handed out. Another claim under the same row would then give the same fence again, and two
//! runs could not be told apart. A crash ends every connection: so a row claims on the connection of
//! its first claim only, and after its loss its claims are refused until the worker has a fresh row.
//! The lane has one connection at a time, or a second one could be opened before the loss is seen.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use diesel::QueryResult;
use taskx_core::{
    error::{Error, ErrorKind},
    job::WorkerId,
};

use crate::error::to_diesel;

/// How many connections of the lane had been lost when each row first claimed.
#[derive(Debug, Default)]
pub(super) struct Claimants(Mutex<HashMap<WorkerId, u64>>);

impl Claimants {
    /// Lets a row claim on the connection that the lane has now, after `losses` lost ones.
    ///
    /// # Errors
    /// Transient, where the row has claimed on another one.
    pub(super) fn admit(&self, owner: WorkerId, losses: u64) -> QueryResult<()> {
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *first.entry(owner).or_insert(losses) == losses {
            return Ok(());
        }
        Err(to_diesel(Error::new(
            ErrorKind::Transient,
            "the connection of this worker's claims was lost; it goes on under a fresh row",
        )))
    }

    /// Forgets a row that is gone.
    pub(super) fn forget(&self, owner: WorkerId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&owner);
    }
}
