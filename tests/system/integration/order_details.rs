//! Amounts beside the line items, metadata, notes and addresses; free orders.

use serde_json::{Value, json};

use crate::{
    api::{order_with_payment, sample_order},
    harness::Harness,
};

/// Returns an order with every field that most orders do not have. Its total is 112.39.
fn detailed_order(payment_id: &str) -> Value {
    let mut order = order_with_payment(payment_id);
    order["items"] = json!([
        {"sku": "ABC123", "quantity": 2, "unit_price": "50.00", "discount_amount": "5.00", "metadata": {"size": "L"}},
        {"sku": "FREE", "quantity": 1, "unit_price": 0},
    ]);
    let details = json!({
        "shipping_amount": "4.90",
        "tax_amount": 19.0,
        "discounts": [{"code": "WELCOME", "description": "First order", "amount": 7.5}],
        "fees": [{"code": "GIFT", "amount": "0.99"}],
        "total_amount": "112.39",
        "external_reference": "ERP-4711",
        "metadata": {"channel": "zebra-web", "weight": 1.5, "vip": true},
        "note": "Ring twice.\nThen leave.",
        "gift_message": "Happy birthday!",
        "billing_address": {"company": "Acme", "street": "2 Bill St", "country": "Germany"},
    });
    order
        .as_object_mut()
        .unwrap()
        .extend(details.as_object().unwrap().clone());
    order
}

/// Returns a free order for `profile` checkout, in which every other order waits for a payment.
fn free_order() -> Value {
    let mut order = sample_order();
    order["items"] = json!([{"sku": "ABC123", "quantity": 1, "unit_price": "20"}]);
    order["discounts"] = json!([{"code": "VOUCHER", "amount": 20}]);
    order
}

#[tokio::test]
async fn details_are_in_every_view() {
    let harness = Harness::start().await;
    let started = harness
        .post("/orders/details-1/start", detailed_order("pmt-details-1"))
        .await
        .expect_status(202);
    assert_eq!(started["total_amount"], 112.39);
    harness.wait_for_end("details-1").await;
    let mut views = Vec::new();
    for source in ["database", "workflow"] {
        let view = harness
            .get(&format!("/orders/details-1?source={source}"))
            .await
            .expect_status(200);
        views.push(view);
    }
    let [row, state] = &mut views[..] else {
        panic!("two views");
    };
    assert_eq!(row["total_amount"], 112.39);
    assert_eq!(row["shipping_amount"], 4.9);
    assert_eq!(row["tax_amount"], 19.0);
    assert_eq!(
        row["discounts"],
        json!([{"code": "WELCOME", "description": "First order", "amount": 7.5}])
    );
    assert_eq!(row["fees"], json!([{"code": "GIFT", "amount": 0.99}]));
    assert_eq!(row["external_reference"], "ERP-4711");
    assert_eq!(
        row["metadata"],
        json!({"channel": "zebra-web", "vip": true, "weight": 1.5})
    );
    assert_eq!(row["note"], "Ring twice.\nThen leave.");
    assert_eq!(row["gift_message"], "Happy birthday!");
    assert_eq!(row["billing_address"]["country"], "DE");
    // The recipient is the customer, unless the address names another one.
    assert_eq!(row["billing_address"]["name"], "John Doe");
    assert_eq!(row["shipping_address"]["name"], "John Doe");
    assert_eq!(row["items"][0]["discount_amount"], 5.0);
    assert_eq!(row["items"][0]["metadata"], json!({"size": "L"}));
    // Each part has another value, so none can be shown as another one.
    let amounts = [
        ("items", 100.0),
        ("discounts", 12.5),
        ("shipping", 4.9),
        ("tax", 19.0),
        ("fees", 0.99),
        ("total", 112.39),
        ("captured", 112.39),
        ("refunded", 0.0),
        ("due", 0.0),
    ];
    for view in [&*row, &*state] {
        let shown = view["amounts"].as_object().unwrap();
        assert_eq!(shown.len(), amounts.len(), "{shown:?}");
        for (name, amount) in amounts {
            assert_eq!(shown[name].as_f64(), Some(amount), "{name}: {shown:?}");
        }
    }
    row["source"] = Value::Null;
    state["source"] = Value::Null;
    assert_eq!(row, state);
    assert_eq!(row["payment_info"]["amount"], 112.39);
    for secret in [
        "Ring twice",
        "Happy birthday",
        "Acme",
        "2 Bill St",
        "zebra-web",
        "ERP-4711",
    ] {
        for program in ["worker", "api"] {
            assert!(
                !harness.read_log(program).contains(secret),
                "{secret} is in the log of {program}"
            );
        }
    }
    harness.assert_invariants().await;
}

#[tokio::test]
async fn free_order_is_delivered_without_payment() {
    let harness = Harness::start_with(&[("ALLOW_PROFILE_OVERRIDE", "on")]).await;
    for (id, profile) in [("free-1", "checkout"), ("free-2", "lifecycle")] {
        let mut order = free_order();
        order["profile"] = json!(profile);
        let started = harness
            .post(&format!("/orders/{id}/start"), order)
            .await
            .expect_status(202);
        assert_eq!(started["total_amount"], 0.0);
        assert_eq!(started["payment_id"], Value::Null);
        assert_eq!(started["message"], "Order created successfully.");
        let status = harness.wait_for_end(id).await.status;
        assert!(status.is_dispatched(), "{status}");
        let order = harness
            .get(&format!("/orders/{id}"))
            .await
            .expect_status(200);
        assert_eq!(order["payment_info"], Value::Null);
        assert!(harness.provider_movements(id).await.is_empty());
        let log = harness.audit_event_types(id).await;
        assert!(
            !log.iter().any(|event| event.starts_with("payment_")),
            "{log:?}"
        );
    }
    harness.assert_invariants().await;
}

#[tokio::test]
async fn free_order_takes_no_payment() {
    let harness = Harness::start_with(&[
        ("REVIEW", "approval"),
        ("REVIEW_THRESHOLD", "0"),
        ("ORDER_PROFILE", "checkout"),
    ])
    .await;
    harness
        .post("/orders/free-3/start", free_order())
        .await
        .expect_status(202);
    harness.wait_for_step("free-3", "manual_review").await;
    harness
        .post(
            "/orders/free-3/payment",
            json!({"transaction_id": "T1", "amount": 20}),
        )
        .await
        .expect_problem(409, "payment_not_expected");
    harness
        .post("/orders/free-3/signals/cancel-payment", json!({}))
        .await
        .expect_problem(409, "not_paid");
    harness
        .post("/orders/free-3/cancel", json!({"reason": "mistake"}))
        .await
        .expect_status(200);
    assert_eq!(
        harness.wait_for_end("free-3").await.status.as_str(),
        "cancelled"
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn wrong_total_is_refused_with_computed_total() {
    let harness = Harness::start().await;
    let mut order = detailed_order("pmt-details-2");
    order["total_amount"] = json!(112.40);
    order["items"][1]["discount_amount"] = json!(1);
    let problem = harness
        .post("/orders", order.clone())
        .await
        .expect_problem(422, "invalid_request");
    assert_eq!(
        problem["errors"],
        json!([{"pointer": "/items/1/discount_amount", "detail": "must be at most 0.00, the value of the line"}])
    );
    order["items"][1]["discount_amount"] = Value::Null;
    let problem = harness
        .post("/orders", order)
        .await
        .expect_problem(422, "invalid_request");
    assert_eq!(
        problem["errors"],
        json!([{"pointer": "/total_amount", "detail": "must be 112.39, the total of the other fields"}])
    );
}
