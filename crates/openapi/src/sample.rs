//! Values that examples of requests, responses and audit events share.

use serde_json::{Value, json};

use crate::problems;

pub(crate) const ORDER_ID: &str = "ORD-20261121-120000-AB12";
pub(crate) const CREATED_AT: &str = "2026-11-21T12:00:00Z";

pub(crate) fn address() -> Value {
    json!({"street": "123 Main St", "city": "Anytown", "state": "CA", "postal_code": "94102", "country": "US"})
}

pub(crate) fn payment() -> Value {
    json!({
        "payment_id": "pmt-123", "transaction_id": "sim-tx-1", "amount": 99.99, "payment_method": "pm_card_visa",
        "status": "captured", "timestamp": "2026-11-21T12:00:01Z",
    })
}

pub(crate) fn shipment() -> Value {
    json!({
        "tracking_number": format!("FEDEX-{ORDER_ID}-PKG-001"), "provider": "fedex",
        "estimated_delivery": "2026-11-24T12:00:03Z", "shipped_at": "2026-11-21T12:00:03Z", "delivered_at": null,
    })
}

pub(crate) fn policy() -> Value {
    json!({
        "review": {"mode": "approval", "threshold": 10000, "timeout": "1d", "on_timeout": "cancel"},
        "payment": "auto", "payment_timeout": "1d", "payment_processing_timeout": "14d",
        "partial_payments": "collect", "capture": "immediate", "hold_on_dispute": "on", "payment_retry_for": "10m", "payment_processing_delay": "0s",
        "shipping_delay": "0s", "complete_on": "delivered", "delivery": {"auto": false, "after": "14d"},
        "delivery_estimate": "3d", "deadline": null,
    })
}

pub(crate) fn field_error() -> Value {
    problem()["errors"][0].clone()
}

pub(crate) fn problem() -> Value {
    problems::examples()["invalid_request"]["value"].clone()
}
