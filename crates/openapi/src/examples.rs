//! Examples of requests and responses. The tests send the requests and compare the responses with
//! the API's.

use serde_json::{Value, json};

use crate::{
    event,
    sample::{CREATED_AT, ORDER_ID, address, field_error, payment, policy, problem, shipment},
};
use domain::{AuditEventType, Concern, ConcernSubject};

/// Returns orders in all accepted spellings. The first one, by name, is complete and paid.
pub(crate) fn order_requests() -> Vec<(&'static str, Value)> {
    vec![
        (
            "complete",
            json!({
                "customer": {"id": "CUST-001", "name": "John Doe", "email": "john@example.com"},
                "items": [{"sku": "ABC123", "name": "Laptop", "quantity": 1, "unit_price": "99.99"}],
                "currency": "USD",
                "shipping_address": {"street": "123 Main St", "city": "Anytown", "state": "CA", "postal_code": "94102", "country": "US"},
                "payment": {"payment_id": "pmt-123", "method": "pm_card_visa"},
            }),
        ),
        (
            "short_names",
            json!({
                "customer_name": "John Doe", "customer_email": "john@example.com",
                "items": [{"sku": "ABC123", "qty": 1, "price": 99.99}],
                "shipping_address": {"street": "123 Main St", "city": "Anytown", "state": "CA"},
            }),
        ),
        (
            "all_amounts",
            json!({
                "customer": {"name": "John Doe", "email": "john@example.com"},
                "items": [{"sku": "MUG-1", "quantity": 2, "unit_price": "12.00", "discount_amount": "4.00", "metadata": {"colour": "blue"}}],
                "shipping_amount": "4.90", "tax_amount": "3.80",
                "discounts": [{"code": "WELCOME", "description": "First order", "amount": "2.00"}],
                "fees": [{"code": "GIFT", "amount": "1.00"}],
                "total_amount": "27.70",
                "external_reference": "ERP-4711", "metadata": {"channel": "web"}, "note": "Ring twice.",
                "gift_message": "Happy birthday!",
                "shipping_address": {"name": "Jane Doe", "street": "123 Main St", "city": "Anytown", "country": "US"},
                "billing_address": {"company": "Doe Inc.", "street": "1 Side St", "city": "Anytown", "country": "US"},
            }),
        ),
        (
            "flat_fields",
            json!({
                "customer_id": "CUST-001",
                "items": [{"product_id": "PROD-123", "product_name": "Laptop", "quantity": 1, "price": 999.99}],
                "shipping_address": "123 Main St", "shipping_city": "San Francisco",
                "shipping_postal_code": "94102", "shipping_country": "USA",
            }),
        ),
    ]
}

pub(crate) fn start_requests() -> Vec<(&'static str, Value)> {
    vec![
        ("payment_id", json!({"payment_id": "pmt-456"})),
        ("empty_with_sample_cart", json!({})),
        (
            "payment_id_and_address",
            json!({
                "payment_id": "pmt-789",
                "address": {"street": "123 Main St", "city": "Anytown", "state": "CA", "zip": "94102", "country": "US"},
            }),
        ),
    ]
}

pub(crate) fn address_changes() -> Vec<(&'static str, Value)> {
    vec![
        ("street_only", json!({"street": "123 Main St"})),
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

pub(crate) fn started_order() -> Value {
    json!({
        "order_id": ORDER_ID, "workflow_id": format!("order-{ORDER_ID}"), "run_id": "019aa2f1-6a52-7c0f-8d35-6a1f3c9f7e10",
        "status": "pending", "total_amount": 99.99, "currency": "USD", "payment_id": "pmt-123",
        "message": "Order created successfully.",
    })
}

pub(crate) fn accepted(status: &str, step: &str, message: &str) -> Value {
    json!({"order_id": ORDER_ID, "status": status, "step": step, "message": message})
}

pub(crate) fn address_updated() -> Value {
    let mut response = accepted("pending", "manual_review", "Shipping address updated.");
    response["shipping_address"] = address();
    response
}

pub(crate) fn items_updated() -> Value {
    let mut response = accepted("pending", "pay", "Items updated.");
    response["items"] = json!([{"sku": "MUG-1", "name": "Mug", "quantity": 1, "unit_price": 12}]);
    response["total_amount"] = json!(16.9);
    response
}

pub(crate) fn notes_updated() -> Value {
    let mut response = accepted("delivered", "done", "Order updated.");
    response["external_reference"] = json!("ERP-4711");
    response["metadata"] = json!({"channel": "web"});
    response
}

pub(crate) fn undecided() -> Value {
    json!({"order_id": ORDER_ID, "status": "preparing", "message": "The carrier has not confirmed yet whether it has the parcel."})
}

pub(crate) fn order() -> Value {
    json!({
        "order_id": ORDER_ID, "workflow_id": format!("order-{ORDER_ID}"),
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
        "created_at": CREATED_AT, "updated_at": "2026-11-21T12:00:03Z",
        "seq": 8, "source": "workflow",
        "amounts": {"items": 99.99, "discounts": 0, "shipping": 0, "tax": 0, "fees": 0, "total": 99.99, "captured": 99.99, "refunded": 0, "due": 0},
        "shipments": [parcel()],
        "actions": ["confirm-delivery"],
    })
}

/// Returns the parcel of [`order`].
fn parcel() -> Value {
    let mut parcel = shipment();
    if let Some(fields) = parcel.as_object_mut() {
        fields.remove("estimated_delivery");
        fields.insert("events".to_owned(), json!([]));
    }
    parcel
}

pub(crate) fn tracking_event() -> Value {
    json!({
        "id": "msg_1", "type": "in_transit", "at": "2026-11-22T08:00:00Z",
        "description": "left the depot", "location": "Anytown",
    })
}

pub(crate) fn stats() -> Value {
    json!({
        "from": "2026-11-21T00:00:00Z", "to": "2026-11-22T00:00:00Z",
        "statuses": [{"status": "delivered", "orders": 41}, {"status": "failed", "orders": 1}],
        "hours": [{"hour": "2026-11-21T12:00:00Z", "orders": 42}],
        "steps": [{"step": "pay", "orders": 41, "p50_seconds": 0.412, "p95_seconds": 1.93}],
        "failures": [{"code": "payment_declined", "orders": 1}],
        "in_review": 2, "held": 0, "stalled": 0,
        "money": [{"currency": "USD", "due": 25, "unmatched": 0}],
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

pub(crate) fn estimated_delivery() -> Value {
    json!({"order_id": ORDER_ID, "estimated_delivery": "2026-11-24T12:00:03Z", "basis": "shipped"})
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

pub(crate) fn order_list() -> Value {
    let mut order = order();
    order["source"] = json!("database");
    json!({"orders": [order]})
}

pub(crate) fn attention_entry() -> Value {
    let id = "stripe:pi_123:capture_failed";
    let concern = Concern::CaptureFailed;
    let next_step = concern.next_step(ConcernSubject {
        entry_id: id,
        provider: "stripe",
        transaction_id: Some("pi_123"),
        order_id: Some(ORDER_ID),
        event_type: None,
        is_order_closed: false,
        is_order_shipped: false,
        is_disputed: false,
        amount: None,
    });
    json!({
        "id": id, "concern": concern, "amount": 99.99, "currency": "USD", "transaction_id": "pi_123",
        "provider": "stripe", "payment_id": "stripe:pi_123", "order_id": ORDER_ID, "order_status": "shipped",
        "since": "2026-11-22T08:15:00Z", "next_step": next_step,
    })
}

pub(crate) fn work_list() -> Value {
    json!({"entries": [attention_entry()], "more": false})
}

pub(crate) fn audit_log() -> Value {
    json!({"events": [event::example(AuditEventType::OrderReceived, 1), event::example(AuditEventType::OrderValidated, 2)]})
}

pub(crate) fn stock_changed() -> Value {
    json!({"sku": "ABC123", "available": 120, "held": 4, "shipped": 31})
}

pub(crate) fn stock_movement() -> Value {
    json!({
        "kind": "set", "old_available": 117, "new_available": 120, "changed_by": "key:warehouse",
        "reason": "stocktaking", "changed_at": CREATED_AT,
    })
}

pub(crate) fn stock_detail() -> Value {
    let mut stock = stock_changed();
    stock["movements"] = json!([stock_movement()]);
    stock
}

pub(crate) fn stock_list() -> Value {
    json!({"stock": [stock_changed()]})
}

pub(crate) fn refund() -> Value {
    json!({
        "refund_id": "RF-4QKJ2N7C5XW3MZT6D8RA", "order_id": ORDER_ID, "state": "refunded", "amount": 20,
        "currency": "USD", "refunded_amount": 20, "restock": false, "reason": "a scratch", "failure": null,
        "requested_by": "key:shop", "created_at": CREATED_AT, "updated_at": CREATED_AT,
    })
}

/// Returns a refund that was just accepted.
pub(crate) fn accepted_refund() -> Value {
    let mut refund = refund();
    refund["state"] = json!("pending");
    refund["refunded_amount"] = json!(0);
    refund
}

/// Returns a return in this state.
pub(crate) fn return_in_state(state: &str) -> Value {
    let is_received = matches!(state, "received" | "closed");
    let mut item = json!({"sku": "ABC123", "quantity": 1, "reason": "too small"});
    if is_received {
        item["received_quantity"] = json!(1);
    }
    json!({
        "return_id": "RT-4QKJ2N7C5XW3MZT6D8RA", "order_id": ORDER_ID, "state": state, "items": [item],
        "restock": is_received, "note": null,
        "refund_id": is_received.then_some("RF-4QKJ2N7C5XW3MZT6D8RA"),
        "requested_by": "key:app", "requested_by_customer": true, "created_at": CREATED_AT, "updated_at": CREATED_AT,
    })
}

pub(crate) fn return_list() -> Value {
    json!({"returns": [return_in_state("requested")]})
}

pub(crate) fn refund_list() -> Value {
    json!({"refunds": [refund()]})
}

pub(crate) fn endpoint() -> Value {
    json!({
        "id": ENDPOINT_ID, "url": "https://shop.example/hooks", "events": ["order.shipped", "order.delivered"],
        "description": "The shop's tracking page", "is_enabled": true, "disabled_at": null, "disabled_reason": null,
        "last_success_at": null, "created_by": "key:shop", "created_at": CREATED_AT, "updated_at": CREATED_AT,
    })
}

/// The id of the endpoint in the examples.
pub(crate) const ENDPOINT_ID: &str = "ep_4f1c2a90b7d34e5f61728394";

pub(crate) fn endpoint_list() -> Value {
    json!({"webhook_endpoints": [endpoint()]})
}

pub(crate) fn endpoint_created() -> Value {
    let mut created = endpoint();
    created["secret"] = json!(EXAMPLE_SECRET);
    created
}

pub(crate) fn secret_rotated() -> Value {
    json!({"secret": EXAMPLE_SECRET, "previous_valid_until": "2026-11-22T12:00:00Z"})
}

/// Not a secret of any endpoint.
const EXAMPLE_SECRET: &str = "whsec_ZXhhbXBsZS1zZWNyZXQtb2YtYW4tZW5kcG9pbnQtMDE=";

pub(crate) fn delivery() -> Value {
    json!({
        "id": "1842", "message_id": "msg_6c1f0d52a4e94b7f8d3e5a0b9c2d1e4f", "type": "order.shipped",
        "order_id": ORDER_ID, "seq": 9, "status": "pending", "attempts": 1, "response_status": 503,
        "error": "the receiver responded 503", "created_at": CREATED_AT, "next_attempt_at": "2026-11-21T12:00:05Z",
        "delivered_at": null,
    })
}

pub(crate) fn delivery_list() -> Value {
    json!({"deliveries": [delivery()]})
}

pub(crate) fn order_message() -> Value {
    json!({"type": "order.shipped", "timestamp": CREATED_AT, "data": order()})
}

pub(crate) fn healthy() -> Value {
    json!({"status": "ok", "temporal": {"reachable": true}})
}

pub(crate) fn unhealthy() -> Value {
    json!({"status": "unavailable", "temporal": {"reachable": false, "cause": "failed to reach Temporal: connection refused"}})
}

/// Returns the example of a response schema, by its name. Enums have no example.
pub(crate) fn example_of_schema(name: &str) -> Option<Value> {
    let order = order();
    Some(match name {
        "Accepted" => accepted("cancelled", "compensate", "Order cancelled."),
        "Address" => address(),
        "Adjustment" => json!({"code": "WELCOME", "description": "First order", "amount": 2}),
        "Hold" => json!({"reason": "the customer asked to wait", "since": CREATED_AT}),
        "AttentionEntry" => attention_entry(),
        "Amount" => order["total_amount"].clone(),
        "Amounts" => order["amounts"].clone(),
        "Currency" => order["currency"].clone(),
        "Customer" => order["customer"].clone(),
        "DeliveryPolicy" => policy()["delivery"].clone(),
        "Delivery" => delivery(),
        "DeliveryList" => delivery_list(),
        "Dependency" => healthy()["temporal"].clone(),
        "Duration" => policy()["payment_timeout"].clone(),
        "Endpoint" => endpoint(),
        "EndpointCreated" => endpoint_created(),
        "EndpointList" => endpoint_list(),
        "EstimatedDelivery" => estimated_delivery(),
        "Event" => event::example(AuditEventType::OrderValidated, 2),
        "EventList" => audit_log(),
        "Failure" => event::example(AuditEventType::OrderFailed, 4)["payload"].clone(),
        "FailureCount" => stats()["failures"][0].clone(),
        "FieldError" => field_error(),
        "Health" => healthy(),
        "ItemQuantity" => json!({"sku": "ABC123", "quantity": 1}),
        "TrackingEvent" => tracking_event(),
        "HourCount" => stats()["hours"][0].clone(),
        "Line" => order["items"][0].clone(),
        "MoneyDue" => stats()["money"][0].clone(),
        "Order" => order,
        "OrderId" => json!(ORDER_ID),
        "OrderList" => order_list(),
        "OrderMessage" => order_message(),
        "HoldLimits" => json!({"per_order": 100, "per_customer": 200, "timeout": "30m"}),
        "OrderPolicy" => policy(),
        "OrderState" => status(),
        "PaymentId" => order["payment_info"]["payment_id"].clone(),
        "PaymentInfo" => payment(),
        "Problem" => problem(),
        "Refund" => refund(),
        "RefundId" => refund()["refund_id"].clone(),
        "RefundList" => refund_list(),
        "Return" => return_in_state("closed"),
        "ReturnId" => return_in_state("closed")["return_id"].clone(),
        "ReturnLine" => return_in_state("closed")["items"][0].clone(),
        "ReturnList" => return_list(),
        "Result" => result(),
        "ReviewPolicy" => policy()["review"].clone(),
        "SecretRotated" => secret_rotated(),
        "Shipment" => parcel(),
        "ShipmentInfo" => shipment(),
        "Shortage" => json!({"sku": "ABC123", "wanted": 3, "available": 1}),
        "Sku" => order["items"][0]["sku"].clone(),
        "StartedOrder" => started_order(),
        "Stats" => stats(),
        "StatusCount" => stats()["statuses"][0].clone(),
        "StepTime" => stats()["steps"][0].clone(),
        "Stock" | "StockChanged" => stock_changed(),
        "StockDetail" => stock_detail(),
        "StockList" => stock_list(),
        "StockMovement" => stock_movement(),
        "TransactionId" => order["payment_info"]["transaction_id"].clone(),
        "WaitingFor" => serde_json::json!({"reason": "payment", "until": "2026-11-22T09:30:00Z"}),
        "Undecided" => undecided(),
        "WorkList" => work_list(),
        _ => return None,
    })
}
