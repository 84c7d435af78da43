//! Holds by an operator, and their release.

use serde_json::{Value, json};

use crate::{
    api::{order_with_payment, sample_order},
    harness::Harness,
};

async fn send(harness: &Harness, id: &str, request: &str, body: Value) -> Value {
    harness
        .post(&format!("/orders/{id}/{request}"), body)
        .await
        .expect_status(200)
}

#[tokio::test]
async fn held_order_is_charged_after_release() {
    let harness = Harness::start_with(&[("REVIEW", "approval"), ("REVIEW_THRESHOLD", "1")]).await;
    harness
        .post("/orders/held-1/start", order_with_payment("pmt-held-1"))
        .await
        .expect_status(202);
    harness.wait_for_step("held-1", "manual_review").await;
    let held = send(
        &harness,
        "held-1",
        "signals/hold",
        json!({"reason": "customer calls"}),
    )
    .await;
    assert_eq!(
        (&held["message"], &held["already"]),
        (&json!("Order held."), &Value::Null)
    );
    let again = send(&harness, "held-1", "signals/hold", json!("customer calls")).await;
    assert_eq!(again["already"], true);
    send(&harness, "held-1", "signals/approve", json!({})).await;
    harness.wait_for_reason("held-1", "hold").await;
    let order = harness.get("/orders/held-1").await.expect_status(200);
    assert_eq!(order["hold"]["reason"], "customer calls");
    assert!(order["hold"]["since"].is_string(), "{order}");
    assert!(harness.provider_movements("held-1").await.is_empty());
    let released = send(
        &harness,
        "held-1",
        "signals/release",
        json!({"reason": "called"}),
    )
    .await;
    assert_eq!(
        (&released["message"], &released["already"]),
        (&json!("Order released."), &Value::Null)
    );
    assert_eq!(
        harness.wait_for_end("held-1").await.status.as_str(),
        "delivered"
    );
    let log = harness.audit_event_types("held-1").await;
    assert_eq!(log.iter().filter(|kind| *kind == "order_held").count(), 1);
    assert_eq!(
        log.iter().filter(|kind| *kind == "order_released").count(),
        1
    );
    let order = harness.get("/orders/held-1").await.expect_status(200);
    assert_eq!(order["hold"], Value::Null);
    harness
        .post("/orders/held-1/signals/hold", json!({}))
        .await
        .expect_problem(409, "already_shipped");
    assert_eq!(
        send(&harness, "held-1", "signals/release", json!({})).await["already"],
        true
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn held_order_takes_payment_but_does_not_ship() {
    let harness = Harness::start_with(&[("ORDER_PROFILE", "checkout")]).await;
    for id in ["held-2", "held-3"] {
        harness
            .post(&format!("/orders/{id}/start"), sample_order())
            .await
            .expect_status(202);
        harness.wait_for_reason(id, "payment").await;
        send(
            &harness,
            id,
            "signals/hold",
            json!({"reason": "fraud check"}),
        )
        .await;
        let paid = json!({"transaction_id": format!("tx-{id}"), "amount": 99.99});
        send(&harness, id, "payment", paid).await;
        harness.wait_for_reason(id, "hold").await;
    }
    send(&harness, "held-2", "signals/release", json!({})).await;
    let shipped = harness.wait_for_end("held-2").await;
    assert!(shipped.status.is_dispatched(), "{}", shipped.status);
    // A held order can be cancelled, and its money goes back.
    send(&harness, "held-3", "cancel", json!({"reason": "fraud"})).await;
    let cancelled = harness.wait_for_end("held-3").await;
    assert_eq!(cancelled.status.as_str(), "cancelled");
    assert_eq!(cancelled.hold, None);
    assert_eq!(cancelled.payment_info.unwrap().status.as_str(), "refunded");
    harness.assert_invariants().await;
}

#[tokio::test]
async fn hold_during_shipping_stops_parcel() {
    let harness = Harness::start_with(&[("SHIPPING_DELAY", "1h")]).await;
    harness
        .post("/orders/held-4/start", order_with_payment("pmt-held-4"))
        .await
        .expect_status(202);
    harness.wait_for_reason("held-4", "shipping_delay").await;
    send(
        &harness,
        "held-4",
        "signals/hold",
        json!({"reason": "wrong parcel"}),
    )
    .await;
    harness.wait_for_reason("held-4", "hold").await;
    let log = harness.audit_event_types("held-4").await;
    assert!(log.contains(&"shipment_stopped".to_owned()), "{log:?}");
    send(&harness, "held-4", "signals/release", json!({})).await;
    harness.wait_for_reason("held-4", "shipping_delay").await;
    send(&harness, "held-4", "cancel", json!({})).await;
    assert_eq!(
        harness.wait_for_end("held-4").await.status.as_str(),
        "cancelled"
    );
    harness.assert_invariants().await;
}
