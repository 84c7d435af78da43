//! The shop's notes about an order, and changes of them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{Metadata, MetadataChange, MetadataError};

/// The shop's notes about an order. The workflow reads none of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notes {
    /// The order's name in another system of the shop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_reference: Option<String>,
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gift_message: Option<String>,
}

impl Notes {
    /// Returns whether there is none, so that they can be left out of a document.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the notes after a change.
    ///
    /// # Errors
    ///
    /// The metadata would have too many keys or too many bytes.
    pub fn changed_by(&self, change: &NotesChange) -> Result<Self, MetadataError> {
        let changed = |present: &Option<String>, new: &Option<String>| match new {
            None => present.clone(),
            Some(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        };
        Ok(Self {
            external_reference: changed(&self.external_reference, &change.external_reference),
            metadata: self.metadata.changed_by(&change.metadata)?,
            note: changed(&self.note, &change.note),
            gift_message: self.gift_message.clone(),
        })
    }

    /// Returns the old and the new value of each field in which `new` differs, for the audit log.
    pub fn difference(&self, new: &Self) -> Value {
        let mut fields = Map::new();
        for (name, old, new) in [
            (
                "external_reference",
                &self.external_reference,
                &new.external_reference,
            ),
            ("note", &self.note, &new.note),
        ] {
            if old != new {
                fields.insert(name.to_owned(), json!({"old": old, "new": new}));
            }
        }
        let (old, new) = self.metadata.difference(&new.metadata);
        if !(old.is_empty() && new.is_empty()) {
            fields.insert("metadata".to_owned(), json!({"old": old, "new": new}));
        }
        Value::Object(fields)
    }
}

/// A change of [`Notes`]. A field that is `None` keeps its value, and an empty text removes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotesChange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_reference: Option<String>,
    #[serde(default, skip_serializing_if = "MetadataChange::is_empty")]
    pub metadata: MetadataChange,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MetadataValue;

    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn change_keeps_replaces_and_removes() {
        let before = Notes {
            external_reference: text("ERP-1"),
            note: text("ring twice"),
            gift_message: text("Happy birthday"),
            ..Notes::default()
        };
        let change = NotesChange {
            external_reference: text("ERP-2"),
            note: text(""),
            metadata: [("batch".to_owned(), Some(MetadataValue::Flag(true)))].into(),
        };
        let after = before.changed_by(&change).unwrap();
        assert_eq!(
            json!(after),
            json!({"external_reference": "ERP-2", "metadata": {"batch": true}, "gift_message": "Happy birthday"})
        );
        assert_eq!(
            before.difference(&after),
            json!({
                "external_reference": {"old": "ERP-1", "new": "ERP-2"},
                "note": {"old": "ring twice", "new": null},
                "metadata": {"old": {}, "new": {"batch": true}},
            })
        );
        assert_eq!(after.changed_by(&change).unwrap(), after);
        assert_eq!(after.difference(&after), json!({}));
    }
}
