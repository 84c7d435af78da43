//! Values of the API's responses as cells of a table.

use serde_json::Value;

use crate::output::replace_control_characters;

pub(super) fn rows_of(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// Returns a value as a cell of a table.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => replace_control_characters(text),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// Returns the types of messages that an endpoint receives, separated by commas.
pub(super) fn types_of(endpoint: &Value) -> String {
    let types: Vec<_> = rows_of(&endpoint["events"]).map(text).collect();
    types.join(",")
}
