//! Conversions between Rust values and column values.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::Error;

/// Converts a counter to PostgreSQL's `integer`. A counter too large for it becomes its largest
/// value.
pub(crate) fn to_i32(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

/// Converts a counter of PostgreSQL's type `integer`, which is never negative.
pub(crate) fn to_u32(value: i32) -> u32 {
    u32::try_from(value).unwrap_or_default()
}

/// Converts a value to a JSON column's value.
pub(crate) fn to_json<T: Serialize>(value: &T) -> Result<Value, Error> {
    serde_json::to_value(value).map_err(|source| Error::Query {
        operation: "encode a JSON column",
        source: sqlx::Error::Encode(source.into()),
    })
}

/// Reads a column of the order's row.
pub(crate) fn parse_column<T: DeserializeOwned>(
    order_id: &str,
    column: &'static str,
    value: Value,
) -> Result<T, Error> {
    serde_json::from_value(value).map_err(|source| Error::InvalidColumn {
        table: "orders",
        key: order_id.to_owned(),
        column,
        source,
    })
}
