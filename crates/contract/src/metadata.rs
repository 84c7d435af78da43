//! Reads the shop's own data about an order.

use serde_json::{Value, json, value::RawValue};

use crate::{Fields, Rules, number::number_text, schema};
use domain::{Metadata, MetadataChange, MetadataValue, has_visible_character, overrides_direction};

const NAMES: [&str; 1] = ["metadata"];

/// Takes the field `metadata` of a new order or line item. A `null` value counts as absent.
pub(crate) fn take_metadata(fields: &mut Fields<'_, '_>) -> Metadata {
    let change = take_metadata_change(fields).unwrap_or_default();
    match Metadata::default().changed_by(&change) {
        Ok(metadata) => metadata,
        Err(error) => {
            fields.reject(NAMES[0], error.to_string());
            Metadata::default()
        }
    }
}

/// Takes the field `metadata` of a change. A `null` value removes its name.
pub(crate) fn take_metadata_change(fields: &mut Fields<'_, '_>) -> Option<MetadataChange> {
    fields.take_object(&NAMES, |values| {
        let mut change = MetadataChange::new();
        for (name, raw) in values.take_all() {
            let read = check_name(&name, values.rules())
                .and_then(|()| raw.map(|raw| read_value(values, raw)).transpose());
            match read {
                Ok(value) => {
                    change.insert(name, value);
                }
                Err(detail) => values.reject(&name, detail),
            }
        }
        Some(change)
    })
}

fn check_name(name: &str, rules: Rules) -> Result<(), String> {
    check_direction(name, rules)?;
    if !has_visible_character(name) || name.chars().any(char::is_control) {
        return Err("must have a name of visible characters".to_owned());
    }
    let longest = Metadata::MAX_KEY_LENGTH;
    if name.chars().count() > longest {
        return Err(format!("must have a name of at most {longest} characters"));
    }
    Ok(())
}

/// Refuses characters with which a line shows its characters in another order.
fn check_direction(text: &str, rules: Rules) -> Result<(), String> {
    if rules == Rules::Current && overrides_direction(text) {
        return Err("must not contain characters that change the direction of the text".to_owned());
    }
    Ok(())
}

fn read_value(fields: &Fields<'_, '_>, raw: &RawValue) -> Result<MetadataValue, String> {
    let text = raw.get();
    if let Ok(flag) = serde_json::from_str(text) {
        return Ok(MetadataValue::Flag(flag));
    }
    if text.starts_with('"') {
        let text: String =
            serde_json::from_str(text).map_err(|_| "must be Unicode text".to_owned())?;
        let longest = Metadata::MAX_TEXT_LENGTH;
        return if text.chars().count() > longest {
            Err(format!("must be at most {longest} characters long"))
        } else if text.contains('\0') {
            Err("must not contain the character NUL".to_owned())
        } else {
            check_direction(&text, fields.rules()).map(|()| MetadataValue::Text(text))
        };
    }
    if text.starts_with(['{', '[']) {
        return Err("must be a text, a number, true or false".to_owned());
    }
    number_text(raw, fields.rules())
        .parse()
        .map(MetadataValue::Number)
        .map_err(|error: domain::DecimalError| error.to_string())
}

/// The schema of the field `metadata`.
pub(crate) fn metadata_schema() -> Value {
    let text = json!({"type": "string", "maxLength": Metadata::MAX_TEXT_LENGTH, "pattern": schema::directed_text()});
    let number = json!({"type": "number", "description": "At most 15 digits."});
    let flag = json!({"type": ["boolean", "null"]});
    schema::nullable(json!({
        "type": "object",
        "description": format!("The shop's own data, of at most {} bytes.", Metadata::MAX_BYTES),
        "maxProperties": Metadata::MAX_KEYS,
        "propertyNames": {"minLength": 1, "maxLength": Metadata::MAX_KEY_LENGTH, "pattern": schema::visible_name()},
        "additionalProperties": {"anyOf": [text, number, flag]},
    }))
}
