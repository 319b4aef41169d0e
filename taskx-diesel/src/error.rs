//! Diesel's errors as taskx's own, and taskx's refusals as Diesel's.
//!
//! Diesel gives no SQLSTATE and only a few kinds, so the rest is told by the engine's message. What
//! is not known to be lasting is transient: the caller backs off and tries again.

use diesel::result::{DatabaseErrorKind, Error as DieselError};
use taskx_core::error::{Error, ErrorKind};

/// Messages that tell the kind where Diesel's kind does not, in lower case; the first that is
/// contained decides. SQLite, PostgreSQL, MySQL and MariaDB together: none means different things
/// in two of them.
const MESSAGES: &[(&str, ErrorKind, &str)] = &[
    // No schema, or an older one.
    ("no such table: taskx_", ErrorKind::Schema, SCHEMA_IS_MISSING),
    ("no such column:", ErrorKind::Schema, SCHEMA_IS_MISSING),
    ("has no column named", ErrorKind::Schema, SCHEMA_IS_MISSING),
    ("relation \"taskx_", ErrorKind::Schema, SCHEMA_IS_MISSING),
    ("unknown column 'taskx_", ErrorKind::Schema, SCHEMA_IS_MISSING),
    (".taskx_jobs' doesn't exist", ErrorKind::Schema, SCHEMA_IS_MISSING),
    (".taskx_migrations' doesn't exist", ErrorKind::Schema, SCHEMA_IS_MISSING),
    // The machine below.
    ("database or disk is full", ErrorKind::Transient, "the database's disk is full"),
    ("no space left on device", ErrorKind::Transient, "the database's disk is full"),
    ("disk full", ErrorKind::Transient, "the database's disk is full"),
    ("readonly database", ErrorKind::Transient, "the database is read-only"),
    ("read-only", ErrorKind::Transient, "the database is read-only"),
    ("disk i/o error", ErrorKind::Transient, "the database's disk fails"),
    ("unable to open database file", ErrorKind::Transient, "the database file cannot be opened"),
    // Lasting damage.
    ("file is not a database", ErrorKind::Config, "the file is no SQLite database"),
    ("disk image is malformed", ErrorKind::Store, "the database file is damaged"),
    // Others' locks.
    ("database is locked", ErrorKind::Transient, "the database is busy"),
    ("database table is locked", ErrorKind::Transient, "the database is busy"),
    ("deadlock", ErrorKind::Transient, "the database chose this transaction to end a deadlock"),
    ("lock wait timeout", ErrorKind::Transient, "a lock was waited for too long"),
    ("statement timeout", ErrorKind::Transient, "the statement took too long"),
    // What a row holds.
    ("string or blob too big", ErrorKind::Payload, "a value is larger than the database takes"),
    ("data too long for column", ErrorKind::Payload, "a value is larger than its column"),
    ("value too long for type", ErrorKind::Payload, "a value is larger than its column"),
    ("invalid byte sequence", ErrorKind::Payload, "a text holds a NUL character"),
];

const SCHEMA_IS_MISSING: &str =
    "the database lacks taskx's tables or has older ones; run `taskx migrate`";

/// The taskx error of a Diesel error. One that taskx itself sent through Diesel (from
/// [`to_diesel`]) comes back as it was.
#[must_use]
pub fn error_from_diesel(error: DieselError) -> Error {
    let error = match error {
        DieselError::QueryBuilderError(inner) => match inner.downcast::<Error>() {
            Ok(ours) => return *ours,
            Err(other) => DieselError::QueryBuilderError(other),
        },
        DieselError::RollbackErrorOnCommit { commit_error, .. } => {
            return error_from_diesel(*commit_error);
        }
        other => other,
    };
    let (kind, doing) = classify(&error);
    Error::new(kind, doing).with_source(error)
}

/// A taskx error as a Diesel error, so that `?` works inside the caller's transaction.
/// [`error_from_diesel`] gives it back.
#[must_use]
pub fn to_diesel(error: Error) -> DieselError {
    DieselError::QueryBuilderError(Box::new(error))
}

/// Of which kind a Diesel error is, with a sentence.
fn classify(error: &DieselError) -> (ErrorKind, &'static str) {
    match error {
        DieselError::DatabaseError(kind, information) => of_database(kind, information.message()),
        DieselError::NotFound => (ErrorKind::NotFound, "no such row"),
        DieselError::InvalidCString(_) => (ErrorKind::Payload, "a text holds a NUL character"),
        DieselError::SerializationError(_) => (ErrorKind::Payload, "a value cannot be stored"),
        DieselError::DeserializationError(_) => (ErrorKind::Store, "a stored row cannot be read"),
        DieselError::QueryBuilderError(_) => (ErrorKind::Store, "a query cannot be built"),
        DieselError::AlreadyInTransaction => {
            (ErrorKind::Conflict, "the connection is in a transaction already")
        }
        DieselError::NotInTransaction => {
            (ErrorKind::Conflict, "the connection is in no transaction")
        }
        DieselError::RollbackTransaction => {
            (ErrorKind::Conflict, "the transaction was rolled back")
        }
        // A broken transaction manager means a broken connection; the pool drops it.
        _ => (ErrorKind::Transient, "the database could not be asked"),
    }
}

fn of_database(kind: &DatabaseErrorKind, message: &str) -> (ErrorKind, &'static str) {
    match kind {
        DatabaseErrorKind::UniqueViolation => {
            (ErrorKind::Conflict, "a row of this key is there already")
        }
        DatabaseErrorKind::ForeignKeyViolation
        | DatabaseErrorKind::NotNullViolation
        | DatabaseErrorKind::CheckViolation
        | DatabaseErrorKind::RestrictViolation
        | DatabaseErrorKind::ExclusionViolation => (ErrorKind::Store, "the database refused a row"),
        DatabaseErrorKind::SerializationFailure => {
            (ErrorKind::Transient, "another transaction came first")
        }
        DatabaseErrorKind::ReadOnlyTransaction => {
            (ErrorKind::Transient, "the database is read-only")
        }
        DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand => {
            (ErrorKind::Transient, "the connection to the database was lost")
        }
        _ => of_message(message),
    }
}

/// The kind by the engine's message; transient where it is not in the table.
pub(crate) fn of_message(message: &str) -> (ErrorKind, &'static str) {
    let message = message.to_lowercase();
    MESSAGES
        .iter()
        .find(|(part, ..)| message.contains(part))
        .map_or((ErrorKind::Transient, "the database refused"), |&(_, kind, doing)| (kind, doing))
}

/// Says what was being done when Diesel failed.
pub(crate) trait Doing<T> {
    /// The taskx error, with `doing` before it.
    fn doing(self, doing: &str) -> Result<T, Error>;
}

impl<T> Doing<T> for diesel::QueryResult<T> {
    fn doing(self, doing: &str) -> Result<T, Error> {
        self.map_err(|error| error_from_diesel(error).context(doing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown(message: &str) -> Error {
        error_from_diesel(DieselError::DatabaseError(
            DatabaseErrorKind::Unknown,
            Box::new(message.to_owned()),
        ))
    }

    #[test]
    fn kinds_follow_the_message_where_diesel_has_none() {
        for (message, kind) in [
            ("database is locked", ErrorKind::Transient),
            ("database or disk is full", ErrorKind::Transient),
            ("attempt to write a readonly database", ErrorKind::Transient),
            ("no such table: taskx_jobs", ErrorKind::Schema),
            ("relation \"taskx_jobs\" does not exist", ErrorKind::Schema),
            ("Table 'app.taskx_jobs' doesn't exist", ErrorKind::Schema),
            ("Deadlock found when trying to get lock", ErrorKind::Transient),
            ("file is not a database", ErrorKind::Config),
            ("something nobody has seen yet", ErrorKind::Transient),
        ] {
            assert_eq!(unknown(message).kind(), kind, "{message}");
        }
    }

    #[test]
    fn a_key_that_is_there_is_a_conflict() {
        let error = error_from_diesel(DieselError::DatabaseError(
            DatabaseErrorKind::UniqueViolation,
            Box::new("UNIQUE constraint failed: taskx_jobs.id".to_owned()),
        ));
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(taskx_core::error::chain(&error).contains("taskx_jobs.id"));
    }

    #[test]
    fn our_own_refusals_travel_through_diesel_unchanged() {
        let ours = Error::new(ErrorKind::Payload, "the arguments are 2 MiB, the limit is 1 MiB");
        let back = error_from_diesel(to_diesel(ours));
        assert_eq!(back.kind(), ErrorKind::Payload);
        assert_eq!(back.to_string(), "the arguments are 2 MiB, the limit is 1 MiB");
    }
}
