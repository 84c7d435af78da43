//! What the readers accept, as JSON Schema. Each reader's own schema stands next to it and uses the same limits.
//!
//! A schema describes the one field that was read; that two names of one field must not contradict each other, and
//! that a total must fit, no schema can say. So nothing that a schema refuses is accepted, but not the reverse.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use domain::Identifier;

/// A known field is one of these, a `null` counts as absent, and there are no others.
pub(crate) type Properties = BTreeMap<&'static str, Value>;

pub(crate) fn object(properties: Properties) -> Value {
    json!({"type": "object", "properties": properties, "additionalProperties": false})
}

/// What must be there, each by any of its names.
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

/// What `Fields::text` takes: of control characters, white space at the ends alone, which is trimmed.
pub(crate) fn text(longest: usize) -> Value {
    let pattern = r"^[^\u0000-\u0008\u000e-\u001b\u007f-\u0084\u0086-\u009f]*$";
    json!({"type": ["string", "null"], "maxLength": longest, "pattern": pattern})
}

/// Returns the schema of a valid identifier.
pub fn id_schema<T: Identifier>() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": T::MAX_LENGTH, "pattern": T::PATTERN})
}

/// What `Fields::parsed` takes for an identifier of this kind.
pub(crate) fn identifier<T: Identifier>() -> Value {
    let mut schema = id_schema::<T>();
    schema["type"] = json!(["string", "null"]);
    schema
}

/// What `Fields::number` takes for a decimal: exactly the digits that were sent.
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
