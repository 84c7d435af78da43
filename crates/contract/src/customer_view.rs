//! Responses to callers that are customers. They have a fixed list of fields: texts of the shop and the
//! figures of its stock are not for customers.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{AuditEventView, OrderDetails, OrderView, RefundView, ReturnView};
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
    "dispute_id",
];

impl OrderView {
    /// Returns the view as a customer reads it.
    #[must_use]
    pub fn for_customer(self) -> Self {
        // A new field does not compile until it is in this list.
        let Self {
            order_id,
            workflow_id: _,
            customer_id,
            customer,
            items,
            shipping_address,
            currency,
            total_amount,
            details,
            status,
            step,
            is_running,
            review: _,
            payment_info,
            hold,
            waiting_for,
            shipment_info,
            estimated_delivery,
            cancellation_reason,
            failure,
            retries: _,
            created_at,
            updated_at,
            seq,
            source,
            document_pending,
            amounts,
            refunds,
            returns,
            shipments,
            actions,
        } = self;
        let OrderDetails {
            charges,
            billing_address,
            notes,
            public_reason,
        } = details;
        let reason = || public_reason.unwrap_or_else(|| CANCELLED.to_owned());
        let refunds = refunds.into_iter().map(RefundView::for_customer);
        let returns = returns.into_iter().map(ReturnView::for_customer);
        Self {
            order_id,
            workflow_id: String::new(),
            customer_id,
            customer,
            items,
            shipping_address,
            currency,
            total_amount,
            details: OrderDetails {
                charges,
                billing_address,
                notes,
                public_reason: None,
            },
            status,
            step,
            is_running,
            review: None,
            payment_info,
            hold: hold.map(Hold::for_customer),
            waiting_for: waiting_for.map(WaitingFor::for_customer),
            shipment_info,
            estimated_delivery,
            cancellation_reason: cancellation_reason.map(|_| reason()),
            failure: failure.map(Failure::for_customer),
            retries: BTreeMap::new(),
            created_at,
            updated_at,
            seq,
            source,
            document_pending,
            amounts,
            refunds: refunds.collect(),
            returns: returns.collect(),
            shipments,
            actions,
        }
    }
}

impl RefundView {
    /// Returns the refund as a customer reads it.
    #[must_use]
    pub fn for_customer(self) -> Self {
        let Self {
            refund_id,
            order_id,
            state,
            amount,
            currency,
            refunded_amount,
            items,
            shipping_amount,
            restock,
            reason: _,
            public_reason,
            failure: _,
            requested_by: _,
            created_at,
            updated_at,
        } = self;
        Self {
            refund_id,
            order_id,
            state,
            amount,
            currency,
            refunded_amount,
            items,
            shipping_amount,
            restock,
            reason: public_reason,
            public_reason: None,
            failure: None,
            requested_by: "shop".to_owned(),
            created_at,
            updated_at,
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
    let AuditEvent {
        seq,
        kind,
        payload,
        ts,
    } = view.event;
    let payload = public_payload(kind, payload);
    AuditEventView::from(AuditEvent {
        seq,
        kind,
        payload,
        ts,
    })
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

    const SECRET: &str = "fraud list";
    const TIME: &str = "2026-11-21T12:00:00Z";

    /// An order with a value in each field.
    fn full_order() -> OrderView {
        let (address, metadata) = (json!({"street": "1 Main St"}), json!({"channel": "web"}));
        let adjustment = json!({"code": "TEN", "description": "ten", "amount": 1});
        let event = json!({"id": "m", "type": "delivered", "at": TIME, "description": "d", "location": "l"});
        let parts = [
            json!({
                "order_id": "o-1", "workflow_id": SECRET, "customer_id": "C-1",
                "customer": {"id": "C-1", "name": "Ada", "email": "ada@example.com"},
                "items": [{"sku": "A", "quantity": 1, "unit_price": 10}],
                "shipping_address": address, "currency": "USD", "total_amount": 10,
                "status": "failed", "step": "done", "is_running": false, "review": "rejected",
            }),
            json!({
                "shipping_amount": 1, "tax_amount": 1, "prices_include_tax": true,
                "discounts": [adjustment], "fees": [adjustment], "billing_address": address,
                "external_reference": "ERP-1", "metadata": metadata, "note": "ring", "gift_message": "hi",
                "public_reason": "sold out",
            }),
            json!({
                "payment_info": {
                    "payment_id": "pmt-1", "transaction_id": "tx-1", "amount": 10, "payment_method": "card",
                    "status": "captured", "timestamp": TIME, "captured": 9, "refunded": 1, "lost": 1,
                    "due": 1, "granted": 1, "dispute": "opened",
                },
                "hold": {"reason": SECRET, "public_reason": "a check", "since": TIME},
                "waiting_for": {
                    "reason": "payment", "until": TIME, "next_attempt_at": TIME, "last_error": SECRET,
                    "stock_released": true,
                },
                "shipment_info": {
                    "tracking_number": "T-1", "provider": "fedex", "estimated_delivery": TIME,
                    "shipped_at": TIME, "delivered_at": TIME, "events": [event],
                },
                "shipments": [{
                    "tracking_number": "T-1", "provider": "fedex", "shipped_at": TIME, "delivered_at": TIME,
                    "events": [event],
                }],
                "failure": {
                    "code": "out_of_stock", "detail": SECRET,
                    "shortages": [{"sku": "A", "wanted": 4, "available": 3}],
                },
            }),
            json!({
                "estimated_delivery": TIME, "cancellation_reason": SECRET, "retries": {"pay": 2},
                "created_at": TIME, "updated_at": TIME, "seq": 3, "source": "database",
                "document_pending": true, "actions": ["cancel"],
                "amounts": {"items": 10, "total": 10, "captured": 9, "refunded": 1, "due": 1},
                "refunds": [{
                    "refund_id": "rf-1", "order_id": "o-1", "state": "failed", "amount": 1, "currency": "USD",
                    "refunded_amount": 1, "items": [{"sku": "A", "quantity": 1}], "shipping_amount": 1,
                    "restock": true, "reason": SECRET, "public_reason": "a scratch", "failure": SECRET,
                    "requested_by": SECRET, "created_at": TIME, "updated_at": TIME,
                }],
                "returns": [{
                    "return_id": "rt-1", "order_id": "o-1", "state": "rejected", "restock": true,
                    "items": [{"sku": "A", "quantity": 1, "reason": SECRET, "received_quantity": 1}],
                    "note": SECRET, "public_reason": "worn", "refund_id": "rf-1", "requested_by": SECRET,
                    "requested_by_customer": false, "created_at": TIME, "updated_at": TIME,
                }],
            }),
        ];
        let fields = parts
            .into_iter()
            .map(|part| part.as_object().cloned().unwrap());
        let order: Map<String, Value> = fields.flatten().collect();
        serde_json::from_value(order.into()).unwrap()
    }

    /// Returns the names of the fields that have a value.
    fn fields_of(value: &Value) -> Vec<&str> {
        let fields = value.as_object().unwrap().iter();
        let mut names: Vec<&str> = fields
            .filter(|(_, value)| !value.is_null() && **value != json!({}))
            .map(|(name, _)| name.as_str())
            .collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn customer_reads_the_listed_fields_of_an_order() {
        let order = json!(full_order().for_customer());
        assert!(!order.to_string().contains(SECRET), "{order}");
        let expected = "actions amounts billing_address cancellation_reason created_at currency customer \
            customer_id discounts document_pending estimated_delivery external_reference failure fees \
            gift_message hold is_running items metadata note order_id payment_info prices_include_tax \
            refunds returns seq shipment_info shipments shipping_address shipping_amount source status \
            step tax_amount total_amount updated_at waiting_for";
        for (pointer, expected) in [
            ("", expected),
            ("/failure", "code detail shortages"),
            ("/failure/shortages/0", "sku"),
            ("/hold", "reason since"),
            (
                "/waiting_for",
                "next_attempt_at reason stock_released until",
            ),
            (
                "/payment_info",
                "amount captured dispute due granted lost payment_id payment_method refunded status \
                 timestamp transaction_id",
            ),
            (
                "/shipment_info",
                "delivered_at estimated_delivery events provider shipped_at tracking_number",
            ),
            (
                "/shipments/0",
                "delivered_at events provider shipped_at tracking_number",
            ),
            ("/shipments/0/events/0", "at description id location type"),
            (
                "/refunds/0",
                "amount created_at currency items order_id reason refund_id refunded_amount requested_by \
                 restock shipping_amount state updated_at",
            ),
            (
                "/returns/0",
                "created_at items note order_id refund_id requested_by requested_by_customer restock \
                 return_id state updated_at",
            ),
            ("/returns/0/items/0", "quantity received_quantity sku"),
        ] {
            let expected: Vec<&str> = expected.split_whitespace().collect();
            let value = order.pointer(pointer).unwrap();
            assert_eq!(fields_of(value), expected, "{pointer}");
        }
        assert_eq!(order["cancellation_reason"], "sold out");
        assert_eq!(order["hold"]["reason"], "a check");
        assert_eq!(order["refunds"][0]["reason"], "a scratch");
    }

    #[test]
    fn customer_reads_no_workflow_id() {
        let order = full_order().for_customer();
        for view in [
            json!(order.status_view()),
            json!(order.result_view().unwrap()),
        ] {
            assert!(view.get("workflow_id").is_none(), "{view}");
            assert!(!view.to_string().contains(SECRET), "{view}");
        }
        let internal = full_order();
        assert_eq!(json!(internal.status_view())["workflow_id"], SECRET);
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
                "quote": {"jti": secret, "kid": secret}, "failure": secret,
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
