//! What callers may ask of a running order. One reader for HTTP bodies and for Temporal messages.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{Document, DocumentError, Fields, InvalidFields, schema};
use domain::parse_time;

/// Why a body is not such a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    #[error("is not JSON: {0}")]
    Syntax(#[from] DocumentError),
    #[error("is not valid: {0}")]
    Invalid(#[from] InvalidFields),
}

/// A request that can be read from a JSON object.
pub trait Request: Serialize + DeserializeOwned + 'static {
    /// The field that a plain string stands for: Temporal's users send `"changed my mind"` for a reason.
    const TEXT_FIELD: Option<&'static str>;

    fn from_fields(fields: &mut Fields<'_, '_>) -> Option<Self>;

    /// The object that [`Self::read`] accepts.
    fn object_schema() -> Value;

    /// All that [`Self::parse`] accepts, but for nothing at all.
    fn schema() -> Value {
        let mut any = vec![Self::object_schema()];
        if let Some(text) = Self::TEXT_FIELD {
            // Which says that it may be `null`, too.
            any.push(any[0]["properties"][text].clone());
        }
        if any.len() == 1 {
            any.remove(0)
        } else {
            json!({"anyOf": any})
        }
    }

    /// Reads an HTTP body or a Temporal payload; nothing at all is an empty object.
    fn parse(text: &str) -> Result<Self, RequestError> {
        let text = if text.trim() == "null" { "" } else { text };
        // As it was sent: what is wrong is told by its place in that.
        let document = Document::parse(text)?;
        match Self::TEXT_FIELD.filter(|_| text.trim_start().starts_with('"')) {
            Some(field) => Ok(Document::parse(&format!("{{\"{field}\":{text}}}"))?
                .read_object(Self::from_fields)?),
            None => Ok(document.read_object(Self::from_fields)?),
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    pub reviewer: Option<String>,
    pub note: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    pub reviewer: Option<String>,
    pub reason: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancellation {
    pub reason: Option<String>,
}

/// The customer wants the money back and the order kept: another payment will come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentCancellation {
    pub reason: Option<String>,
}

/// From the child: an attempt to ship has failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DispatchFailure {
    pub reason: Option<String>,
}

/// The carrier's word that the parcel arrived.
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

const REASON: usize = 500;
const PERSON: usize = 200;

impl Request for Approval {
    const TEXT_FIELD: Option<&'static str> = Some("note");
    fn from_fields(fields: &mut Fields<'_, '_>) -> Option<Self> {
        Some(Self {
            reviewer: fields.take_text(&["reviewer"], PERSON),
            note: fields.take_text(&["note"], REASON),
        })
    }
    fn object_schema() -> Value {
        schema::object(
            [
                ("reviewer", schema::text(PERSON)),
                ("note", schema::text(REASON)),
            ]
            .into(),
        )
    }
}

impl Request for Rejection {
    const TEXT_FIELD: Option<&'static str> = Some("reason");
    fn from_fields(fields: &mut Fields<'_, '_>) -> Option<Self> {
        Some(Self {
            reviewer: fields.take_text(&["reviewer"], PERSON),
            reason: fields.take_text(&["reason"], REASON),
        })
    }
    fn object_schema() -> Value {
        schema::object(
            [
                ("reviewer", schema::text(PERSON)),
                ("reason", schema::text(REASON)),
            ]
            .into(),
        )
    }
}

impl Request for Cancellation {
    const TEXT_FIELD: Option<&'static str> = Some("reason");
    fn from_fields(fields: &mut Fields<'_, '_>) -> Option<Self> {
        Some(Self {
            reason: fields.take_text(&["reason"], REASON),
        })
    }
    fn object_schema() -> Value {
        schema::object([("reason", schema::text(REASON))].into())
    }
}

impl Request for PaymentCancellation {
    const TEXT_FIELD: Option<&'static str> = Some("reason");
    fn from_fields(fields: &mut Fields<'_, '_>) -> Option<Self> {
        Some(Self {
            reason: fields.take_text(&["reason"], REASON),
        })
    }
    fn object_schema() -> Value {
        schema::object([("reason", schema::text(REASON))].into())
    }
}

impl Request for DispatchFailure {
    const TEXT_FIELD: Option<&'static str> = Some("reason");
    fn from_fields(fields: &mut Fields<'_, '_>) -> Option<Self> {
        Some(Self {
            reason: fields.take_text(&["reason"], REASON),
        })
    }
    fn object_schema() -> Value {
        schema::object([("reason", schema::text(REASON))].into())
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
            signed_by: fields.take_text(&["signed_by"], PERSON),
        })
    }
    fn object_schema() -> Value {
        let time = json!({"type": ["string", "null"], "format": "date-time"});
        schema::object([("delivered_at", time), ("signed_by", schema::text(PERSON))].into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PaymentConfirmation;

    #[test]
    fn a_plain_string_is_the_reason() {
        let reason = Cancellation {
            reason: Some("changed \"my\" mind".to_owned()),
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
    fn a_string_must_be_json_by_itself() {
        for bad in [r#""a", "reason": "b""#, r#""a"}{"#, r#""a"#] {
            assert!(
                matches!(Cancellation::parse(bad), Err(RequestError::Syntax(_))),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn bad_fields_are_told_by_name() {
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
    fn what_is_not_asked_for_is_refused() {
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
