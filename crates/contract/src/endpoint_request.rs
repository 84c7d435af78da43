//! The requests that create and change an endpoint, which receives messages about orders.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{EndpointUrl, Fields, Request, schema};
use domain::MessageType;

const MAX_ENDPOINT_DESCRIPTION: usize = 200;

/// The maximum number of types in a request.
const MAX_EVENTS: usize = 100;

/// The text that selects messages of all types.
const ALL_TYPES: &str = "*";

/// A type of messages that an endpoint receives, or all types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum SubscribedType {
    All,
    One(MessageType),
}

impl SubscribedType {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => ALL_TYPES,
            Self::One(kind) => kind.as_str(),
        }
    }
}

impl FromStr for SubscribedType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == ALL_TYPES {
            return Ok(Self::All);
        }
        MessageType::parse(text).map(Self::One).ok_or_else(|| {
            let names: Vec<_> = MessageType::ALL.iter().map(|kind| kind.as_str()).collect();
            format!("must be {ALL_TYPES} or one of {}", names.join(", "))
        })
    }
}

impl TryFrom<String> for SubscribedType {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<SubscribedType> for &'static str {
    fn from(kind: SubscribedType) -> Self {
        kind.as_str()
    }
}

/// A request to create an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointRequest {
    pub url: EndpointUrl,
    /// Without duplicates. All types by default.
    pub events: Vec<SubscribedType>,
    pub description: Option<String>,
}

/// A change of an endpoint. Absent fields stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointChangeRequest {
    pub url: Option<EndpointUrl>,
    pub events: Option<Vec<SubscribedType>>,
    /// `Some(None)` removes the description.
    pub description: Option<Option<String>>,
}

fn take_events(fields: &mut Fields<'_, '_>) -> Option<Vec<SubscribedType>> {
    let mut events: Vec<SubscribedType> = fields.take_texts("events", MAX_EVENTS)?;
    if events.is_empty() {
        fields.reject("events", "must not be empty; [\"*\"] selects all types");
        return None;
    }
    events.sort_unstable();
    events.dedup();
    if events.contains(&SubscribedType::All) {
        events = vec![SubscribedType::All];
    }
    Some(events)
}

fn properties() -> schema::Properties {
    let types: Vec<_> = [ALL_TYPES]
        .into_iter()
        .chain(MessageType::ALL.iter().map(|kind| kind.as_str()))
        .collect();
    [
        (
            "url",
            json!({"type": ["string", "null"], "pattern": schema::padded(r"[Hh][Tt][Tt][Pp][Ss]?://[^\s#]+")}),
        ),
        (
            "events",
            json!({"type": ["array", "null"], "minItems": 1, "items": {"type": "string", "enum": types}}),
        ),
        ("description", schema::text(MAX_ENDPOINT_DESCRIPTION)),
    ]
    .into()
}

impl Request for EndpointRequest {
    const TEXT_FIELD: Option<&'static str> = None;

    fn from_fields(fields: &mut Fields<'_, '_>) -> Option<Self> {
        fields.require_any(&["url"]);
        let url = fields.take_parsed::<EndpointUrl>(&["url"]);
        let events = take_events(fields);
        let description = fields.take_text(&["description"], MAX_ENDPOINT_DESCRIPTION);
        Some(Self {
            url: url?,
            events: events.unwrap_or_else(|| vec![SubscribedType::All]),
            description,
        })
    }

    fn object_schema() -> Value {
        schema::requiring(schema::object(properties()), &[&["url"]])
    }
}

impl Request for EndpointChangeRequest {
    const TEXT_FIELD: Option<&'static str> = None;

    fn from_fields(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let is_removed = fields.is_emptied(&["description"]);
        let url = fields.take_parsed::<EndpointUrl>(&["url"]);
        let events = take_events(fields);
        let description = fields.take_text(&["description"], MAX_ENDPOINT_DESCRIPTION);
        let description = match description {
            Some(text) => Some(Some(text)),
            None => is_removed.then_some(None),
        };
        Some(Self {
            url,
            events,
            description,
        })
    }

    fn object_schema() -> Value {
        schema::object(properties())
    }

    // `null` is an empty change.
    fn schema() -> Value {
        json!({"anyOf": [Self::object_schema(), {"type": "null"}]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create(text: &str) -> Result<EndpointRequest, String> {
        EndpointRequest::parse(text).map_err(|error| error.to_string())
    }

    fn change(text: &str) -> Result<EndpointChangeRequest, String> {
        EndpointChangeRequest::parse(text).map_err(|error| error.to_string())
    }

    #[test]
    fn endpoint_receives_all_types_by_default() {
        let request = create(r#"{"url": " https://shop.example/hooks "}"#).unwrap();
        assert_eq!(request.url.as_str(), "https://shop.example/hooks");
        assert_eq!(request.events, [SubscribedType::All]);
        let some = r#"{"url": "https://a.example", "events": ["order.paid", "order.created", "order.paid"]}"#;
        assert_eq!(
            create(some).unwrap().events,
            [MessageType::OrderCreated, MessageType::OrderPaid].map(SubscribedType::One)
        );
        let all = r#"{"url": "https://a.example", "events": ["order.paid", "*"]}"#;
        assert_eq!(create(all).unwrap().events, [SubscribedType::All]);
    }

    #[test]
    fn invalid_request_names_the_field() {
        for (text, expected) in [
            ("", "/url is required"),
            (r#"{"url": "shop"}"#, "/url must be a URL"),
            (
                r#"{"url": "https://a.example", "events": []}"#,
                "/events must not be empty",
            ),
            (
                r#"{"url": "https://a.example", "events": "order.paid"}"#,
                "/events must be an array of strings",
            ),
            (
                r#"{"url": "https://a.example", "events": ["order.paid", "order.gone"]}"#,
                "/events/1 must be * or one of order.created",
            ),
            (
                r#"{"url": "https://a.example", "secret": "x"}"#,
                "/secret is not a known field",
            ),
        ] {
            let error = create(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn absent_field_of_a_change_stays() {
        let empty = EndpointChangeRequest {
            url: None,
            events: None,
            description: None,
        };
        assert_eq!(change("{}"), Ok(empty.clone()));
        let removed = EndpointChangeRequest {
            description: Some(None),
            ..empty
        };
        for text in [r#"{"description": null}"#, r#"{"description": " "}"#] {
            assert_eq!(change(text), Ok(removed.clone()), "{text}");
        }
    }
}
