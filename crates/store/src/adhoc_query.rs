//! Questions that a person types: read only, for a limited time, a limited number of rows.

use sqlx::{
    AssertSqlSafe, Column as _, Executor, PgPool, Row, SqlSafeStr, Statement, TypeInfo, ValueRef,
    postgres::PgRow,
};

use crate::{Error, error::SqlxResultExt};

/// What `db` shows without a question.
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

/// An answer, as text: what PostgreSQL itself would print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryTable {
    pub columns: Vec<Column>,
    pub rows: Vec<Vec<Option<String>>>,
    /// Whether there are more rows than were asked for.
    pub has_more: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub kind: ColumnKind,
}

/// What a column's text stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    Number,
    Boolean,
    Json,
    Text,
}

/// Asks one question, and takes the first `limit` rows of the answer.
pub async fn run_query(pool: &PgPool, sql: &str, limit: u32) -> Result<QueryTable, Error> {
    let sql = sql.trim().trim_end_matches(';');
    let verb: String = sql
        .trim_start_matches('(')
        .chars()
        .take_while(char::is_ascii_alphabetic)
        .collect();
    let is_query = match verb.to_ascii_lowercase().as_str() {
        "select" | "with" | "values" | "table" => true,
        // Cursors are not for these; their answers are short.
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
        .for_operation("limit the time")?;
    // Its own words, which is the point of it: a person asks, and nothing is put into them. Preparing refuses
    // more than one statement, so that none can end the transaction and go on outside.
    let question = (*transaction)
        .prepare(AssertSqlSafe(sql.to_owned()).into_sql_str())
        .await
        .map_err(refused)?;
    let columns = question.columns().iter().map(|column| Column {
        name: column.name().to_owned(),
        kind: kind(column.type_info().name()),
    });
    let columns: Vec<Column> = columns.collect();
    // Without arguments and unprepared, values come as text, whatever their type.
    let rows = if is_query {
        let cursor = AssertSqlSafe(format!("declare question no scroll cursor for {sql}"));
        sqlx::raw_sql(cursor)
            .execute(&mut *transaction)
            .await
            .map_err(refused)?;
        let fetch = AssertSqlSafe(format!(
            "fetch forward {} from question",
            u64::from(limit) + 1
        ));
        sqlx::raw_sql(fetch)
            .fetch_all(&mut *transaction)
            .await
            .map_err(refused)?
    } else {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .fetch_all(&mut *transaction)
            .await
            .map_err(refused)?
    };
    transaction
        .rollback()
        .await
        .for_operation("end the question")?;
    let shown = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > shown;
    let rows = rows
        .iter()
        .take(shown)
        .map(texts)
        .collect::<Result<_, _>>()
        .map_err(refused)?;
    Ok(QueryTable {
        columns,
        rows,
        has_more: more,
    })
}

/// Runs a script of several statements as it stands, in one transaction: all of it holds, or nothing does.
pub async fn run_script(pool: &PgPool, script: &str) -> Result<(), Error> {
    let mut transaction = crate::pool::begin(pool).await?;
    sqlx::raw_sql(AssertSqlSafe(script.to_owned()))
        .execute(&mut *transaction)
        .await
        .map_err(refused)?;
    transaction.commit().await.for_operation("end the script")
}

/// Without the driver's words around the database's.
fn refused(error: sqlx::Error) -> Error {
    match error.as_database_error() {
        Some(said) => Error::QueryRejected(said.message().to_owned()),
        None => Error::Query {
            operation: "run the query",
            source: error,
        },
    }
}

fn texts(row: &PgRow) -> Result<Vec<Option<String>>, sqlx::Error> {
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

fn kind(postgres_type: &str) -> ColumnKind {
    match postgres_type {
        "INT2" | "INT4" | "INT8" | "NUMERIC" | "FLOAT4" | "FLOAT8" | "OID" => ColumnKind::Number,
        "BOOL" => ColumnKind::Boolean,
        "JSON" | "JSONB" => ColumnKind::Json,
        _ => ColumnKind::Text,
    }
}
