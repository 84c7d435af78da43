//! Responses to callers that are customers: the figures of the shop's stock are not for them.

use serde_json::{Value, json};

use crate::{AuditEventView, OrderView};
use domain::{AuditEvent, AuditEventType, Failure, FailureCode};

impl OrderView {
    /// Returns the view as a customer reads it.
    #[must_use]
    pub fn for_customer(self) -> Self {
        Self {
            failure: self.failure.map(Failure::without_stock),
            ..self
        }
    }
}

/// Returns an audit event as a customer reads it: without the origin of a request, the policy and the
/// figures of the stock.
#[must_use]
pub fn audit_event_for_customer(view: AuditEventView) -> AuditEventView {
    let view = view.without_origin();
    let event = view.event;
    let payload = if event.kind == AuditEventType::OrderReceived {
        json!({})
    } else if event.kind == AuditEventType::InventoryUnavailable {
        unavailable_for_customer(&event.payload)
    } else if event.kind == AuditEventType::OrderFailed {
        failed_for_customer(event.payload)
    } else {
        event.payload
    };
    let event = AuditEvent { payload, ..event };
    AuditEventView { event, ..view }
}

fn unavailable_for_customer(payload: &Value) -> Value {
    let names: Vec<Value> = payload["shortages"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|shortage| json!({"sku": shortage["sku"]}))
        .collect();
    json!({"sku": payload["sku"], "shortages": names})
}

fn failed_for_customer(mut payload: Value) -> Value {
    if payload["code"] == FailureCode::OutOfStock.as_str() {
        let failure = Failure {
            code: FailureCode::OutOfStock,
            detail: String::new(),
            shortages: Vec::new(),
        };
        payload["detail"] = json!(failure.without_stock().detail);
    }
    payload
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload_of(kind: AuditEventType, payload: Value) -> Value {
        let event = AuditEvent {
            seq: 1,
            kind,
            payload,
            ts: chrono::DateTime::UNIX_EPOCH,
        };
        audit_event_for_customer(event.into()).event.payload
    }

    #[test]
    fn customer_reads_no_stock_figure() {
        let short = json!({"sku": "A", "available": 3, "shortages": [
            {"sku": "A", "wanted": 4, "available": 3}, {"sku": "B", "wanted": 2, "available": 0}]});
        assert_eq!(
            payload_of(AuditEventType::InventoryUnavailable, short),
            json!({"sku": "A", "shortages": [{"sku": "A"}, {"sku": "B"}]})
        );
        let failed = json!({"code": "out_of_stock", "detail": "A has 3 left"});
        assert_eq!(
            payload_of(AuditEventType::OrderFailed, failed)["detail"],
            "not available in this quantity"
        );
        let declined = json!({"code": "payment_declined", "detail": "card"});
        assert_eq!(
            payload_of(AuditEventType::OrderFailed, declined.clone()),
            declined
        );
    }
}
