//! Responses to callers that are customers. They have a fixed list of fields: texts of the shop and the
//! figures of its stock are not for customers.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{AuditEventView, OrderView, RefundView, ReturnView};
use domain::{AuditEvent, AuditEventType, Failure, FailureCode, Hold, WaitingFor};

/// The reason of a cancellation that has none for the customer.
const CANCELLED: &str = "The shop cancelled this order.";

/// The fields of audit events that customers read.
const PUBLIC_FIELDS: &[&str] = &[
    "amount",
    "at",
    "basis",
    "captured",
    "code",
    "currency",
    "deadline",
    "delivered_at",
    "description",
    "dispute",
    "due",
    "errors",
    "estimated_delivery",
    "event_id",
    "events",
    "expected",
    "expected_currency",
    "id",
    "items",
    "location",
    "lost",
    "missing",
    "payment_id",
    "payment_method",
    "proceeds",
    "provider",
    "recorded_amount",
    "refund_id",
    "refunded",
    "refunded_amount",
    "request",
    "restock",
    "return_id",
    "shipment_id",
    "shipped_at",
    "shortages",
    "sku",
    "stage",
    "status",
    "timeout",
    "timestamp",
    "total",
    "tracking_number",
    "transaction_id",
    "type",
    "failure",
    "dispute_id",
];

impl OrderView {
    /// Returns the view as a customer reads it.
    #[must_use]
    pub fn for_customer(self) -> Self {
        let mut details = self.details;
        let public_reason = details.public_reason.take();
        let reason = || public_reason.unwrap_or_else(|| CANCELLED.to_owned());
        let refunds = self.refunds.into_iter().map(RefundView::for_customer);
        let returns = self.returns.into_iter().map(ReturnView::for_customer);
        Self {
            cancellation_reason: self.cancellation_reason.map(|_| reason()),
            failure: self.failure.map(Failure::for_customer),
            hold: self.hold.map(Hold::for_customer),
            refunds: refunds.collect(),
            returns: returns.collect(),
            retries: BTreeMap::new(),
            waiting_for: self.waiting_for.map(WaitingFor::for_customer),
            details,
            ..self
        }
    }
}

impl RefundView {
    /// Returns the refund as a customer reads it.
    #[must_use]
    pub fn for_customer(self) -> Self {
        Self {
            reason: None,
            requested_by: "shop".to_owned(),
            ..self
        }
    }
}

/// Returns whether each audit event of this type has the field when a customer reads it. Its text can
/// be another one.
pub fn is_public_field(kind: AuditEventType, name: &str) -> bool {
    match name {
        "reason" => kind == AuditEventType::OrderCancelled || has_public_cause(kind),
        "detail" => kind == AuditEventType::OrderFailed,
        name => PUBLIC_FIELDS.contains(&name),
    }
}

/// Returns whether customers may read the reason of the event: a code of the order, or a text in its
/// place. The codes of a provider can name a suspicion.
fn has_public_cause(kind: AuditEventType) -> bool {
    matches!(
        kind,
        AuditEventType::PaymentDeclined
            | AuditEventType::CheckoutCompletedUnpaid
            | AuditEventType::InventoryReleased
    )
}

/// Returns an audit event as a customer reads it: without the origin of a request, the policy, the texts
/// of the shop and the figures of the stock.
#[must_use]
pub fn audit_event_for_customer(view: AuditEventView) -> AuditEventView {
    let view = view.without_origin();
    let event = view.event;
    let payload = public_payload(event.kind, event.payload);
    let event = AuditEvent { payload, ..event };
    AuditEventView { event, ..view }
}

fn public_payload(kind: AuditEventType, payload: Value) -> Value {
    let Value::Object(mut fields) = payload else {
        return json!({});
    };
    let public_reason = fields.remove("public_reason");
    if kind == AuditEventType::InventoryUnavailable {
        fields = skus_of(&fields);
    }
    if kind == AuditEventType::OrderFailed {
        let code = fields.get("code").and_then(Value::as_str);
        let code = code.and_then(FailureCode::parse);
        let detail = code.map(FailureCode::public_detail);
        fields.insert("detail".to_owned(), json!(detail));
    }
    if kind == AuditEventType::PaymentDeclined {
        let reason = FailureCode::PaymentDeclined.public_detail();
        fields.insert("reason".to_owned(), json!(reason));
    }
    fields.retain(|name, _| is_public_field(kind, name));
    if !has_public_cause(kind) {
        fields.remove("reason");
        let is_cancelled = kind == AuditEventType::OrderCancelled;
        let reason = public_reason.or_else(|| is_cancelled.then(|| json!(CANCELLED)));
        if let Some(reason) = reason {
            fields.insert("reason".to_owned(), reason);
        }
    }
    fields.into()
}

fn skus_of(fields: &Map<String, Value>) -> Map<String, Value> {
    let shortages = fields.get("shortages").and_then(Value::as_array);
    let names: Vec<Value> = shortages
        .into_iter()
        .flatten()
        .map(|shortage| json!({"sku": shortage["sku"]}))
        .collect();
    let sku = fields.get("sku").cloned().unwrap_or_default();
    Map::from_iter([
        ("sku".to_owned(), sku),
        ("shortages".to_owned(), names.into()),
    ])
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
    }

    #[test]
    fn customer_reads_no_text_of_the_shop() {
        let secret = "fraud list";
        for kind in AuditEventType::ALL {
            let payload = json!({
                "note": secret, "detail": secret, "by": secret, "policy": {"threshold": 5}, "warning": secret,
                "reason": if has_public_cause(*kind) { "code" } else { secret },
                "old": secret, "new": secret, "metadata": secret, "external_reference": secret,
                "actor": secret, "claims": {"reviewer": secret},
            });
            let public = audit_event_for_customer(
                AuditEvent {
                    seq: 1,
                    kind: *kind,
                    payload,
                    ts: chrono::DateTime::UNIX_EPOCH,
                }
                .into(),
            );
            let text = serde_json::to_string(&public).unwrap();
            assert!(!text.contains(secret) && !text.contains("policy"), "{text}");
        }
        let reasons = json!({"reason": secret, "public_reason": "sold out", "by": "review"});
        assert_eq!(
            payload_of(AuditEventType::ReviewRejected, reasons),
            json!({"reason": "sold out"})
        );
        assert_eq!(
            payload_of(AuditEventType::OrderCancelled, json!({"reason": secret})),
            json!({"reason": CANCELLED})
        );
    }
}
