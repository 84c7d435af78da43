//! The shop's own data about an order or a line item.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Decimal;

/// The shop's own data: at most [`Metadata::MAX_KEYS`] values by name. It is never logged, because a
/// shop may store personal data in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Metadata(BTreeMap<String, MetadataValue>);

/// One value of [`Metadata`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum MetadataValue {
    Flag(bool),
    // Before the number, which can be read from a text too.
    Text(String),
    Number(Decimal),
}

/// A change of [`Metadata`]: each name gets a value, or loses it with `None`.
pub type MetadataChange = BTreeMap<String, Option<MetadataValue>>;

/// The reason why data is too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    #[error("must have at most {} keys", Metadata::MAX_KEYS)]
    TooManyKeys,
    #[error("must have at most {} bytes as JSON", Metadata::MAX_BYTES)]
    TooLarge,
}

impl Metadata {
    pub const MAX_KEYS: usize = 50;
    /// The longest name of a value, in characters.
    pub const MAX_KEY_LENGTH: usize = 100;
    /// The longest text, in characters.
    pub const MAX_TEXT_LENGTH: usize = 500;
    /// The largest size as JSON without white space.
    pub const MAX_BYTES: usize = 8 * 1024;

    /// Returns whether there is no data, so that it can be left out of a document.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the values in which `other` differs: those of this data, and those of `other`.
    pub fn difference(&self, other: &Self) -> (Self, Self) {
        let only_in = |data: &Self, reference: &Self| {
            let values = data.0.iter();
            let differs =
                |(name, value): &(&String, &MetadataValue)| reference.0.get(*name) != Some(value);
            Self(
                values
                    .filter(differs)
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect(),
            )
        };
        (only_in(self, other), only_in(other, self))
    }

    /// Returns the data after a change.
    ///
    /// # Errors
    ///
    /// The result has too many keys or too many bytes.
    pub fn changed_by(&self, change: &MetadataChange) -> Result<Self, MetadataError> {
        let mut values = self.0.clone();
        for (name, value) in change {
            match value {
                Some(value) => values.insert(name.clone(), value.clone()),
                None => values.remove(name),
            };
        }
        if values.len() > Self::MAX_KEYS {
            return Err(MetadataError::TooManyKeys);
        }
        let bytes = serde_json::to_string(&values).map_or(usize::MAX, |text| text.len());
        if bytes > Self::MAX_BYTES {
            return Err(MetadataError::TooLarge);
        }
        Ok(Self(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(length: usize) -> Option<MetadataValue> {
        Some(MetadataValue::Text("x".repeat(length)))
    }

    #[test]
    fn change_adds_replaces_and_removes() {
        let first = [("a".to_owned(), text(1)), ("b".to_owned(), text(1))];
        let before = Metadata::default()
            .changed_by(&first.into_iter().collect())
            .unwrap();
        let change = [
            ("a".to_owned(), None),
            ("b".to_owned(), Some(MetadataValue::Flag(true))),
            (
                "c".to_owned(),
                Some(MetadataValue::Number(Decimal::new(-15, 1))),
            ),
        ];
        let after = before.changed_by(&change.into_iter().collect()).unwrap();
        assert_eq!(
            serde_json::to_string(&after).unwrap(),
            r#"{"b":true,"c":-1.5}"#
        );
    }

    #[test]
    fn value_keeps_its_type() {
        let text = r#"{"flag":false,"number":15,"text":"15"}"#;
        let read: Metadata = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }

    #[test]
    fn too_many_keys_and_bytes_are_refused() {
        let keys = |count: usize| (0..count).map(|key| (key.to_string(), text(1))).collect();
        assert!(Metadata::default().changed_by(&keys(50)).is_ok());
        assert_eq!(
            Metadata::default().changed_by(&keys(51)),
            Err(MetadataError::TooManyKeys)
        );
        let large = (0..17).map(|key| (key.to_string(), text(500))).collect();
        assert_eq!(
            Metadata::default().changed_by(&large),
            Err(MetadataError::TooLarge)
        );
    }
}
