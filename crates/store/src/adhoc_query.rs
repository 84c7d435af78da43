//! Ad-hoc queries of a person: read only, with a time limit and a row limit.

use sqlx::{
    AssertSqlSafe, Column as _, Executor, PgPool, Row, SqlSafeStr, Statement, TypeInfo, ValueRef,
    postgres::PgRow,
};

use crate::{Error, error::SqlxResultExt};

/// The queries of `orderflow db` without a query, each with its title.
pub const OVERVIEW_QUERIES: [(&str, &str); 4] = [
    (
        "orders by status",
        "select state as status, count(*) as orders from orders group by state order by min(created_at)",
    ),
    (
        "latest orders",
        "select id, state as status, step, is_running, total_amount, currency, created_at from orders
         order by created_at desc, id desc limit 10",
    ),
    (
        "latest payments",
        "select payment_id, order_id, status, amount, currency, provider, created_at from payments
         order by created_at desc, payment_id limit 10",
    ),
    ("latest events", "select order_id, seq, type, ts from events order by id desc limit 10"),
];

/// The result of a query, with values in PostgreSQL's text format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryTable {
    pub columns: Vec<Column>,
    pub rows: Vec<Vec<Option<String>>>,
    /// Whether the query has more rows than the limit.
    pub has_more: bool,
}

/// A column of a [`QueryTable`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub kind: ColumnKind,
}

/// The type of a column's values, for formatting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    Number,
    Boolean,
    Json,
    Text,
}

/// Runs one query for at most 15 seconds and returns its first `limit` rows.
///
/// # Errors
///
/// [`Error::UnsupportedStatement`] for any other statement, and [`Error::QueryRejected`] when
/// PostgreSQL rejects the query.
pub async fn run_query(pool: &PgPool, sql: &str, limit: u32) -> Result<QueryTable, Error> {
    let sql = sql.trim().trim_end_matches(';');
    let verb: String = sql
        .trim_start_matches('(')
        .chars()
        .take_while(char::is_ascii_alphabetic)
        .collect();
    let is_query = match verb.to_ascii_lowercase().as_str() {
        "select" | "with" | "values" | "table" => true,
        // These have no cursor, and their results are short.
        "explain" | "show" => false,
        _ => return Err(Error::UnsupportedStatement),
    };
    let mut transaction = pool
        .begin_with("begin transaction read only")
        .await
        .for_operation("begin")?;
    sqlx::raw_sql("set local statement_timeout = '15s'")
        .execute(&mut *transaction)
        .await
        .for_operation("set the statement timeout")?;
    // The text is a person's own query, into which nothing is interpolated. `prepare` rejects more
    // than one statement, so no statement can end the read-only transaction.
    let prepared = (*transaction)
        .prepare(AssertSqlSafe(sql.to_owned()).into_sql_str())
        .await
        .map_err(query_error)?;
    let columns = prepared.columns().iter().map(|column| Column {
        name: column.name().to_owned(),
        kind: column_kind(column.type_info().name()),
    });
    let columns: Vec<Column> = columns.collect();
    // Without arguments and preparation, PostgreSQL sends values of every type as text.
    let rows = if is_query {
        let cursor = AssertSqlSafe(format!("declare question no scroll cursor for {sql}"));
        sqlx::raw_sql(cursor)
            .execute(&mut *transaction)
            .await
            .map_err(query_error)?;
        let fetch = AssertSqlSafe(format!(
            "fetch forward {} from question",
            u64::from(limit) + 1
        ));
        sqlx::raw_sql(fetch)
            .fetch_all(&mut *transaction)
            .await
            .map_err(query_error)?
    } else {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .fetch_all(&mut *transaction)
            .await
            .map_err(query_error)?
    };
    transaction
        .rollback()
        .await
        .for_operation("roll back the query's transaction")?;
    let shown = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > shown;
    let rows = rows
        .iter()
        .take(shown)
        .map(row_texts)
        .collect::<Result<_, _>>()
        .map_err(query_error)?;
    Ok(QueryTable {
        columns,
        rows,
        has_more: more,
    })
}

/// Runs a script of several statements, which may write, in one transaction.
///
/// # Errors
///
/// [`Error::QueryRejected`] when PostgreSQL rejects a statement. Then nothing is changed.
pub async fn run_script(pool: &PgPool, script: &str) -> Result<(), Error> {
    let mut transaction = crate::pool::begin(pool).await?;
    sqlx::raw_sql(AssertSqlSafe(script.to_owned()))
        .execute(&mut *transaction)
        .await
        .map_err(query_error)?;
    transaction
        .commit()
        .await
        .for_operation("commit the script")
}

/// Converts an error to PostgreSQL's own message, without the driver's text around it.
fn query_error(error: sqlx::Error) -> Error {
    match error.as_database_error() {
        Some(rejection) => Error::QueryRejected(rejection.message().to_owned()),
        None => Error::Query {
            operation: "run the query",
            source: error,
        },
    }
}

fn row_texts(row: &PgRow) -> Result<Vec<Option<String>>, sqlx::Error> {
    let text = |index| {
        let value = row.try_get_raw(index)?;
        if value.is_null() {
            return Ok(None);
        }
        value
            .as_str()
            .map(|text| Some(text.to_owned()))
            .map_err(sqlx::Error::Decode)
    };
    (0..row.len()).map(text).collect()
}

fn column_kind(postgres_type: &str) -> ColumnKind {
    match postgres_type {
        "INT2" | "INT4" | "INT8" | "NUMERIC" | "FLOAT4" | "FLOAT8" | "OID" => ColumnKind::Number,
        "BOOL" => ColumnKind::Boolean,
        "JSON" | "JSONB" => ColumnKind::Json,
        _ => ColumnKind::Text,
    }
}
