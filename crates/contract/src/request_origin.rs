//! The origin of a request: its authenticated caller, its ids, and the states of the order that it is
//! for. It travels in a header of Temporal, which workers of an earlier release ignore.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use domain::PaymentEvent;

/// The name of the header.
pub const ORIGIN_HEADER: &str = "orderflow-origin";

/// The actor of a message that no interface of orderflow has sent.
const TEMPORAL: &str = "temporal";
/// The actor of a command that does not call the API.
const COMMAND: &str = "cli";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestOrigin {
    /// The authenticated caller: `key:NAME`, `token:HASH`, `anonymous`, `webhook:PROVIDER`, `cli`,
    /// or `temporal` for a message that no interface of orderflow has sent. It identifies no person.
    pub actor: String,
    /// The id that orderflow gave to the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The caller's own `X-Request-Id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_request_id: Option<String>,
    /// With `If-Match`, the numbers of the last audit event of the states that the caller accepts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_match: Option<Vec<u32>>,
}

impl RequestOrigin {
    /// Returns the origin of a message without the header.
    pub fn temporal() -> Self {
        Self::with_actor(TEMPORAL.to_owned())
    }

    /// Returns the origin of a payment event: the webhook of its provider, or the command of an operator.
    /// Events that orderflow makes have no origin.
    pub fn of_payment_event(event: &PaymentEvent) -> Option<Self> {
        if event.is_resolution() {
            return Some(Self::with_actor(COMMAND.to_owned()));
        }
        let actor = || format!("webhook:{}", event.provider);
        event.is_webhook_event().then(|| Self::with_actor(actor()))
    }

    /// Returns the origin of the carrier's reports.
    pub fn of_carrier() -> Self {
        Self::with_actor("webhook:carrier".to_owned())
    }

    fn with_actor(actor: String) -> Self {
        Self {
            actor,
            request_id: None,
            client_request_id: None,
            if_match: None,
        }
    }

    /// Parses the content of the header; `None` if it is not valid.
    pub fn parse(data: &[u8]) -> Option<Self> {
        serde_json::from_slice(data).ok()
    }

    /// Returns the payload of an audit event with the caller and the ids, if a request has caused it.
    #[must_use]
    pub fn added_to(payload: Value, origin: Option<&Self>) -> Value {
        match origin {
            Some(origin) => origin.add_to(payload),
            None => payload,
        }
    }

    fn add_to(&self, mut payload: Value) -> Value {
        if let Value::Object(fields) = &mut payload {
            fields.insert("actor".to_owned(), json!(self.actor));
            for (name, id) in [
                ("request_id", &self.request_id),
                ("client_request_id", &self.client_request_id),
            ] {
                if let Some(id) = id {
                    fields.insert(name.to_owned(), json!(id));
                }
            }
        }
        payload
    }

    /// Checks the precondition of the request.
    ///
    /// # Errors
    ///
    /// The order has another state than the caller accepts.
    pub fn check_state(&self, seq: u32) -> Result<(), OrderChanged> {
        match &self.if_match {
            Some(accepted) if !accepted.contains(&seq) => Err(OrderChanged { seq }),
            Some(_) | None => Ok(()),
        }
    }

    /// Checks the precondition of the request against a state that can be older than the present one: the
    /// order then has this state, or a later one.
    ///
    /// # Errors
    ///
    /// The caller accepts only states before this one.
    pub fn check_not_older(&self, seq: u32) -> Result<(), OrderChanged> {
        match &self.if_match {
            Some(accepted) if accepted.iter().all(|state| *state < seq) => {
                Err(OrderChanged { seq })
            }
            Some(_) | None => Ok(()),
        }
    }
}

const PREFIX: &str = "the order has changed; its last audit event is ";

/// The refusal of a request with `If-Match`, as a validator reports it. It leaves no history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderChanged {
    /// The number of the last audit event.
    pub seq: u32,
}

impl fmt::Display for OrderChanged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.seq)
    }
}

impl std::error::Error for OrderChanged {}

impl OrderChanged {
    /// Parses the message of a failed update; `None` for any other failure.
    pub fn parse(message: &str) -> Option<Self> {
        let seq = message.strip_prefix(PREFIX)?;
        seq.parse().ok().map(|seq| Self { seq })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precondition_compares_the_last_event() {
        let mut origin = RequestOrigin::temporal();
        assert_eq!(origin.check_state(7), Ok(()));
        origin.if_match = Some(vec![6, 7]);
        assert_eq!(origin.check_state(7), Ok(()));
        let changed = origin.check_state(8).unwrap_err();
        assert_eq!(OrderChanged::parse(&changed.to_string()), Some(changed));
        assert_eq!(OrderChanged::parse("workflow input: no"), None);
    }

    #[test]
    fn older_state_refuses_no_later_one() {
        let mut origin = RequestOrigin::temporal();
        assert_eq!(origin.check_not_older(7), Ok(()));
        for (accepted, is_refused) in [
            (vec![], true),
            (vec![5, 6], true),
            (vec![7], false),
            (vec![5, 8], false),
        ] {
            origin.if_match = Some(accepted.clone());
            let refused = is_refused.then_some(OrderChanged { seq: 7 });
            assert_eq!(origin.check_not_older(7).err(), refused, "{accepted:?}");
        }
    }

    #[test]
    fn payload_names_the_caller() {
        let origin = RequestOrigin {
            request_id: Some("r-1".to_owned()),
            ..RequestOrigin::temporal()
        };
        assert_eq!(
            origin.add_to(json!({"reason": "late"})),
            json!({"reason": "late", "actor": "temporal", "request_id": "r-1"})
        );
    }
}
