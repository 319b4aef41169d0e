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

#[cfg(feature = "sqlite")]
mod sqlite {
    use chrono::DateTime;
    use diesel::{
        deserialize::{self, FromSql},
        serialize::{self, IsNull, Output, ToSql},
        sqlite::{Sqlite, SqliteValue},
    };
    use uuid::Uuid;

    use super::{DbId, DbTime, TaskxId, TaskxTime};

    impl ToSql<TaskxId, Sqlite> for DbId {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
            out.set_value(self.0.as_bytes().as_slice());
            Ok(IsNull::No)
        }
    }

    impl FromSql<TaskxId, Sqlite> for DbId {
        fn from_sql(mut value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
            Ok(Self(Uuid::from_slice(value.read_blob())?))
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
            let micros = value.read_long();
            DateTime::from_timestamp_micros(micros)
                .map(Self)
                .ok_or_else(|| format!("{micros} is no time in microseconds").into())
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
            <DateTime<Utc> as FromSql<Timestamptz, Pg>>::from_sql(value).map(Self)
        }
    }
}

#[cfg(feature = "mysql")]
mod mysql {
    use std::io::Write;

    use chrono::NaiveDateTime;
    use diesel::{
        deserialize::{self, FromSql},
        mysql::{Mysql, MysqlValue},
        serialize::{self, IsNull, Output, ToSql},
        sql_types::Datetime,
    };
    use uuid::Uuid;

    use super::{DbId, DbTime, TaskxId, TaskxTime};

    impl ToSql<TaskxId, Mysql> for DbId {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Mysql>) -> serialize::Result {
            out.write_all(self.0.as_bytes())?;
            Ok(IsNull::No)
        }
    }

    impl FromSql<TaskxId, Mysql> for DbId {
        fn from_sql(value: MysqlValue<'_>) -> deserialize::Result<Self> {
            Ok(Self(Uuid::from_slice(value.as_bytes())?))
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
            // The session's time zone is '+00:00', so what comes is UTC.
            <NaiveDateTime as FromSql<Datetime, Mysql>>::from_sql(value)
                .map(|time| Self(time.and_utc()))
        }
    }
}
