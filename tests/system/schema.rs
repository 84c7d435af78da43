//! Checks JSON values against the schemas of the OpenAPI document.

use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};

/// Returns every violation of `schema`, whose references point into `document`.
///
/// A field that the schema does not list is a violation, so that the document has every field.
pub(crate) fn violations(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    compile(document, schema)
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

/// Compiles `schema` for several values, with the rules of [`violations`].
pub(crate) fn compile(document: &Value, schema: &Value) -> Validator {
    let mut root = forbid_unlisted_fields(schema);
    root["components"] = forbid_unlisted_fields(&document["components"]);
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .should_validate_formats(true)
        .build(&root)
        .unwrap()
}

/// Forbids unlisted fields in every schema below `value`, including `value` itself.
fn forbid_unlisted_fields(value: &Value) -> Value {
    let mut schema = close_children(value);
    close(&mut schema);
    schema
}

fn close_children(value: &Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(name, field)| (name.clone(), close_field(name, field)))
                .collect(),
        ),
        Value::Array(elements) => elements.iter().map(close_children).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// Closes the schemas of properties and array elements. The parts of an `allOf` stay open, because
/// each lists only some of the fields.
fn close_field(name: &str, field: &Value) -> Value {
    let mut field = close_children(field);
    match (name, &mut field) {
        ("items", schema) => close(schema),
        ("properties", Value::Object(properties)) => properties.values_mut().for_each(close),
        _ => {}
    }
    field
}

fn close(schema: &mut Value) {
    let lists_fields = |schema: &Map<String, Value>| {
        ["$ref", "properties", "allOf", "anyOf", "oneOf"]
            .iter()
            .any(|keyword| schema.contains_key(*keyword))
    };
    if let Value::Object(schema) = schema
        && lists_fields(schema)
    {
        schema.insert("unevaluatedProperties".to_owned(), json!(false));
    }
}
