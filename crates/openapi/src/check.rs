//! A value against a schema of the document.
//!
//! The schemas are ours and use few keywords, so this knows those and no others: a keyword that it does not know is
//! a violation, and so is a field that a schema does not list. A pattern is the identifiers' own business.

use serde_json::{Map, Value};

/// All that is wrong with a value, by the place in it; nothing when it is what the schema says.
pub fn violations(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    Check {
        document,
        found: &mut found,
    }
    .value(schema, value, "");
    found
}

struct Check<'a> {
    document: &'a Value,
    found: &'a mut Vec<String>,
}

impl Check<'_> {
    fn value(&mut self, schema: &Value, value: &Value, at: &str) {
        let Some(schema) = schema.as_object() else {
            return self.wrong(at, "has a schema that is no object");
        };
        for (keyword, said) in schema {
            let holds = match keyword.as_str() {
                "description"
                | "examples"
                | "discriminator"
                | "pattern"
                | "required"
                | "additionalProperties" => true,
                "$ref" => {
                    let target = said
                        .as_str()
                        .and_then(|place| self.document.pointer(place.trim_start_matches('#')));
                    self.value(target.unwrap_or(&Value::Null), value, at);
                    true
                }
                "type" => is_one_of(said, |kind| is_of(kind, value)),
                "const" => said == value,
                "enum" => is_one_of(said, |one| one == value),
                "anyOf" => self.fitting(said, value, at) > 0,
                "oneOf" => self.fitting(said, value, at) == 1,
                "minimum" => value
                    .as_f64()
                    .is_none_or(|number| Some(number) >= said.as_f64()),
                "minLength" => length(value).is_none_or(|length| Some(length) >= said.as_u64()),
                "maxLength" => length(value).is_none_or(|length| Some(length) <= said.as_u64()),
                "format" => {
                    said == "date-time"
                        && value
                            .as_str()
                            .is_none_or(|text| domain::parse_time(text).is_some())
                }
                "properties" => {
                    self.properties(schema, said, value, at);
                    true
                }
                "propertyNames" => {
                    for name in value
                        .as_object()
                        .into_iter()
                        .flatten()
                        .map(|(name, _)| name)
                    {
                        self.value(said, &Value::String(name.clone()), at);
                    }
                    true
                }
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.value(said, item, &format!("{at}/{index}"));
                    }
                    true
                }
                unknown => {
                    self.wrong(
                        at,
                        &format!("has a schema with `{unknown}`, which is not checked"),
                    );
                    true
                }
            };
            if !holds {
                self.wrong(at, &format!("is {value}, against `{keyword}`: {said}"));
            }
        }
        self.others(schema, value, at);
    }

    /// How many of these schemas the value fits.
    fn fitting(&self, schemas: &Value, value: &Value, at: &str) -> usize {
        let fits = |schema: &&Value| {
            let mut found = Vec::new();
            Check {
                document: self.document,
                found: &mut found,
            }
            .value(schema, value, at);
            found.is_empty()
        };
        schemas
            .as_array()
            .into_iter()
            .flatten()
            .filter(fits)
            .count()
    }

    fn properties(
        &mut self,
        schema: &Map<String, Value>,
        properties: &Value,
        value: &Value,
        at: &str,
    ) {
        let Some(fields) = value.as_object() else {
            return;
        };
        for name in schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            if !fields.contains_key(name) {
                self.wrong(at, &format!("has no `{name}`"));
            }
        }
        for (name, field) in fields {
            if let Some(schema) = properties.get(name) {
                self.value(schema, field, &format!("{at}/{name}"));
            }
        }
    }

    /// Fields that are not listed: by a schema of their own, or else not at all.
    fn others(&mut self, schema: &Map<String, Value>, value: &Value, at: &str) {
        let (listed, any) = (schema.get("properties"), schema.get("additionalProperties"));
        if listed.is_none() && any.is_none() {
            return;
        }
        for (name, field) in value.as_object().into_iter().flatten() {
            match any {
                _ if listed.is_some_and(|listed| listed.get(name).is_some()) => {}
                Some(any) if any.is_object() => self.value(any, field, &format!("{at}/{name}")),
                _ => self.wrong(at, &format!("has `{name}`, which is not listed")),
            }
        }
    }

    fn wrong(&mut self, at: &str, what: &str) {
        self.found.push(format!("{at} {what}"));
    }
}

fn is_one_of(one_or_more: &Value, is: impl Fn(&Value) -> bool) -> bool {
    one_or_more
        .as_array()
        .map_or_else(|| is(one_or_more), |several| several.iter().any(&is))
}

fn is_of(kind: &Value, value: &Value) -> bool {
    match kind.as_str() {
        Some("null") => value.is_null(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("string") => value.is_string(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => false,
    }
}

fn length(value: &Value) -> Option<u64> {
    u64::try_from(value.as_str()?.chars().count()).ok()
}
