//! Which declaration of a schedule wins.

use std::{cmp::Ordering, collections::HashSet};

use taskx_core::{
    error::{Error, ErrorKind},
    schedule::{ScheduleRow, ScheduleSource, compare_versions},
};

use crate::rows::ScheduleDbRow;

/// What a declaration changes in a row that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing: it is the same, or a newer version declared the row.
    None,
    /// The row is declared again after it was dropped, or by another version: hash and position
    /// stay.
    Again,
    /// Everything that is declared; `next_slot` as given, `last_slot` stays.
    All,
}

/// What `declared` changes in `row`, which has its name.
///
/// # Errors
/// `Conflict` if the row belongs to another owner, or is a dynamic one.
pub(crate) fn change(row: &ScheduleDbRow, declared: &ScheduleRow) -> Result<Change, Error> {
    if row.owner != declared.owner {
        return Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "schedule `{}` of `{}` belongs to `{}` already; give one of them another name",
                declared.name, declared.owner, row.owner
            ),
        ));
    }
    if row.source() != declared.source {
        return Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "schedule `{}` is {} in the database and {} here; give one of them another name",
                declared.name,
                row.source().name(),
                declared.source.name()
            ),
        ));
    }
    if compare_versions(&declared.declared_version, &row.declared_version) == Ordering::Less {
        return Ok(Change::None);
    }
    if row.declared_hash != declared.declared_hash {
        return Ok(Change::All);
    }
    if row.dropped_at.is_some() || row.declared_version != declared.declared_version {
        return Ok(Change::Again);
    }
    Ok(Change::None)
}

/// Whether `row`, of the same owner, is no longer declared by this `version`. A row of a newer
/// version stays: an old worker that restarts must not drop the new one's.
///
/// Whoever drops a row writes its own version into it, so that no older one brings it back.
pub(crate) fn is_dropped(row: &ScheduleDbRow, version: &str, declared: &[ScheduleRow]) -> bool {
    if row.source() != ScheduleSource::Code || row.dropped_at.is_some() {
        return false;
    }
    let names: HashSet<_> = declared.iter().map(|declared| declared.name.as_str()).collect();
    !names.contains(row.name.as_str())
        && compare_versions(&row.declared_version, version) != Ordering::Greater
}
