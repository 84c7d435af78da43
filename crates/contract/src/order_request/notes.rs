//! Reads the shop's notes about an order.

use serde_json::{Value, json};

use crate::{
    Fields, Request,
    metadata::{metadata_schema, take_metadata, take_metadata_change},
    schema,
};
use domain::{Notes, NotesChange};

const MAX_REFERENCE_LENGTH: usize = 200;
const MAX_NOTE_LENGTH: usize = 2_000;
const MAX_GIFT_MESSAGE_LENGTH: usize = 500;

pub(super) fn read_notes(fields: &mut Fields<'_, '_>) -> Notes {
    Notes {
        external_reference: fields.take_text(&["external_reference"], MAX_REFERENCE_LENGTH),
        metadata: take_metadata(fields),
        note: fields.take_lines("note", MAX_NOTE_LENGTH),
        gift_message: fields.take_lines("gift_message", MAX_GIFT_MESSAGE_LENGTH),
    }
}

/// The schemas of the fields that [`read_notes`] reads.
pub(super) fn properties() -> [(&'static str, Value); 4] {
    [
        ("external_reference", schema::text(MAX_REFERENCE_LENGTH)),
        ("metadata", metadata_schema()),
        ("note", schema::lines(MAX_NOTE_LENGTH)),
        ("gift_message", schema::lines(MAX_GIFT_MESSAGE_LENGTH)),
    ]
}

/// The fields of a change of notes, as in its error.
const CHANGED_FIELDS: &str = "must name at least one of external_reference, metadata, note";

impl Request for NotesChange {
    const TEXT_FIELD: Option<&'static str> = None;

    /// `null` and a blank text remove a value.
    fn from_fields(fields: &mut Fields<'_, '_>) -> Option<Self> {
        // The rules of messages to a workflow take a blank text for a value, so `is_emptied` does not.
        let removed = |fields: &Fields<'_, '_>, name| fields.is_named(name).then(String::new);
        let no_reference = removed(fields, "external_reference");
        let no_note = removed(fields, "note");
        let reference = fields.take_text(&["external_reference"], MAX_REFERENCE_LENGTH);
        let note = fields.take_lines("note", MAX_NOTE_LENGTH);
        let change = Self {
            external_reference: reference.or(no_reference),
            metadata: take_metadata_change(fields).unwrap_or_default(),
            note: note.or(no_note),
        };
        if change == Self::default() && !fields.has_errors() {
            fields.reject("", CHANGED_FIELDS);
        }
        Some(change)
    }

    fn object_schema() -> Value {
        let [reference, metadata, note, _] = properties();
        let mut schema = schema::object([reference, metadata, note].into());
        schema["anyOf"] = json!([
            {"required": ["external_reference"]},
            {"required": ["note"]},
            {
                "required": ["metadata"],
                "properties": {"metadata": {"minProperties": 1, "not": {"type": "null"}}},
            },
        ]);
        schema
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rules;

    fn parse(text: &str) -> Result<NotesChange, String> {
        NotesChange::parse(text).map_err(|error| error.to_string())
    }

    #[test]
    fn null_and_blank_text_remove_a_value() {
        for text in [r#"{"note": null}"#, r#"{"note": " "}"#] {
            let change = parse(text).unwrap();
            assert_eq!(
                (change.note.as_deref(), change.external_reference.as_deref()),
                (Some(""), None)
            );
            // A message to the workflow is read in the same way.
            let message = json!(change).to_string();
            assert_eq!(
                NotesChange::parse_with(&message, Rules::Earlier),
                Ok(change)
            );
        }
    }

    #[test]
    fn change_must_name_a_field() {
        for text in ["", "{}", r#"{"metadata": {}}"#, r#"{"metadata": null}"#] {
            assert_eq!(
                parse(text).unwrap_err(),
                format!("is not valid: {CHANGED_FIELDS}"),
                "{text}"
            );
        }
        assert!(parse(r#"{"metadata": {"a": null}}"#).is_ok());
        let long = format!(r#"{{"external_reference": "{}"}}"#, "x".repeat(201));
        assert!(
            parse(&long)
                .unwrap_err()
                .contains("/external_reference must be at most 200")
        );
        assert!(
            parse(r#"{"gift_message": "hi"}"#)
                .unwrap_err()
                .contains("/gift_message")
        );
    }
}
