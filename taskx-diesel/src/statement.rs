//! Fixed SQL that a connection prepares once.
//!
//! `diesel::sql_query` is never kept in Diesel's cache of prepared statements, because its text may
//! be different each time. A [`Statement`] is one type a text, so it is kept, by sync Diesel and by
//! diesel-async alike. Binds and columns are typed by their SQL types.
//!
//! ```text
//! statement! {
//!     /// The jobs of one owner.
//!     pub(crate) HeldBy(owner: TaskxId, state: SmallInt) -> (TaskxId, BigInt) =
//!         "SELECT id, fence FROM taskx_jobs WHERE owner = ? AND state = ?"
//! }
//! let rows: Vec<(DbId, i64)> = HeldBy::with((DbId::from(owner), 1_i16)).load(conn)?;
//! ```
//! Placeholders are the engine's own (`$1`, `?`, `?1`); values are bound in the order of the list.

use std::marker::PhantomData;

use diesel::{
    QueryResult,
    backend::Backend,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    serialize::ToSql,
    sql_types::HasSqlType,
};

/// A fixed SQL text with the types of what goes in and comes out. Made by [`statement!`].
pub(crate) trait Sql: Sized + 'static {
    /// The text.
    const TEXT: &'static str;
    /// A tuple of the SQL types of the binds.
    type Binds;
    /// A tuple of the SQL types of the columns (or one type, for one column); `()` for none.
    type Row;

    /// The statement with its values, a tuple in the order of the binds.
    fn with<V>(values: V) -> Statement<Self, V> {
        Statement { values, text: PhantomData }
    }
}

/// A [`Sql`] with the values to bind.
#[derive(Debug, Clone, Copy)]
#[must_use = "a statement does nothing until it is executed or loaded"]
pub(crate) struct Statement<T, V> {
    values: V,
    text: PhantomData<T>,
}

impl<T: Sql, V> QueryId for Statement<T, V> {
    type QueryId = T;

    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<T: Sql, V> Query for Statement<T, V> {
    type SqlType = T::Row;
}

impl<T, V, Conn> diesel::RunQueryDsl<Conn> for Statement<T, V> {}

impl<T, V, DB> QueryFragment<DB> for Statement<T, V>
where
    T: Sql,
    V: BindAll<T::Binds, DB>,
    DB: Backend,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql(T::TEXT);
        self.values.bind_all(out)
    }
}

/// Values that fit a tuple of SQL types.
pub(crate) trait BindAll<Types, DB: Backend> {
    /// Binds them in order; the placeholders are in the text.
    fn bind_all<'b>(&'b self, out: AstPass<'_, 'b, DB>) -> QueryResult<()>;
}

impl<DB: Backend> BindAll<(), DB> for () {
    fn bind_all<'b>(&'b self, _out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        Ok(())
    }
}

macro_rules! bind_all {
    ($($Type:ident $Value:ident $place:tt,)+) => {
        impl<DB, $($Type, $Value,)+> BindAll<($($Type,)+), DB> for ($($Value,)+)
        where
            DB: Backend $(+ HasSqlType<$Type>)+,
            $($Value: ToSql<$Type, DB>,)+
        {
            fn bind_all<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
                $(out.push_bind_param_value_only::<$Type, $Value>(&self.$place)?;)+
                Ok(())
            }
        }
    };
}

/// Implements `bind_all!` for the given tuple and every shorter one.
macro_rules! bind_all_up_to {
    (@ [$($done:tt)*]) => {};
    (@ [$($done:tt)*] [$Type:ident $Value:ident $place:tt] $($rest:tt)*) => {
        bind_all!($($done)* $Type $Value $place,);
        bind_all_up_to!(@ [$($done)* $Type $Value $place,] $($rest)*);
    };
}

bind_all_up_to!(@ []
    [S0 V0 0] [S1 V1 1] [S2 V2 2] [S3 V3 3] [S4 V4 4] [S5 V5 5] [S6 V6 6] [S7 V7 7] [S8 V8 8]
    [S9 V9 9] [S10 V10 10] [S11 V11 11] [S12 V12 12] [S13 V13 13] [S14 V14 14] [S15 V15 15]
    [S16 V16 16] [S17 V17 17] [S18 V18 18] [S19 V19 19] [S20 V20 20] [S21 V21 21] [S22 V22 22]
    [S23 V23 23] [S24 V24 24] [S25 V25 25] [S26 V26 26] [S27 V27 27] [S28 V28 28] [S29 V29 29]
    [S30 V30 30] [S31 V31 31] [S32 V32 32] [S33 V33 33] [S34 V34 34] [S35 V35 35]
);

/// Declares fixed SQL: a marker type that implements [`Sql`].
macro_rules! statement {
    ($(
        $(#[$doc:meta])*
        $vis:vis $Name:ident($($bind:ident: $Type:ty),* $(,)?) $(-> $Row:ty)? = $text:expr
    );+ $(;)?) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy)]
            $vis struct $Name;

            impl $crate::statement::Sql for $Name {
                const TEXT: &'static str = $text;
                type Binds = ($($Type,)*);
                type Row = $crate::statement::statement!(@row $($Row)?);
            }
        )+
    };
    (@row) => { () };
    (@row $Row:ty) => { $Row };
}
pub(crate) use statement;
