//! An audit event as callers read it: the origin of its request is beside the payload.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use domain::AuditEvent;

/// An audit event with the origin of the request that caused it. Other events have no origin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditEventView {
    #[serde(flatten)]
    pub event: AuditEvent,
    /// The authenticated caller, or `temporal` for a message of another Temporal client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_request_id: Option<String>,
    /// The names in the request, which only its caller has claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<Value>,
}

impl From<AuditEvent> for AuditEventView {
    fn from(mut event: AuditEvent) -> Self {
        let mut none = Map::new();
        let fields = event.payload.as_object_mut().unwrap_or(&mut none);
        let mut take_text = |name: &str| match fields.remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let actor = take_text("actor");
        let request_id = take_text("request_id");
        let client_request_id = take_text("client_request_id");
        let claims = fields.remove("claims");
        Self {
            event,
            actor,
            request_id,
            client_request_id,
            claims,
        }
    }
}

impl AuditEventView {
    /// Returns the event without its origin.
    #[must_use]
    pub fn without_origin(self) -> Self {
        Self {
            actor: None,
            request_id: None,
            client_request_id: None,
            claims: None,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use domain::AuditEventType;

    #[test]
    fn origin_is_beside_the_payload() {
        let event = AuditEvent {
            seq: 2,
            kind: AuditEventType::ReviewApproved,
            payload: json!({"note": "ok", "claims": {"reviewer": "ann"}, "actor": "key:shop", "request_id": "r-1"}),
            ts: chrono::DateTime::UNIX_EPOCH,
        };
        let view = AuditEventView::from(event);
        assert_eq!(
            serde_json::to_value(&view).unwrap(),
            json!({
                "seq": 2, "type": "review_approved", "payload": {"note": "ok"},
                "ts": "1970-01-01T00:00:00Z", "actor": "key:shop", "request_id": "r-1",
                "claims": {"reviewer": "ann"},
            })
        );
        let event = view.without_origin();
        assert_eq!((event.actor, event.claims), (None, None));
    }
}
