//! Facts of an order, from the API's response.

use serde_json::Value;

/// The name and the text of a fact. The text is empty if the order does not have it.
pub(super) type Fact = (&'static str, String);

/// Returns the text at a JSON pointer, or an empty text.
pub(super) fn text(value: &Value, pointer: &str) -> String {
    let text = value.pointer(pointer).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

/// Returns the texts at the JSON pointers that are not empty, separated by commas.
pub(super) fn joined(value: &Value, pointers: &[&str]) -> String {
    let texts = pointers.iter().map(|pointer| text(value, pointer));
    join_parts(texts)
}

/// Returns the parts that are not empty, separated by commas.
pub(super) fn join_parts(parts: impl IntoIterator<Item = String>) -> String {
    let parts = parts.into_iter().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(", ")
}

/// Returns a text without quotation marks, and another value as JSON.
pub(super) fn plain_text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Returns the elements of an array, or none.
pub(super) fn rows_of(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
