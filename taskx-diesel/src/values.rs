//! Ids and times as Rust values that every engine reads and writes.

use chrono::{DateTime, Utc};
use diesel::{deserialize::FromSqlRow, expression::AsExpression};
use taskx_core::job::{JobId, WorkerId};
use uuid::Uuid;

use crate::schema::sql_types::{TaskxId, TaskxTime};

/// An id as a value of the column type [`TaskxId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, AsExpression, FromSqlRow)]
#[diesel(sql_type = TaskxId)]
pub struct DbId(pub Uuid);

impl From<Uuid> for DbId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl From<JobId> for DbId {
    fn from(id: JobId) -> Self {
        Self(id.as_uuid())
    }
}

impl From<WorkerId> for DbId {
    fn from(id: WorkerId) -> Self {
        Self(id.as_uuid())
    }
}

impl From<DbId> for Uuid {
    fn from(id: DbId) -> Self {
        id.0
    }
}

impl From<DbId> for JobId {
    fn from(id: DbId) -> Self {
        id.0.into()
    }
}

impl From<DbId> for WorkerId {
    fn from(id: DbId) -> Self {
        id.0.into()
    }
}

/// A time as a value of the column type [`TaskxTime`]; what is finer than a microsecond is lost
/// when it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, AsExpression, FromSqlRow)]
#[diesel(sql_type = TaskxTime)]
pub struct DbTime(pub DateTime<Utc>);

impl From<DateTime<Utc>> for DbTime {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time)
    }
}

impl From<DbTime> for DateTime<Utc> {
    fn from(time: DbTime) -> Self {
        time.0
    }
}

impl DbId {
    /// An id of these bytes. What was edited by hand may have too few or too many: it is cut or
    /// filled up, for one odd row must not fail a claim or a listing for all others.
    #[cfg(any(feature = "sqlite", feature = "mysql", test))]
    fn of(bytes: &[u8]) -> Self {
        let mut sixteen = [0; 16];
        for (to, from) in sixteen.iter_mut().zip(bytes) {
            *to = *from;
        }
        Self(Uuid::from_bytes(sixteen))
    }
}

impl DbTime {
    /// A time in microseconds since 1970. What was edited by hand may be further than `DateTime`
    /// reaches, or `infinity`: then it is the furthest time, for the same reason.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    fn of(micros: i64) -> Self {
        let furthest = if micros < 0 { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC };
        Self(DateTime::from_timestamp_micros(micros).unwrap_or(furthest))
    }
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use diesel::{
        deserialize::{self, FromSql},
        serialize::{self, IsNull, Output, ToSql},
        sqlite::{Sqlite, SqliteValue},
    };

    use super::{DbId, DbTime, TaskxId, TaskxTime};

    impl ToSql<TaskxId, Sqlite> for DbId {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
            out.set_value(self.0.as_bytes().as_slice());
            Ok(IsNull::No)
        }
    }

    impl FromSql<TaskxId, Sqlite> for DbId {
        fn from_sql(mut value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
            Ok(Self::of(value.read_blob()))
        }
    }

    impl ToSql<TaskxTime, Sqlite> for DbTime {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
            out.set_value(self.0.timestamp_micros());
            Ok(IsNull::No)
        }
    }

    impl FromSql<TaskxTime, Sqlite> for DbTime {
        fn from_sql(mut value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
            Ok(Self::of(value.read_long()))
        }
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use std::io::Write;

    use chrono::{DateTime, Utc};
    use diesel::{
        deserialize::{self, FromSql},
        pg::{Pg, PgValue},
        serialize::{self, IsNull, Output, ToSql},
        sql_types::Timestamptz,
    };
    use uuid::Uuid;

    use super::{DbId, DbTime, TaskxId, TaskxTime};

    /// PostgreSQL counts from 2000 on.
    const MICROS_TO_2000: i64 = 946_684_800_000_000;

    impl ToSql<TaskxId, Pg> for DbId {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
            out.write_all(self.0.as_bytes())?;
            Ok(IsNull::No)
        }
    }

    impl FromSql<TaskxId, Pg> for DbId {
        fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
            Ok(Self(Uuid::from_slice(value.as_bytes())?))
        }
    }

    impl ToSql<TaskxTime, Pg> for DbTime {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
            <DateTime<Utc> as ToSql<Timestamptz, Pg>>::to_sql(&self.0, out)
        }
    }

    impl FromSql<TaskxTime, Pg> for DbTime {
        fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
            let since_2000 = i64::from_be_bytes(value.as_bytes().try_into()?);
            Ok(Self::of(since_2000.saturating_add(MICROS_TO_2000)))
        }
    }
}

#[cfg(feature = "mysql")]
mod mysql {
    use std::io::Write;

    use chrono::{DateTime, NaiveDateTime};
    use diesel::{
        deserialize::{self, FromSql},
        mysql::{Mysql, MysqlValue},
        serialize::{self, IsNull, Output, ToSql},
        sql_types::Datetime,
    };

    use super::{DbId, DbTime, TaskxId, TaskxTime};

    impl ToSql<TaskxId, Mysql> for DbId {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Mysql>) -> serialize::Result {
            out.write_all(self.0.as_bytes())?;
            Ok(IsNull::No)
        }
    }

    impl FromSql<TaskxId, Mysql> for DbId {
        fn from_sql(value: MysqlValue<'_>) -> deserialize::Result<Self> {
            Ok(Self::of(value.as_bytes()))
        }
    }

    impl ToSql<TaskxTime, Mysql> for DbTime {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Mysql>) -> serialize::Result {
            <NaiveDateTime as ToSql<Datetime, Mysql>>::to_sql(
                &self.0.naive_utc(),
                &mut out.reborrow(),
            )
        }
    }

    impl FromSql<TaskxTime, Mysql> for DbTime {
        fn from_sql(value: MysqlValue<'_>) -> deserialize::Result<Self> {
            // The session's time zone is '+00:00', so what comes is UTC. By hand also a time can be
            // stored that is none, 0000-00-00: one odd row must not fail a claim or a listing.
            let time = <NaiveDateTime as FromSql<Datetime, Mysql>>::from_sql(value);
            Ok(Self(time.map_or(DateTime::UNIX_EPOCH, |time| time.and_utc())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
    #[test]
    fn an_id_of_another_length_is_still_an_id() {
        let id = Uuid::from_bytes([7; 16]);
        assert_eq!(DbId::of(&[7; 16]).0, id);
        assert_eq!(DbId::of(&[7; 40]).0, id);
        assert_eq!(DbId::of(&[]).0, Uuid::nil());
    }

    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    #[test]
    fn a_time_out_of_reach_is_the_furthest() {
        assert_eq!(DbTime::of(1_000_000).0.timestamp(), 1);
        assert_eq!(DbTime::of(i64::MAX).0, DateTime::<Utc>::MAX_UTC);
        assert_eq!(DbTime::of(i64::MIN).0, DateTime::<Utc>::MIN_UTC);
    }
}
