//! Requests to an open order. One reader serves HTTP bodies and Temporal messages.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{Document, DocumentError, Fields, InvalidFields, Rules, schema};
use domain::parse_time;

/// The reason why a body is not a valid request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    #[error("is not JSON: {0}")]
    Syntax(#[from] DocumentError),
    #[error("is not valid: {0}")]
    Invalid(#[from] InvalidFields),
}

/// A request that can be read from a JSON object.
pub trait Request: Serialize + DeserializeOwned + 'static {
    /// The field that a plain string sets. Users of Temporal's CLI send `"changed my mind"` as a
    /// reason.
    const TEXT_FIELD: Option<&'static str>;

    fn from_fields(fields: &mut Fields<'_, '_>) -> Option<Self>;

    /// Returns the schema of the object that [`Self::from_fields`] reads.
    fn object_schema() -> Value;

    /// Returns the schema of every JSON value that [`Self::parse`] accepts.
    fn schema() -> Value {
        let mut any = vec![Self::object_schema()];
        if let Some(text) = Self::TEXT_FIELD {
            // The schema of the field allows `null` too.
            any.push(any[0]["properties"][text].clone());
        }
        if any.len() == 1 {
            any.remove(0)
        } else {
            json!({"anyOf": any})
        }
    }

    /// Reads an HTTP body. An empty body is an empty object.
    ///
    /// # Errors
    ///
    /// Fails on a syntax error, or with all invalid fields.
    fn parse(text: &str) -> Result<Self, RequestError> {
        Self::parse_with(text, Rules::Current)
    }

    /// Reads an HTTP body or the payload of a message.
    ///
    /// # Errors
    ///
    /// Fails on a syntax error, or with all invalid fields.
    fn parse_with(text: &str, rules: Rules) -> Result<Self, RequestError> {
        let text = if text.trim() == "null" { "" } else { text };
        // Parsed before a string is wrapped, so that errors have the position in the original text.
        let document = Document::parse_with(text, rules)?;
        match Self::TEXT_FIELD.filter(|_| text.trim_start().starts_with('"')) {
            Some(field) => Ok(
                Document::parse_with(&format!("{{\"{field}\":{text}}}"), rules)?
                    .read_object(Self::from_fields)?,
            ),
            None => Ok(document.read_object(Self::from_fields)?),
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    pub reviewer: Option<String>,
    pub note: Option<String>,
    /// The reason for the customer, who does not read the other text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_reason: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    pub reviewer: Option<String>,
    pub reason: Option<String>,
    /// The reason for the customer, who does not read the other text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_reason: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancellation {
    pub reason: Option<String>,
    /// The reason for the customer, who does not read the other text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_reason: Option<String>,
}

/// A request to refund the payment and to wait for another one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentCancellation {
    pub reason: Option<String>,
    /// The reason for the customer, who does not read the other text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_reason: Option<String>,
}

/// A request to hold the order before its payment and its dispatch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldRequest {
    pub reason: Option<String>,
    /// The reason for the customer, who does not read the other text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_reason: Option<String>,
}

/// A request to let a held order go on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    pub reason: Option<String>,
    /// The reason for the customer, who does not read the other text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_reason: Option<String>,
}

/// A message of the child workflow: an attempt to ship failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DispatchFailure {
    pub reason: Option<String>,
}

/// A confirmation that the carrier delivered the parcel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryConfirmation {
    pub delivered_at: Option<DateTime<Utc>>,
    pub signed_by: Option<String>,
}

struct Time(DateTime<Utc>);
impl FromStr for Time {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_time(text)
            .map(Self)
            .ok_or("must be a time such as 2026-11-21T00:00:00Z")
    }
}

const MAX_REASON_LENGTH: usize = 500;
const MAX_PERSON_LENGTH: usize = 200;

fn public_reason_schema() -> Value {
    let mut schema = schema::text(MAX_REASON_LENGTH);
    schema["description"] = "The reason for the customer, who does not read the other text.".into();
    schema
}

/// Returns the fields of a request with a reason, and with another one for the customer.
pub(crate) fn reason_fields() -> schema::Properties {
    [
        ("reason", schema::text(MAX_REASON_LENGTH)),
        ("public_reason", public_reason_schema()),
    ]
    .into()
}

impl Request for Approval {
    const TEXT_FIELD: Option<&'static str> = Some("note");
    fn from_fields(fields: &mut Fields<'_, '_>) -> Option<Self> {
        Some(Self {
            reviewer: fields.take_text(&["reviewer"], MAX_PERSON_LENGTH),
            note: fields.take_text(&["note"], MAX_REASON_LENGTH),
            public_reason: fields.take_text(&["public_reason"], MAX_REASON_LENGTH),
        })
    }
    fn object_schema() -> Value {
        schema::object(
            [
                ("reviewer", schema::text(MAX_PERSON_LENGTH)),
                ("note", schema::text(MAX_REASON_LENGTH)),
                ("public_reason", public_reason_schema()),
            ]
            .into(),
        )
    }
}

impl Request for Rejection {
    const TEXT_FIELD: Option<&'static str> = Some("reason");
    fn from_fields(fields: &mut Fields<'_, '_>) -> Option<Self> {
        Some(Self {
            reviewer: fields.take_text(&["reviewer"], MAX_PERSON_LENGTH),
            reason: fields.take_text(&["reason"], MAX_REASON_LENGTH),
            public_reason: fields.take_text(&["public_reason"], MAX_REASON_LENGTH),
        })
    }
    fn object_schema() -> Value {
        schema::object(
            [
                ("reviewer", schema::text(MAX_PERSON_LENGTH)),
                ("reason", schema::text(MAX_REASON_LENGTH)),
                ("public_reason", public_reason_schema()),
            ]
            .into(),
        )
    }
}

impl Request for Cancellation {
    const TEXT_FIELD: Option<&'static str> = Some("reason");
    fn from_fields(fields: &mut Fields<'_, '_>) -> Option<Self> {
        Some(Self {
            reason: fields.take_text(&["reason"], MAX_REASON_LENGTH),
            public_reason: fields.take_text(&["public_reason"], MAX_REASON_LENGTH),
        })
    }
    fn object_schema() -> Value {
        schema::object(reason_fields())
    }
}

impl Request for PaymentCancellation {
    const TEXT_FIELD: Option<&'static str> = Some("reason");
    fn from_fields(fields: &mut Fields<'_, '_>) -> Option<Self> {
        Some(Self {
            reason: fields.take_text(&["reason"], MAX_REASON_LENGTH),
            public_reason: fields.take_text(&["public_reason"], MAX_REASON_LENGTH),
        })
    }
    fn object_schema() -> Value {
        schema::object(reason_fields())
    }
}

impl Request for HoldRequest {
    const TEXT_FIELD: Option<&'static str> = Some("reason");
    fn from_fields(fields: &mut Fields<'_, '_>) -> Option<Self> {
        Some(Self {
            reason: fields.take_text(&["reason"], MAX_REASON_LENGTH),
            public_reason: fields.take_text(&["public_reason"], MAX_REASON_LENGTH),
        })
    }
    fn object_schema() -> Value {
        schema::object(reason_fields())
    }
}

impl Request for Release {
    const TEXT_FIELD: Option<&'static str> = Some("reason");
    fn from_fields(fields: &mut Fields<'_, '_>) -> Option<Self> {
        Some(Self {
            reason: fields.take_text(&["reason"], MAX_REASON_LENGTH),
            public_reason: fields.take_text(&["public_reason"], MAX_REASON_LENGTH),
        })
    }
    fn object_schema() -> Value {
        schema::object(reason_fields())
    }
}

impl Request for DispatchFailure {
    const TEXT_FIELD: Option<&'static str> = Some("reason");
    fn from_fields(fields: &mut Fields<'_, '_>) -> Option<Self> {
        Some(Self {
            reason: fields.take_text(&["reason"], MAX_REASON_LENGTH),
        })
    }
    fn object_schema() -> Value {
        schema::object([("reason", schema::text(MAX_REASON_LENGTH))].into())
    }
}

impl Request for DeliveryConfirmation {
    const TEXT_FIELD: Option<&'static str> = Some("signed_by");
    fn from_fields(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let delivered_at = fields
            .take_parsed::<Time>(&["delivered_at"])
            .map(|time| time.0);
        Some(Self {
            delivered_at,
            signed_by: fields.take_text(&["signed_by"], MAX_PERSON_LENGTH),
        })
    }
    fn object_schema() -> Value {
        let time = json!({"anyOf": [
            {"type": ["string", "null"], "format": "date-time"},
            schema::blank(),
        ]});
        schema::object(
            [
                ("delivered_at", time),
                ("signed_by", schema::text(MAX_PERSON_LENGTH)),
            ]
            .into(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PaymentConfirmation;

    #[test]
    fn plain_string_is_the_reason() {
        let reason = Cancellation {
            reason: Some("changed \"my\" mind".to_owned()),
            ..Cancellation::default()
        };
        assert_eq!(
            Cancellation::parse(r#""changed \"my\" mind""#),
            Ok(reason.clone())
        );
        assert_eq!(
            Cancellation::parse(r#"{"reason": "changed \"my\" mind"}"#),
            Ok(reason)
        );
        for nothing in ["", "null", "{}", " \n"] {
            assert_eq!(
                Cancellation::parse(nothing),
                Ok(Cancellation::default()),
                "{nothing:?}"
            );
        }
    }

    #[test]
    fn plain_string_must_be_valid_json() {
        for bad in [r#""a", "reason": "b""#, r#""a"}{"#, r#""a"#] {
            assert!(
                matches!(Cancellation::parse(bad), Err(RequestError::Syntax(_))),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn invalid_fields_are_reported_by_name() {
        fn refused<T: Request + std::fmt::Debug>(text: &str) -> String {
            T::parse(text).unwrap_err().to_string()
        }
        let long = format!(r#"{{"reason": "{}"}}"#, "x".repeat(501));
        assert_eq!(
            refused::<Rejection>(&long),
            "is not valid: /reason must be at most 500 characters long"
        );
        let wrong = refused::<PaymentConfirmation>(
            r#"{"transaction_id": "a b", "amount": -1, "currency": "euro"}"#,
        );
        for part in [
            "/transaction_id must contain only",
            "/amount must be above zero",
            "/currency must be",
        ] {
            assert!(wrong.contains(part), "{part} is not in {wrong}");
        }
        for amount in [
            "0",
            "\"\"",
            "1e400",
            "99.99000000000001",
            "[]",
            "true",
            "\"NaN\"",
            "1234567890123456",
        ] {
            let text = format!(r#"{{"transaction_id": "t", "amount": {amount}}}"#);
            assert!(
                refused::<PaymentConfirmation>(&text).contains("/amount"),
                "{amount}"
            );
        }
        for time in ["soon", "2026-11-21", "+99999-01-01T00:00:00Z"] {
            let text = format!(r#"{{"delivered_at": "{time}"}}"#);
            assert!(
                refused::<DeliveryConfirmation>(&text).contains("/delivered_at must be a time"),
                "{time}"
            );
        }
    }

    #[test]
    fn unknown_field_is_refused() {
        assert_eq!(
            Cancellation::parse("{\"why\": 1}").unwrap_err().to_string(),
            "is not valid: /why is not a known field"
        );
        assert!(matches!(
            Cancellation::parse("{"),
            Err(RequestError::Syntax(_))
        ));
        assert!(PaymentConfirmation::parse(r#"{"transaction_id": "t"}"#).is_err());
        let paid = PaymentConfirmation::parse(
            r#"{"transaction_id": "t-1", "amount": 99.99, "payment_method": "card"}"#,
        )
        .unwrap();
        assert_eq!(paid.amount.to_string(), "99.99");
    }
}
