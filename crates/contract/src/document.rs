//! Reads a JSON document field by field and reports all invalid fields at once.
//!
//! Each value keeps its text, so an amount is never converted to a binary float.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    str::FromStr,
};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, DeserializeOwned, MapAccess},
};
use serde_json::value::RawValue;

use crate::number::number_text;
use domain::{Currency, Decimal, Email, has_visible_character, overrides_direction};

/// A syntax error in a JSON text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} at line {line} column {column}")]
pub struct DocumentError {
    pub message: String,
    pub line: usize,
    pub column: usize,
}

/// One invalid field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// The JSON pointer of the field (RFC 6901).
    pub pointer: String,
    pub detail: String,
}

impl std::fmt::Display for FieldError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let space = if self.pointer.is_empty() { "" } else { " " };
        write!(f, "{}{space}{}", self.pointer, self.detail)
    }
}

/// All invalid fields of a JSON document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct InvalidFields(pub Vec<FieldError>);

const MAX_ERRORS: usize = 1_000;

/// The number of characters of a field's name that a pointer shows.
const MAX_NAME_LENGTH: usize = 100;

/// The rules that the values of a document must meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// The rules for the documents of callers.
    Current,
    /// The rules of earlier releases. A message or a document in a history is read with them:
    /// otherwise, its replay could refuse what the order has accepted, or the other way round.
    Earlier,
}

/// A JSON text with valid syntax.
#[derive(Debug)]
pub struct Document<'a> {
    value: &'a RawValue,
    rules: Rules,
}

impl<'a> Document<'a> {
    /// Parses the document of a caller. An empty or blank text counts as an empty object.
    pub fn parse(text: &'a str) -> Result<Self, DocumentError> {
        Self::parse_with(text, Rules::Current)
    }

    /// Parses any JSON text, whose values must meet `rules`.
    pub fn parse_with(text: &'a str, rules: Rules) -> Result<Self, DocumentError> {
        let text = if text.trim().is_empty() { "{}" } else { text };
        serde_json::from_str(text)
            .map(|value| Self { value, rules })
            .map_err(|error| DocumentError {
                message: error
                    .to_string()
                    .split(" at line ")
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
                line: error.line(),
                column: error.column(),
            })
    }

    /// Reads the document as an object with `read`.
    ///
    /// # Errors
    ///
    /// Returns all invalid fields, but not more than the first thousand, which limits the size of a
    /// response.
    pub fn read_object<T>(
        &self,
        read: impl FnOnce(&mut Fields<'a, '_>) -> Option<T>,
    ) -> Result<T, InvalidFields> {
        let mut errors = Vec::new();
        let value = Fields::open(self.value, self.rules, String::new(), &mut errors).and_then(
            |mut fields| {
                let value = read(&mut fields);
                fields.close();
                value
            },
        );
        let more = errors.len().saturating_sub(MAX_ERRORS);
        if more > 0 {
            errors.truncate(MAX_ERRORS);
            errors.push(FieldError {
                pointer: String::new(),
                detail: format!("has {more} more fields that are not valid"),
            });
        }
        match value {
            Some(value) if errors.is_empty() => Ok(value),
            _ => Err(InvalidFields(errors)),
        }
    }
}

/// The members of one object, and its duplicate names. JSON readers disagree on the value of a
/// duplicate name.
struct Members<'a> {
    first: BTreeMap<String, &'a RawValue>,
    duplicates: BTreeSet<String>,
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Members {
                    first: BTreeMap::new(),
                    duplicates: BTreeSet::new(),
                };
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    match members.first.entry(name) {
                        Entry::Vacant(entry) => {
                            entry.insert(value);
                        }
                        Entry::Occupied(entry) => {
                            members.duplicates.insert(entry.key().clone());
                        }
                    }
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// The unread fields of one object. Each field is read once; fields that remain at the end are
/// unknown and rejected.
pub struct Fields<'a, 'e> {
    rules: Rules,
    pointer: String,
    left: BTreeMap<String, &'a RawValue>,
    errors: &'e mut Vec<FieldError>,
}

impl<'a> Fields<'a, '_> {
    fn open<'e>(
        raw: &'a RawValue,
        rules: Rules,
        pointer: String,
        errors: &'e mut Vec<FieldError>,
    ) -> Option<Fields<'a, 'e>> {
        let Ok(Members {
            first: left,
            duplicates,
        }) = serde_json::from_str(raw.get())
        else {
            // JSON allows a lone surrogate in a name; Rust strings do not.
            let detail = if raw.get().starts_with('{') {
                "must have names of Unicode text"
            } else {
                "must be an object"
            };
            errors.push(FieldError {
                pointer,
                detail: detail.to_owned(),
            });
            return None;
        };
        for name in duplicates {
            let pointer = format!("{pointer}/{}", escape(&name));
            errors.push(FieldError {
                pointer,
                detail: "must be given once".to_owned(),
            });
        }
        Some(Fields {
            rules,
            pointer,
            left,
            errors,
        })
    }

    fn close(self) {
        for name in self.left.keys() {
            let pointer = format!("{}/{}", self.pointer, escape(name));
            self.errors.push(FieldError {
                pointer,
                detail: "is not a known field".to_owned(),
            });
        }
    }

    /// Takes the field with one of these names. A `null` counts as absent.
    fn take(&mut self, names: &[&str]) -> Option<(String, &'a RawValue)> {
        self.take_one(names, |one, other| one.get() == other.get())
    }

    /// Takes the field with one of these names, and compares duplicate values with `same`.
    fn take_one(
        &mut self,
        names: &[&str],
        same: impl Fn(&RawValue, &RawValue) -> bool,
    ) -> Option<(String, &'a RawValue)> {
        let mut found: Option<(String, &'a RawValue)> = None;
        for name in names {
            let Some(raw) = self.left.remove(*name).filter(|raw| raw.get() != "null") else {
                continue;
            };
            let pointer = format!("{}/{}", self.pointer, escape(name));
            match &found {
                Some((first, value)) if !same(value, raw) => {
                    self.errors.push(FieldError {
                        pointer,
                        detail: format!("must be equal to {first}"),
                    });
                }
                Some(_) => {}
                None => found = Some((pointer, raw)),
            }
        }
        found
    }

    /// Reports that the field with this name is invalid, or this object if the name is empty.
    pub fn reject(&mut self, name: &str, detail: impl Into<String>) {
        let pointer = if name.is_empty() {
            self.pointer.clone()
        } else {
            format!("{}/{}", self.pointer, escape(name))
        };
        self.errors.push(FieldError {
            pointer,
            detail: detail.into(),
        });
    }

    /// Returns whether a field with one of these names, or a part of it, was reported as invalid.
    pub fn is_rejected(&self, names: &[&str]) -> bool {
        names.iter().any(|name| {
            let field = format!("{}/{}", self.pointer, escape(name));
            let within = |error: &FieldError| {
                error
                    .pointer
                    .strip_prefix(&field)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            self.errors.iter().any(within)
        })
    }

    fn has(&self, name: &str) -> bool {
        self.left.get(name).is_some_and(|raw| raw.get() != "null")
    }

    /// Reports the first of these fields as missing if the object has none of them, and a blank one as
    /// blank.
    pub fn require_any(&mut self, names: &[&str]) {
        let named = self.sent_name(names);
        if !self.has(named) {
            self.reject(named, "is required");
        } else if self.is_blank(named) && !names.iter().any(|name| self.is_filled(name)) {
            self.reject(named, "must not be blank");
        }
    }

    fn is_filled(&self, name: &str) -> bool {
        self.has(name) && !self.is_blank(name)
    }

    /// Returns whether this field is a text without a visible character.
    fn is_blank(&self, name: &str) -> bool {
        self.rules == Rules::Current
            && self
                .text_of(name)
                .is_some_and(|text| !has_visible_character(text.trim()))
    }

    /// Returns the text of this field, if it is one.
    fn text_of(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.left.get(name)?.get()).ok()
    }

    /// Returns the name that the document uses for a field, or the first name if the field is
    /// absent.
    pub fn sent_name<'n>(&self, names: &[&'n str]) -> &'n str {
        let sent = names.iter().find(|name| self.has(name));
        sent.or(names.first()).copied().unwrap_or_default()
    }

    /// Returns whether a field with one of these names begins with this character, which identifies
    /// its JSON type.
    pub fn starts_with(&self, names: &[&str], first: char) -> bool {
        names
            .iter()
            .filter_map(|name| self.left.get(*name))
            .any(|raw| raw.get().starts_with(first))
    }

    /// The rules that the values must meet.
    pub(crate) fn rules(&self) -> Rules {
        self.rules
    }

    /// Takes a text of at most `longest` characters and trims it. A text without a visible character
    /// counts as absent.
    pub fn take_text(&mut self, names: &[&str], longest: usize) -> Option<String> {
        let (pointer, raw) = self.take(names)?;
        let text = self.string(&pointer, raw)?;
        let text = text.trim();
        if text.chars().count() > longest {
            self.errors.push(FieldError {
                pointer,
                detail: format!("must be at most {longest} characters long"),
            });
            return None;
        }
        let refused = if text.contains(['\n', '\r']) && self.rules == Rules::Current {
            Some("must be one line")
        } else {
            self.refused_character(text)
        };
        if let Some(detail) = refused {
            self.errors.push(FieldError {
                pointer,
                detail: detail.to_owned(),
            });
            return None;
        }
        let is_blank = match self.rules {
            Rules::Current => !has_visible_character(text),
            Rules::Earlier => text.is_empty(),
        };
        (!is_blank).then(|| text.to_owned())
    }

    /// Takes a text of several lines, which otherwise is read as [`Fields::take_text`] does. Each line
    /// ends with a line feed.
    pub fn take_lines(&mut self, name: &str, longest: usize) -> Option<String> {
        let (pointer, raw) = self.take(&[name])?;
        let text = self.string(&pointer, raw)?;
        let text = text.trim().replace("\r\n", "\n").replace('\r', "\n");
        let refused = if text.chars().count() > longest {
            Some(format!("must be at most {longest} characters long"))
        } else {
            let without_breaks = text.replace(['\n', '\t'], " ");
            self.refused_character(&without_breaks).map(str::to_owned)
        };
        if let Some(detail) = refused {
            self.errors.push(FieldError { pointer, detail });
            return None;
        }
        has_visible_character(&text).then_some(text)
    }

    /// Returns the reason why a text has a character that no field accepts.
    fn refused_character(&self, text: &str) -> Option<&'static str> {
        if text.chars().any(char::is_control) {
            Some("must not contain control characters")
        } else if self.rules == Rules::Current && overrides_direction(text) {
            Some("must not contain characters that change the direction of the text")
        } else {
            None
        }
    }

    /// Takes a text that must not be blank if it is present.
    pub fn take_filled_text(&mut self, name: &str, longest: usize) -> Option<String> {
        let there = self.has(name);
        let text = self.take_text(&[name], longest);
        if there && text.is_none() && !self.is_rejected(&[name]) {
            self.reject(name, "must not be blank");
        }
        text
    }

    /// Takes a text that parses as `T`, without the white space around it. A blank text counts as
    /// absent.
    pub fn take_parsed<T: FromStr<Err: std::fmt::Display>>(&mut self, names: &[&str]) -> Option<T> {
        self.take_parsed_by(names, T::from_str)
    }

    /// Takes a text as [`Fields::take_parsed`] does, and parses it with `parse`.
    pub(crate) fn take_parsed_by<T, E: std::fmt::Display>(
        &mut self,
        names: &[&str],
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let (pointer, raw) = self.take(names)?;
        let text = self.string(&pointer, raw)?;
        let text = match self.rules {
            Rules::Current => text.trim(),
            Rules::Earlier => text.as_str(),
        };
        if self.rules == Rules::Current && !has_visible_character(text) {
            return None;
        }
        self.accept(pointer, parse(text))
    }

    /// Takes a currency code.
    pub fn take_currency(&mut self, names: &[&str]) -> Option<Currency> {
        match self.rules {
            Rules::Current => self.take_parsed_by(names, Currency::parse_any_case),
            Rules::Earlier => self.take_parsed_by(names, Currency::parse),
        }
    }

    /// Takes an e-mail address.
    pub(crate) fn take_email(&mut self, names: &[&str]) -> Option<String> {
        match self.rules {
            Rules::Current => self
                .take_parsed_by(names, Email::parse)
                .map(|email| email.as_str().to_owned()),
            Rules::Earlier => self.take_text(names, Email::MAX_LENGTH),
        }
    }

    fn string(&mut self, pointer: &str, raw: &RawValue) -> Option<String> {
        let text = serde_json::from_str(raw.get());
        if text.is_err() {
            // `"\ud800"` is a JSON string with a lone surrogate, which is not Unicode text.
            let detail = if raw.get().starts_with('"') {
                "must be Unicode text"
            } else {
                "must be a string"
            };
            self.errors.push(FieldError {
                pointer: pointer.to_owned(),
                detail: detail.to_owned(),
            });
        }
        text.ok()
    }

    /// Takes a number, or a string with a number, and parses its exact text as `T`.
    pub fn take_number<T: FromStr<Err: std::fmt::Display>>(&mut self, names: &[&str]) -> Option<T> {
        let rules = self.rules;
        // `1` and `"1.00"` are equal.
        let same = |one: &RawValue, other: &RawValue| match (
            number_text(one, rules).parse::<Decimal>(),
            number_text(other, rules).parse(),
        ) {
            (Ok(one), Ok(other)) => one == other,
            _ => one.get() == other.get(),
        };
        let (pointer, raw) = self.take_one(names, same)?;
        let text = number_text(raw, self.rules);
        if self.rules == Rules::Current && !has_visible_character(&text) {
            return None;
        }
        self.accept(pointer, text.parse())
    }

    fn accept<T, E: std::fmt::Display>(
        &mut self,
        pointer: String,
        value: Result<T, E>,
    ) -> Option<T> {
        value
            .map_err(|error| {
                self.errors.push(FieldError {
                    pointer,
                    detail: error.to_string(),
                })
            })
            .ok()
    }

    /// Takes `true` or `false`.
    pub fn take_flag(&mut self, names: &[&str]) -> Option<bool> {
        let (pointer, raw) = self.take(names)?;
        let flag = serde_json::from_str(raw.get()).map_err(|_| "must be true or false");
        self.accept(pointer, flag)
    }

    /// Takes a value that only programs of this release write.
    pub(crate) fn take_json<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let (pointer, raw) = self.take(&[name])?;
        self.accept(pointer, serde_json::from_str(raw.get()))
    }

    /// Returns whether the object has a field with this name, which can be `null`.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        self.left.contains_key(name)
    }

    /// Returns whether a field with one of these names is `null` or blank, and none has a value.
    pub(crate) fn is_emptied(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.left.contains_key(*name))
            && !names.iter().any(|name| self.is_filled(name))
    }

    /// Returns whether this field is a text of more than one line.
    pub(crate) fn has_line_break(&self, name: &str) -> bool {
        self.text_of(name)
            .is_some_and(|text| text.trim().contains(['\n', '\r']))
    }

    /// Takes fields without reading them.
    pub(crate) fn drop_fields(&mut self, names: &[&str]) {
        self.left.retain(|name, _| !names.contains(&name.as_str()));
    }

    /// Removes the unread fields of the object and returns their names, with `null` as `None`.
    pub(crate) fn take_all(&mut self) -> Vec<(String, Option<&'a RawValue>)> {
        std::mem::take(&mut self.left)
            .into_iter()
            .map(|(name, raw)| (name, Some(raw).filter(|raw| raw.get() != "null")))
            .collect()
    }

    /// Takes an object and reads it with `read`.
    pub fn take_object<T>(
        &mut self,
        names: &[&str],
        read: impl FnOnce(&mut Fields<'a, '_>) -> Option<T>,
    ) -> Option<T> {
        let (pointer, raw) = self.take(names)?;
        let mut fields = Fields::open(raw, self.rules, pointer, self.errors)?;
        let value = read(&mut fields);
        fields.close();
        value
    }

    /// Takes an array of at most `most` objects and reads each with `read`. Returns `None` if the
    /// array is absent or an object is invalid.
    pub fn take_objects<T>(
        &mut self,
        names: &[&str],
        most: usize,
        mut read: impl FnMut(&mut Fields<'a, '_>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let (pointer, raw) = self.take(names)?;
        let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(raw.get()) else {
            self.errors.push(FieldError {
                pointer,
                detail: "must be an array".to_owned(),
            });
            return None;
        };
        if elements.len() > most {
            self.errors.push(FieldError {
                pointer,
                detail: format!("must have at most {most} elements"),
            });
            return None;
        }
        let read_one = |(index, raw)| {
            let mut fields =
                Fields::open(raw, self.rules, format!("{pointer}/{index}"), self.errors)?;
            let value = read(&mut fields);
            fields.close();
            value
        };
        // Reads all elements before the result becomes `None`, so that each invalid one is
        // reported.
        let values: Vec<Option<T>> = elements.into_iter().enumerate().map(read_one).collect();
        values.into_iter().collect()
    }

    /// Takes an array of at most `most` texts and parses each without the white space around it. Returns
    /// `None` if the array is absent or a text is invalid.
    pub(crate) fn take_texts<T: FromStr<Err: std::fmt::Display>>(
        &mut self,
        name: &str,
        most: usize,
    ) -> Option<Vec<T>> {
        let (pointer, raw) = self.take(&[name])?;
        let Ok(texts) = serde_json::from_str::<Vec<String>>(raw.get()) else {
            self.errors.push(FieldError {
                pointer,
                detail: "must be an array of strings".to_owned(),
            });
            return None;
        };
        if texts.len() > most {
            self.errors.push(FieldError {
                pointer,
                detail: format!("must have at most {most} elements"),
            });
            return None;
        }
        let mut parse = |(index, text): (usize, &String)| {
            self.accept(format!("{pointer}/{index}"), text.trim().parse::<T>())
        };
        // Reads all texts before the result becomes `None`, so that each invalid one is reported.
        let values: Vec<Option<T>> = texts.iter().enumerate().map(&mut parse).collect();
        values.into_iter().collect()
    }

    /// Returns whether any field of the document was reported as invalid so far.
    pub fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }
}

/// Escapes a name for a JSON pointer (RFC 6901), shortens it and escapes control characters.
/// Pointers are logged, and stored in PostgreSQL, which rejects NUL.
fn escape(name: &str) -> String {
    let visible = |c: char| {
        if c.is_control() {
            c.escape_default().to_string()
        } else {
            c.to_string()
        }
    };
    let shown: String = name.chars().take(MAX_NAME_LENGTH).collect();
    let rest = if shown.len() < name.len() { "…" } else { "" };
    shown
        .replace('~', "~0")
        .replace('/', "~1")
        .chars()
        .map(visible)
        .collect::<String>()
        + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `{"name": …, "count": …, "inner": {…}}`.
    fn refused(text: &str) -> Vec<String> {
        let read = |fields: &mut Fields<'_, '_>| {
            fields.take_text(&["name"], 10);
            fields.take_number::<i64>(&["count", "number"]);
            fields.take_object(&["inner"], |inner| inner.take_text(&["name"], 10));
            Some(())
        };
        match Document::parse(text) {
            Ok(document) => document
                .read_object(read)
                .err()
                .map(|InvalidFields(errors)| errors)
                .unwrap_or_default(),
            Err(error) => vec![FieldError {
                pointer: "-".to_owned(),
                detail: error.to_string(),
            }],
        }
        .iter()
        .map(ToString::to_string)
        .collect()
    }

    #[test]
    fn each_kind_of_invalid_field_is_reported() {
        for (text, expected) in [
            (r#"{"name": "a", "count": "5", "inner": null}"#, ""),
            ("[]", "must be an object"),
            ("\"x\"", "must be an object"),
            ("5", "must be an object"),
            (r#"{"name": "a", "name": "a"}"#, "/name must be given once"),
            (
                r#"{"name": "a", "\u006eame": "b"}"#,
                "/name must be given once",
            ),
            (
                r#"{"x": 1, "x": 2}"#,
                "/x must be given once; /x is not a known field",
            ),
            (
                r#"{"inner": {"name": "a", "name": "b"}}"#,
                "/inner/name must be given once",
            ),
            (
                r#"{"count": 1, "number": 2}"#,
                "/number must be equal to /count",
            ),
            (r#"{"count": 1, "number": "1.00"}"#, ""),
            (
                r#"{"count": 1, "number": "one"}"#,
                "/number must be equal to /count",
            ),
            (
                r#"{"count": "one", "number": "one"}"#,
                "/count invalid digit found in string",
            ),
            (r#"{"name": 5}"#, "/name must be a string"),
            (r#"{"name": "\ud800"}"#, "/name must be Unicode text"),
            (r#"{"\ud800": 1}"#, "must have names of Unicode text"),
            (
                r#"{"name": "12345678901"}"#,
                "/name must be at most 10 characters long",
            ),
            (r#"{"name": "ünïcödé!!!"}"#, ""),
            (
                r#"{"name": "a\u0000b"}"#,
                "/name must not contain control characters",
            ),
            (r#"{"name": "a\nb"}"#, "/name must be one line"),
            (
                r#"{"name": "a\u202eb"}"#,
                "/name must not contain characters that change the direction of the text",
            ),
            (r#"{"name": "\u200b"}"#, ""),
            (r#"{"a/b~c": 1}"#, "/a~1b~0c is not a known field"),
            (r#"{"a\u0000b": 1}"#, "/a\\u{0}b is not a known field"),
            (r#"{"inner": []}"#, "/inner must be an object"),
            (
                r#"{"count": 1e400}"#,
                "/count invalid digit found in string",
            ),
        ] {
            assert_eq!(refused(text).join("; "), expected, "{text}");
        }
    }

    #[test]
    fn syntax_errors_have_a_position() {
        for text in [
            "{",
            "{\"name\": tru}",
            "{} {}",
            "{\"name\": \"a\u{0}\"}",
            "{'name': 'a'}",
            "{\"name\": 01}",
            "NaN",
        ] {
            assert!(
                refused(text)[0].starts_with("- ") && refused(text)[0].contains("line 1 column"),
                "{text:?}"
            );
        }
    }

    #[test]
    fn deep_nesting_does_not_overflow_the_stack() {
        let deep = |open: &str, close: &str| open.repeat(60_000) + "1" + &close.repeat(60_000);
        assert_eq!(refused(&deep("[", "]")), ["must be an object"]);
        assert_eq!(refused(&deep("{\"a\":", "}")), ["/a is not a known field"]);
        assert_eq!(
            refused(&format!("{{\"inner\": {}}}", deep("[", "]"))),
            ["/inner must be an object"]
        );
        assert_eq!(refused(&"[".repeat(200_000)).len(), 1);
    }

    #[test]
    fn number_of_reported_errors_is_limited() {
        let fields: Vec<_> = (0..5_000)
            .map(|number| format!("\"x{number}\": 1"))
            .collect();
        let errors = refused(&format!("{{{}}}", fields.join(",")));
        assert_eq!(
            (errors.len(), errors[1_000].as_str()),
            (1_001, "has 4000 more fields that are not valid")
        );
        let errors = refused(&format!("{{\"{}\": 1}}", "x".repeat(100_000)));
        assert!(errors[0].len() < 200, "{errors:?}");
    }
}
