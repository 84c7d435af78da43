//! JSON Schemas of the documents that the readers accept. The schema of each reader is next to it
//! and uses the same limits.
//!
//! A schema describes single fields. It cannot require that two names of one field have equal
//! values, that a total is below the limit, or that a price has its currency's decimals. So the
//! readers refuse every document that a schema refuses, and a few more.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use domain::{Currency, DIRECTION_OVERRIDES, INVISIBLE, Identifier};

/// The schemas of all known fields. A `null` counts as absent.
pub(crate) type Properties = BTreeMap<&'static str, Value>;

pub(crate) fn object(properties: Properties) -> Value {
    json!({"type": "object", "properties": properties, "additionalProperties": false})
}

/// Requires each of these fields, by any of its names and with a value other than `null`.
pub(crate) fn requiring(mut object: Value, fields: &[&[&str]]) -> Value {
    let by_any_name = |names: &[&str]| {
        let by_name = |name: &&str| json!({"required": [name], "properties": {(*name): {"not": {"type": "null"}}}});
        json!({"anyOf": names.iter().map(by_name).collect::<Vec<_>>()})
    };
    let (single, several): (Vec<&[&str]>, Vec<&[&str]>) =
        fields.iter().partition(|names| names.len() == 1);
    for name in single.iter().flat_map(|names| names.iter()) {
        object["properties"][*name] = not_null(object["properties"][*name].take());
    }
    if !single.is_empty() {
        object["required"] = json!(single.concat());
    }
    if !several.is_empty() {
        object["allOf"] = several.into_iter().map(by_any_name).collect();
    }
    object
}

/// Removes `null` from the types of a schema.
pub(crate) fn not_null(mut schema: Value) -> Value {
    if let Some(types) = schema["type"].as_array() {
        let types: Vec<_> = types
            .iter()
            .filter(|name| *name != "null")
            .cloned()
            .collect();
        schema["type"] = match types.as_slice() {
            [only] => only.clone(),
            _ => json!(types),
        };
    }
    schema
}

pub(crate) fn nullable(schema: Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}

/// The control characters, and all white space of Unicode, as parts of a character class.
const CONTROL: &str = r"\u0000-\u001f\u007f-\u009f";
const WHITE_SPACE: &str = r"\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000";

/// Returns these ranges as a part of a character class. Those outside of the basic plane are missing,
/// because not every program reads them in a pattern.
fn in_class(ranges: &[(char, char)]) -> String {
    ranges
        .iter()
        .filter(|(_, last)| u32::from(*last) < 0x1_0000)
        .map(|(first, last)| format!("\\u{:04x}-\\u{:04x}", u32::from(*first), u32::from(*last)))
        .collect()
}

/// Returns the pattern of an optional value with white space around it. A blank text counts as absent.
pub(crate) fn padded(value: &str) -> String {
    let hidden = in_class(INVISIBLE);
    format!("^([{WHITE_SPACE}]*({value})[{WHITE_SPACE}]*|[{hidden}]*)$")
}

/// Returns the schema of a blank text, which counts as absent.
pub(crate) fn blank() -> Value {
    let hidden = in_class(INVISIBLE);
    json!({"description": "Blank counts as absent.", "type": "string", "pattern": format!("^[{hidden}]*$")})
}

/// Returns the schema of a text that `Fields::take_text` reads. White space at the ends may contain
/// control characters, because it is trimmed.
pub(crate) fn text(longest: usize) -> Value {
    let overrides = in_class(&[DIRECTION_OVERRIDES]);
    let pattern = format!("^[{WHITE_SPACE}]*[^{CONTROL}{overrides}]*[{WHITE_SPACE}]*$");
    json!({"type": ["string", "null"], "maxLength": longest, "pattern": pattern})
}

/// Returns the schema of a text of several lines, which `Fields::take_lines` reads.
pub(crate) fn lines(longest: usize) -> Value {
    let overrides = in_class(&[DIRECTION_OVERRIDES]);
    // Every control character but the tab and the two line breaks.
    let any = format!("[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f{overrides}]*");
    let pattern = format!("^[{WHITE_SPACE}]*{any}[{WHITE_SPACE}]*$");
    json!({"type": ["string", "null"], "maxLength": longest, "pattern": pattern})
}

/// Returns the schema of a text that is not blank.
pub(crate) fn filled_text(longest: usize) -> Value {
    let (hidden, overrides) = (in_class(INVISIBLE), in_class(&[DIRECTION_OVERRIDES]));
    let any = format!("[^{CONTROL}{overrides}]");
    let pattern = format!("^[{WHITE_SPACE}]*{any}*[^{hidden}]{any}*[{WHITE_SPACE}]*$");
    json!({"type": ["string", "null"], "minLength": 1, "maxLength": longest, "pattern": pattern})
}

/// Returns the pattern of a name without control characters that has a visible one.
pub(crate) fn visible_name() -> String {
    let (hidden, overrides) = (in_class(INVISIBLE), in_class(&[DIRECTION_OVERRIDES]));
    let any = format!("[^{CONTROL}{overrides}]*");
    format!("^{any}[^{hidden}]{any}$")
}

/// Returns the pattern of any text that PostgreSQL stores and that does not change its direction.
pub(crate) fn directed_text() -> String {
    let overrides = in_class(&[DIRECTION_OVERRIDES]);
    format!("^[^\\u0000{overrides}]*$")
}

/// Returns the schema of a valid identifier.
pub fn id_schema<T: Identifier>() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": T::MAX_LENGTH, "pattern": T::PATTERN})
}

/// Returns the schema of an optional identifier.
pub(crate) fn identifier<T: Identifier>() -> Value {
    let value = T::PATTERN.trim_start_matches('^').trim_end_matches('$');
    json!({"type": ["string", "null"], "maxLength": T::MAX_LENGTH, "pattern": padded(value)})
}

/// Returns the schema of a currency code, which lists all accepted codes.
pub(crate) fn currency() -> Value {
    let letters = || 'A'..='Z';
    let codes = letters().flat_map(|first| {
        letters()
            .flat_map(move |second| letters().map(move |third| format!("{first}{second}{third}")))
    });
    let known: Vec<_> = codes
        .filter(|code| Currency::parse_any_case(code).is_ok())
        .collect();
    let lower: Vec<_> = known.iter().map(|code| code.to_lowercase()).collect();
    let codes = known.into_iter().chain(lower).map(Value::String);
    let values: Vec<_> = codes.chain([Value::Null]).collect();
    json!({"anyOf": [{"type": ["string", "null"], "enum": values}, blank()]})
}

/// Returns the schema of a decimal above zero, as a number or a string. A blank one counts as absent.
pub(crate) fn above_zero() -> Value {
    let pattern = padded(r"[0-9]*[1-9][0-9]*(\.[0-9]+)?|[0-9]+\.[0-9]*[1-9][0-9]*");
    json!({"type": ["number", "string", "null"], "exclusiveMinimum": 0, "pattern": pattern})
}

/// Returns the schema of a decimal of at least zero, as a number or a string. A blank one counts as
/// absent.
pub(crate) fn amount() -> Value {
    let pattern = padded(r"[0-9]+(\.[0-9]+)?");
    json!({"type": ["number", "string", "null"], "minimum": 0, "pattern": pattern})
}
