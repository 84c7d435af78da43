//! The estimated delivery time.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{cancel_order, create_waiting_order};
use crate::{
    api::{order_with_payment, sample_order},
    harness::Harness,
};

fn parse_time(value: &Value) -> DateTime<Utc> {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value}"))
        .parse()
        .unwrap()
}

#[tokio::test]
async fn estimate_before_shipping_starts_at_current_time() {
    let harness = Harness::start_with(&[("PAYMENT", "confirm"), ("DELIVERY_ESTIMATE", "5d")]).await;
    let id = harness
        .post("/orders", sample_order())
        .await
        .expect_started();
    harness
        .wait_until(
            "the order's row",
            async || harness.audit_event_types(&id).await.len(),
            |count| *count > 0,
        )
        .await;
    for (path, field) in [
        (
            format!("/orders/{id}/estimated-delivery"),
            "/estimated_delivery",
        ),
        (
            format!("/orders/{id}/estimated-delivery?source=database"),
            "/estimated_delivery",
        ),
        (format!("/orders/{id}"), "/estimated_delivery"),
        ("/orders".to_owned(), "/orders/0/estimated_delivery"),
    ] {
        let before = Utc::now();
        let response = harness.get(&path).await.expect_status(200);
        let counted_from = parse_time(response.pointer(field).unwrap()) - TimeDelta::days(5);
        assert!(
            before <= counted_from && counted_from <= Utc::now(),
            "{path}: {counted_from}"
        );
    }
    let response = harness
        .get(&format!("/orders/{id}/estimated-delivery"))
        .await
        .expect_status(200);
    assert_eq!(
        (&response["order_id"], &response["basis"]),
        (&json!(id), &json!("now"))
    );
    cancel_order(&harness, &id).await;
}

#[tokio::test]
async fn estimate_after_shipping_is_fixed() {
    let harness = Harness::start().await;
    let id = harness
        .post("/orders", order_with_payment("pmt-estimate"))
        .await
        .expect_started();
    harness.wait_for_end(&id).await;
    let state = harness
        .get(&format!("/orders/{id}"))
        .await
        .expect_status(200);
    let response = harness
        .get(&format!("/orders/{id}/estimated-delivery"))
        .await
        .expect_status(200);
    assert_eq!(response["basis"], "shipped");
    assert_eq!(
        parse_time(&response["estimated_delivery"]),
        parse_time(&state["shipment_info"]["shipped_at"]) + TimeDelta::days(3)
    );
    assert_eq!(state["estimated_delivery"], response["estimated_delivery"]);
    assert_eq!(
        state["shipment_info"]["estimated_delivery"],
        response["estimated_delivery"]
    );
}

#[tokio::test]
async fn cancelled_order_has_no_delivery_estimate() {
    let harness = Harness::start().await;
    let id = create_waiting_order(&harness).await;
    cancel_order(&harness, &id).await;
    let response = harness
        .get(&format!("/orders/{id}/estimated-delivery"))
        .await
        .expect_status(200);
    assert_eq!(
        response,
        json!({"order_id": id, "estimated_delivery": null, "basis": "none"})
    );
}
