//! JSON Schemas of the documents that the readers accept. The schema of each reader is next to it
//! and uses the same limits.
//!
//! A schema describes single fields. It cannot require that two names of one field have equal
//! values, that a total is below the limit, or that a price has its currency's decimals. So the
//! readers refuse every document that a schema refuses, and a few more.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use domain::Identifier;

/// The schemas of all known fields. A `null` counts as absent.
pub(crate) type Properties = BTreeMap<&'static str, Value>;

pub(crate) fn object(properties: Properties) -> Value {
    json!({"type": "object", "properties": properties, "additionalProperties": false})
}

/// Requires each of these fields, by any of its names.
pub(crate) fn requiring(mut object: Value, fields: &[&[&str]]) -> Value {
    let by_name = |names: &&[&str]| match *names {
        [name] => json!({"required": [name]}),
        names => {
            json!({"anyOf": names.iter().map(|name| json!({"required": [name]})).collect::<Vec<_>>()})
        }
    };
    object["allOf"] = fields.iter().map(by_name).collect();
    object
}

pub(crate) fn nullable(schema: Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}

/// Returns the schema of a text that `Fields::take_text` reads. White space at the ends may contain
/// control characters, because it is trimmed.
pub(crate) fn text(longest: usize) -> Value {
    let pattern = r"^[^\u0000-\u0008\u000e-\u001b\u007f-\u0084\u0086-\u009f]*$";
    json!({"type": ["string", "null"], "maxLength": longest, "pattern": pattern})
}

/// Returns the schema of a valid identifier.
pub fn id_schema<T: Identifier>() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": T::MAX_LENGTH, "pattern": T::PATTERN})
}

/// Returns the schema of an optional identifier.
pub(crate) fn identifier<T: Identifier>() -> Value {
    let mut schema = id_schema::<T>();
    schema["type"] = json!(["string", "null"]);
    schema
}

/// Returns the schema of a decimal, as a number or a string.
pub(crate) fn decimal() -> Value {
    json!({"type": ["number", "string", "null"], "pattern": r"^-?[0-9]+(\.[0-9]+)?$"})
}

pub(crate) fn currency() -> Value {
    json!({"type": ["string", "null"], "pattern": "^[A-Z]{3}$"})
}

pub(crate) fn above_zero() -> Value {
    let mut schema = decimal();
    schema["exclusiveMinimum"] = json!(0);
    schema
}

pub(crate) fn amount() -> Value {
    let mut schema = decimal();
    schema["minimum"] = json!(0);
    schema
}
