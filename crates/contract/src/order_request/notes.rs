//! Reads the shop's notes about an order.

use serde_json::Value;

use crate::{
    Fields,
    metadata::{metadata_schema, take_metadata},
    schema,
};
use domain::Notes;

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
