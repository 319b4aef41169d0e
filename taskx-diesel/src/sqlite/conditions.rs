//! Conditions on JSON columns, for which Diesel's DSL has no words. They name the columns of the
//! one table that is asked. A text that is no JSON fits nothing, and fails nothing.

use diesel::{
    BoxableExpression,
    dsl::sql,
    expression::SqlLiteral,
    sql_types::{Bool, Text},
    sqlite::Sqlite,
};

/// A condition on the rows of `Table`.
type Condition<Table> = Box<dyn BoxableExpression<Table, Sqlite, SqlType = Bool>>;

/// Whether a job has the tag.
pub(super) fn has_tag<Table: 'static>(tag: &str) -> Condition<Table> {
    let begin: SqlLiteral<Bool> =
        sql("EXISTS (SELECT 1 FROM json_each(CASE WHEN json_valid(tags) THEN tags ELSE '[]' END)
            AS found WHERE found.value = ");
    Box::new(begin.bind::<Text, _>(tag.to_owned()).sql(")"))
}

/// Whether the argument `name` of a job has the JSON value `value`.
pub(super) fn has_argument<Table: 'static>(name: &str, value: &str) -> Condition<Table> {
    let begin: SqlLiteral<Bool> = sql(
        "EXISTS (SELECT 1 FROM json_each(CASE WHEN json_valid(payload) THEN payload ELSE '{}' END)
            AS found WHERE found.key = ",
    );
    let named = begin.bind::<Text, _>(name.to_owned()).sql(" AND found.type = json_type(");
    let typed = named.bind::<Text, _>(value.to_owned()).sql(") AND found.value IS json_extract(");
    // Numbers as they are written: SQLite reads those beyond 64 bits as inexact ones.
    let equal = typed
        .bind::<Text, _>(value.to_owned())
        .sql(", '$') AND (found.type NOT IN ('integer', 'real') OR (payload -> found.fullkey) = ");
    Box::new(equal.bind::<Text, _>(value.to_owned()).sql("))"))
}
