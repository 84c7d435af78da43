//! Examples of requests and answers. The tests send the former, and compare the latter with what comes back.

use serde_json::{Value, json};

use crate::{event, problems};
use domain::AuditEventType;

pub(crate) const ID: &str = "ORD-20261121-120000-AB12";
pub(crate) const NOON: &str = "2026-11-21T12:00:00Z";

/// The same kind of order in its spellings.
pub(crate) fn orders() -> Vec<(&'static str, Value)> {
    vec![
        (
            "nested",
            json!({
                "customer": {"id": "CUST-001", "name": "John Doe", "email": "john@example.com"},
                "items": [{"sku": "ABC123", "name": "Laptop", "quantity": 1, "unit_price": "99.99"}],
                "currency": "USD",
                "shipping_address": {"street": "123 Main St", "city": "Anytown", "state": "CA", "postal_code": "94102", "country": "US"},
                "payment": {"payment_id": "pmt-123", "method": "pm_card_visa"},
            }),
        ),
        (
            "customer_name, qty and price",
            json!({
                "customer_name": "John Doe", "customer_email": "john@example.com",
                "items": [{"sku": "ABC123", "qty": 1, "price": 99.99}],
                "shipping_address": {"street": "123 Main St", "city": "Anytown", "state": "CA"},
            }),
        ),
        (
            "flat, with product_id",
            json!({
                "customer_id": "CUST-001",
                "items": [{"product_id": "PROD-123", "product_name": "Laptop", "quantity": 1, "price": 999.99}],
                "shipping_address": "123 Main St", "shipping_city": "San Francisco",
                "shipping_postal_code": "94102", "shipping_country": "USA",
            }),
        ),
    ]
}

pub(crate) fn sketches() -> Vec<(&'static str, Value)> {
    vec![
        ("a payment id", json!({"payment_id": "pmt-456"})),
        ("nothing (needs SAMPLE_CART=on)", json!({})),
        (
            "a payment id and an address",
            json!({
                "payment_id": "pmt-789",
                "address": {"street": "123 Main St", "city": "Anytown", "state": "CA", "zip": "94102", "country": "US"},
            }),
        ),
    ]
}

pub(crate) fn addresses() -> Vec<(&'static str, Value)> {
    vec![
        ("the street alone", json!({"street": "123 Main St"})),
        (
            "flat",
            json!({"street": "123 Main St", "city": "Anytown", "state": "CA", "zip_code": "94102"}),
        ),
        (
            "nested",
            json!({"address": {"street": "123 Main St", "city": "Anytown", "zip": "94102"}}),
        ),
    ]
}

pub(crate) fn started() -> Value {
    json!({
        "order_id": ID, "workflow_id": format!("order-{ID}"), "run_id": "019aa2f1-6a52-7c0f-8d35-6a1f3c9f7e10",
        "status": "pending", "total_amount": 99.99, "currency": "USD", "payment_id": "pmt-123",
        "message": "Order created successfully.",
    })
}

pub(crate) fn accepted(status: &str, step: &str, message: &str) -> Value {
    json!({"order_id": ID, "status": status, "step": step, "message": message})
}

pub(crate) fn redirected() -> Value {
    let mut answer = accepted("pending", "manual_review", "Shipping address updated.");
    answer["shipping_address"] = address();
    answer
}

pub(crate) fn undecided() -> Value {
    json!({"order_id": ID, "status": "preparing", "message": "The carrier has not confirmed yet whether it has the parcel."})
}

fn address() -> Value {
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
        "tracking_number": format!("FEDEX-{ID}-PKG-001"), "provider": "fedex",
        "estimated_delivery": "2026-11-24T12:00:03Z", "shipped_at": "2026-11-21T12:00:03Z", "delivered_at": null,
    })
}

pub(crate) fn policy() -> Value {
    json!({
        "review": {"mode": "approval", "threshold": 10000, "timeout": "1d", "on_timeout": "cancel"},
        "payment": "auto", "payment_timeout": "1d", "payment_retry_for": "10m", "payment_processing_delay": "0s",
        "shipping_delay": "0s", "complete_on": "delivered", "delivery": {"auto": false, "after": "14d"},
        "delivery_estimate": "3d", "deadline": null,
    })
}

pub(crate) fn field_error() -> Value {
    problem()["errors"][0].clone()
}

fn problem() -> Value {
    problems::examples()["invalid_request"]["value"].clone()
}

pub(crate) fn order() -> Value {
    json!({
        "order_id": ID, "workflow_id": format!("order-{ID}"),
        "customer_id": "CUST-001",
        "customer": {"id": "CUST-001", "name": "John Doe", "email": "john@example.com"},
        "items": [{"sku": "ABC123", "name": "Laptop", "quantity": 1, "unit_price": 99.99}],
        "shipping_address": address(),
        "currency": "USD", "total_amount": 99.99,
        "status": "shipped", "step": "deliver", "is_running": true, "review": null,
        "payment_info": payment(),
        "shipment_info": shipment(),
        "estimated_delivery": "2026-11-24T12:00:03Z",
        "cancellation_reason": null, "failure": null, "retries": {"dispatch": 1},
        "created_at": NOON, "updated_at": "2026-11-21T12:00:03Z",
        "seq": 8, "source": "workflow",
    })
}

pub(crate) fn status() -> Value {
    let order = order();
    let fields = [
        "order_id",
        "workflow_id",
        "status",
        "step",
        "is_running",
        "updated_at",
        "seq",
        "source",
    ];
    fields
        .iter()
        .map(|name| ((*name).to_owned(), order[*name].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

pub(crate) fn estimate() -> Value {
    json!({"order_id": ID, "estimated_delivery": "2026-11-24T12:00:03Z", "basis": "shipped"})
}

pub(crate) fn result() -> Value {
    let mut order = order();
    order["status"] = json!("delivered");
    order["source"] = json!("database");
    order["shipment_info"]["delivered_at"] = json!("2026-11-23T09:30:00Z");
    order["ended_at"] = json!("2026-11-23T09:30:00Z");
    let fields = [
        "order_id",
        "workflow_id",
        "status",
        "cancellation_reason",
        "failure",
        "currency",
        "total_amount",
        "payment_info",
        "shipment_info",
        "created_at",
        "ended_at",
        "seq",
        "source",
    ];
    fields
        .iter()
        .map(|name| ((*name).to_owned(), order[*name].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

pub(crate) fn list() -> Value {
    let mut order = order();
    order["source"] = json!("database");
    json!({"orders": [order]})
}

pub(crate) fn trail() -> Value {
    json!({"events": [event::example(AuditEventType::OrderReceived, 1), event::example(AuditEventType::OrderValidated, 2)]})
}

pub(crate) fn healthy() -> Value {
    json!({"status": "ok", "temporal": {"reachable": true}})
}

pub(crate) fn unhealthy() -> Value {
    json!({"status": "unavailable", "temporal": {"reachable": false, "cause": "failed to reach Temporal: connection refused"}})
}

/// Of a type of answers, by its name. Closed lists have none: each is its own example.
pub(crate) fn of_type(name: &str) -> Option<Value> {
    let order = order();
    Some(match name {
        "Accepted" => accepted("cancelled", "compensate", "Order cancelled."),
        "Address" => address(),
        "Amount" => order["total_amount"].clone(),
        "Currency" => order["currency"].clone(),
        "Customer" => order["customer"].clone(),
        "DeliveryPolicy" => policy()["delivery"].clone(),
        "Dependency" => healthy()["temporal"].clone(),
        "Duration" => policy()["payment_timeout"].clone(),
        "EstimatedDelivery" => estimate(),
        "Event" => event::example(AuditEventType::OrderValidated, 2),
        "EventList" => trail(),
        "Failure" => event::example(AuditEventType::OrderFailed, 4)["payload"].clone(),
        "FieldError" => field_error(),
        "Health" => healthy(),
        "Line" => order["items"][0].clone(),
        "Order" => order,
        "OrderId" => json!(ID),
        "OrderList" => list(),
        "OrderPolicy" => policy(),
        "OrderState" => status(),
        "PaymentId" => order["payment_info"]["payment_id"].clone(),
        "PaymentInfo" => payment(),
        "Problem" => problem(),
        "Result" => result(),
        "ReviewPolicy" => policy()["review"].clone(),
        "ShipmentInfo" => shipment(),
        "Sku" => order["items"][0]["sku"].clone(),
        "StartedOrder" => started(),
        "TransactionId" => order["payment_info"]["transaction_id"].clone(),
        "Undecided" => undecided(),
        _ => return None,
    })
}
