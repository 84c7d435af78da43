//! Reading a JSON document field by field, so that every bad field is named at once.
//!
//! The text of each value is kept, so an amount never passes through a binary float.

use serde::Serialize;
use serde_json::value::RawValue;
use std::{collections::BTreeMap, str::FromStr};

/// A text that is not JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} at line {line} column {column}")]
pub struct DocumentError {
    pub message: String,
    pub line: usize,
    pub column: usize,
}

/// One field that does not validate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct FieldError {
    /// RFC 6901.
    pub pointer: String,
    pub detail: String,
}

impl std::fmt::Display for FieldError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let space = if self.pointer.is_empty() { "" } else { " " };
        write!(f, "{}{space}{}", self.pointer, self.detail)
    }
}

/// A document that is JSON but not what was asked for: every bad field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct Invalid(pub Vec<FieldError>);

/// A JSON text whose syntax was checked.
#[derive(Debug)]
pub struct Document<'a>(&'a RawValue);

impl<'a> Document<'a> {
    /// Accepts any JSON text; nothing but white space counts as an empty object.
    pub fn parse(text: &'a str) -> Result<Self, DocumentError> {
        let text = if text.trim().is_empty() { "{}" } else { text };
        serde_json::from_str(text).map(Self).map_err(|error| DocumentError {
            message: error.to_string().split(" at line ").next().unwrap_or_default().to_owned(),
            line: error.line(),
            column: error.column(),
        })
    }

    /// Reads the document as an object with `read`; what is refused on the way is returned as a whole.
    pub fn read<T>(&self, read: impl FnOnce(&mut Fields<'a, '_>) -> Option<T>) -> Result<T, Invalid> {
        let mut errors = Vec::new();
        let value = Fields::open(self.0, String::new(), &mut errors).and_then(|mut fields| {
            let value = read(&mut fields);
            fields.close();
            value
        });
        match value {
            Some(value) if errors.is_empty() => Ok(value),
            _ => Err(Invalid(errors)),
        }
    }
}

/// The fields of one object. Each is taken once; what is left at the end is unknown and refused.
pub struct Fields<'a, 'e> {
    pointer: String,
    left: BTreeMap<String, &'a RawValue>,
    errors: &'e mut Vec<FieldError>,
}

impl<'a> Fields<'a, '_> {
    fn open<'e>(raw: &'a RawValue, pointer: String, errors: &'e mut Vec<FieldError>) -> Option<Fields<'a, 'e>> {
        match serde_json::from_str(raw.get()) {
            Ok(left) => Some(Fields { pointer, left, errors }),
            Err(_) => {
                errors.push(FieldError { pointer, detail: "must be an object".to_owned() });
                None
            }
        }
    }

    fn close(self) {
        for name in self.left.keys() {
            let pointer = format!("{}/{}", self.pointer, escape(name));
            self.errors.push(FieldError { pointer, detail: "is not a known field".to_owned() });
        }
    }

    /// Takes the field that goes by one of these names; JSON's null is no value.
    fn take(&mut self, names: &[&str]) -> Option<(String, &'a RawValue)> {
        let mut found: Option<(String, &'a RawValue)> = None;
        for name in names {
            let Some(raw) = self.left.remove(*name).filter(|raw| raw.get() != "null") else { continue };
            let pointer = format!("{}/{}", self.pointer, escape(name));
            match &found {
                Some((first, value)) if value.get() != raw.get() => {
                    self.errors.push(FieldError { pointer, detail: format!("contradicts {first}") });
                }
                Some(_) => {}
                None => found = Some((pointer, raw)),
            }
        }
        found
    }

    /// Refuses the field of this name, or this object when the name is empty.
    pub fn refuse(&mut self, name: &str, detail: impl Into<String>) {
        let pointer = if name.is_empty() { self.pointer.clone() } else { format!("{}/{}", self.pointer, escape(name)) };
        self.errors.push(FieldError { pointer, detail: detail.into() });
    }

    /// Refuses the object when none of these fields is there.
    pub fn require(&mut self, names: &[&str]) {
        let there = |name: &&str| self.left.get(*name).is_some_and(|raw| raw.get() != "null");
        if let Some(first) = names.first().filter(|_| !names.iter().any(there)) {
            self.refuse(first, "is required");
        }
    }

    /// Whether the field is there and holds a text, an object or an array (its first character tells).
    pub fn starts_with(&self, names: &[&str], first: char) -> bool {
        names.iter().filter_map(|name| self.left.get(*name)).any(|raw| raw.get().starts_with(first))
    }

    /// A text of at most `longest` characters, trimmed; blank counts as absent.
    pub fn text(&mut self, names: &[&str], longest: usize) -> Option<String> {
        let (pointer, raw) = self.take(names)?;
        let Ok(text) = serde_json::from_str::<String>(raw.get()) else {
            self.errors.push(FieldError { pointer, detail: "must be a string".to_owned() });
            return None;
        };
        let text = text.trim();
        if text.chars().count() > longest {
            self.errors.push(FieldError { pointer, detail: format!("must be at most {longest} characters long") });
            return None;
        }
        if text.chars().any(char::is_control) {
            self.errors.push(FieldError { pointer, detail: "must not contain control characters".to_owned() });
            return None;
        }
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// A text that parses as `T`.
    pub fn parsed<T: FromStr<Err: std::fmt::Display>>(&mut self, names: &[&str]) -> Option<T> {
        let (pointer, raw) = self.take(names)?;
        let Ok(text) = serde_json::from_str::<String>(raw.get()) else {
            self.errors.push(FieldError { pointer, detail: "must be a string".to_owned() });
            return None;
        };
        self.accept(pointer, &text)
    }

    /// A number, or a string that holds one, that parses as `T` from exactly the text that was sent.
    pub fn number<T: FromStr<Err: std::fmt::Display>>(&mut self, names: &[&str]) -> Option<T> {
        let (pointer, raw) = self.take(names)?;
        let text = serde_json::from_str::<String>(raw.get()).unwrap_or_else(|_| raw.get().to_owned());
        self.accept(pointer, &text)
    }

    fn accept<T: FromStr<Err: std::fmt::Display>>(&mut self, pointer: String, text: &str) -> Option<T> {
        text.parse().map_err(|error: T::Err| self.errors.push(FieldError { pointer, detail: error.to_string() })).ok()
    }

    /// An object, read by `read`.
    pub fn object<T>(&mut self, names: &[&str], read: impl FnOnce(&mut Fields<'a, '_>) -> Option<T>) -> Option<T> {
        let (pointer, raw) = self.take(names)?;
        let mut fields = Fields::open(raw, pointer, self.errors)?;
        let value = read(&mut fields);
        fields.close();
        value
    }

    /// An array of at most `most` objects, each read by `read`; `None` when it is absent or one is bad.
    pub fn objects<T>(
        &mut self,
        names: &[&str],
        most: usize,
        mut read: impl FnMut(&mut Fields<'a, '_>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let (pointer, raw) = self.take(names)?;
        let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(raw.get()) else {
            self.errors.push(FieldError { pointer, detail: "must be an array".to_owned() });
            return None;
        };
        if elements.len() > most {
            self.errors.push(FieldError { pointer, detail: format!("must have at most {most} elements") });
            return None;
        }
        let read_one = |(index, raw)| {
            let mut fields = Fields::open(raw, format!("{pointer}/{index}"), self.errors)?;
            let value = read(&mut fields);
            fields.close();
            value
        };
        // All of them, so that each bad one is named, before one `None` makes the whole none.
        let values: Vec<Option<T>> = elements.into_iter().enumerate().map(read_one).collect();
        values.into_iter().collect()
    }

    /// Whether something was refused so far, here or anywhere in the document.
    pub fn any_refused(&self) -> bool {
        !self.errors.is_empty()
    }
}

/// RFC 6901, and nothing invisible: a pointer ends up in logs and in a database that takes no NUL.
fn escape(name: &str) -> String {
    let visible = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    name.replace('~', "~0").replace('/', "~1").chars().map(visible).collect()
}
