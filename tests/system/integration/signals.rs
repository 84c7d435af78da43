//! Each request to an order: in time, repeated, too late, to a closed and to an unknown order.

use reqwest::Method;
use serde_json::{Value, json};
use temporalio_client::{UntypedSignal, WorkflowSignalOptions};
use temporalio_common::{data_converters::RawValue, protos::temporal::api::common::v1::Payload};

use crate::{
    api::{order_with_payment, sample_order},
    harness::Harness,
};
use workflows::OrderWorkflow;

fn order_in_profile(profile: &str) -> Value {
    let mut order = sample_order();
    order["profile"] = json!(profile);
    order
}

#[tokio::test]
async fn approve_completes_review() {
    let harness = Harness::start().await;
    let id = harness
        .post("/orders", order_in_profile("approval"))
        .await
        .expect_started();
    let approved = harness
        .post(
            &format!("/orders/{id}/signals/approve"),
            json!({"reviewer": "ann"}),
        )
        .await
        .expect_status(200);
    assert_eq!(
        (&approved["order_id"], &approved["message"]),
        (&json!(id), &json!("Order approved."))
    );
    let again = harness
        .post(&format!("/orders/{id}/signals/approve"), json!({}))
        .await
        .expect_status(200);
    assert_eq!(again["already"], true);
    assert_eq!(harness.wait_for_end(&id).await.status.as_str(), "shipped");
    // The order is closed: a fulfilled request succeeds, any other is refused.
    assert_eq!(
        harness
            .post(&format!("/orders/{id}/signals/approve"), json!({}))
            .await
            .expect_status(200)["already"],
        true
    );
    harness
        .post(&format!("/orders/{id}/signals/reject"), json!({}))
        .await
        .expect_problem(409, "order_closed");
    harness
        .post("/orders/nobody/signals/approve", json!({}))
        .await
        .expect_problem(404, "order_not_found");
    harness.assert_invariants().await;
}

#[tokio::test]
async fn reject_cancels_order() {
    let harness = Harness::start().await;
    let id = harness
        .post("/orders", order_in_profile("approval"))
        .await
        .expect_started();
    let rejected = harness
        .post(
            &format!("/orders/{id}/signals/reject"),
            json!({"reason": "fraud"}),
        )
        .await
        .expect_status(200);
    assert_eq!(rejected["status"], "cancelled");
    let view = harness.wait_for_end(&id).await;
    assert_eq!(
        (view.status.as_str(), view.cancellation_reason.as_deref()),
        ("cancelled", Some("fraud"))
    );
    assert_eq!(harness.provider_movements(&id).await, [] as [&str; 0]);
    harness.assert_invariants().await;
}

#[tokio::test]
async fn review_timeout_follows_policy() {
    let harness = Harness::start_with(&[
        ("MANUAL_REVIEW_TIMEOUT", "1s"),
        ("ORDER_PROFILE", "approval"),
    ])
    .await;
    let id = harness
        .post("/orders", sample_order())
        .await
        .expect_started();
    assert_eq!(harness.wait_for_end(&id).await.status.as_str(), "cancelled");
    assert!(
        harness
            .audit_event_types(&id)
            .await
            .contains(&"review_timed_out".to_owned())
    );
    let harness =
        Harness::start_with(&[("MANUAL_REVIEW_TIMEOUT", "1s"), ("ORDER_PROFILE", "quick")]).await;
    let id = harness
        .post("/orders", sample_order())
        .await
        .expect_started();
    assert_eq!(harness.wait_for_end(&id).await.status.as_str(), "shipped");
    harness.assert_invariants().await;
}

#[tokio::test]
async fn cancel_works_on_three_routes_and_repeats() {
    let harness = Harness::start().await;
    for route in ["signals/cancel", "cancel", ""] {
        let id = harness
            .post("/orders", order_in_profile("checkout"))
            .await
            .expect_started();
        harness.wait_for_status(&id, "pending").await;
        let body = json!({"reason": "changed my mind"});
        let cancel = async || match route {
            "" => {
                let json = [("content-type", "application/json")];
                harness
                    .send(
                        Method::DELETE,
                        &format!("/orders/{id}"),
                        &json,
                        Some(body.to_string()),
                    )
                    .await
            }
            route => {
                harness
                    .post(&format!("/orders/{id}/{route}"), body.clone())
                    .await
            }
        };
        assert_eq!(cancel().await.expect_status(200)["status"], "cancelled");
        let view = harness.wait_for_end(&id).await;
        assert_eq!(
            (view.status.as_str(), view.cancellation_reason.as_deref()),
            ("cancelled", Some("changed my mind"))
        );
        // A closed order that is already cancelled accepts the request too.
        assert_eq!(cancel().await.expect_status(200)["already"], true);
    }
    harness.assert_invariants().await;
}

#[tokio::test]
async fn cancel_refunds_payment_and_fails_after_dispatch() {
    let harness = Harness::start_with(&[("SHIPPING_DELAY", "60s")]).await;
    let id = harness
        .post("/orders", order_with_payment("pmt-cancel"))
        .await
        .expect_started();
    harness.wait_for_status(&id, "preparing").await;
    let cancelled = harness
        .post(&format!("/orders/{id}/cancel"), json!({}))
        .await
        .expect_status(200);
    assert_eq!(cancelled["status"], "cancelled");
    assert_eq!(harness.wait_for_end(&id).await.status.as_str(), "cancelled");
    assert_eq!(harness.provider_movements(&id).await, ["capture", "refund"]);
    harness.assert_invariants().await;

    let harness = Harness::start_with(&[("DELIVERY", "confirm")]).await;
    let id = harness
        .post("/orders", order_with_payment("pmt-late"))
        .await
        .expect_started();
    harness.wait_for_status(&id, "shipped").await;
    let problem = harness
        .post(&format!("/orders/{id}/cancel"), json!({}))
        .await
        .expect_problem(409, "already_shipped");
    assert_eq!(problem["order_status"], "shipped");
    harness
        .post(
            &format!("/orders/{id}/signals/update-address"),
            json!({"street": "2 Side St"}),
        )
        .await
        .expect_problem(409, "already_shipped");
    harness
        .post(
            &format!("/orders/{id}/signals/confirm-delivery"),
            json!({"signed_by": "neighbour"}),
        )
        .await
        .expect_status(200);
    assert_eq!(harness.wait_for_end(&id).await.status.as_str(), "delivered");
    harness
        .post(&format!("/orders/{id}/cancel"), json!({}))
        .await
        .expect_problem(409, "already_shipped");
    assert!(
        harness
            .audit_event_types(&id)
            .await
            .contains(&"request_refused".to_owned())
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn address_changes_until_dispatch_in_both_spellings() {
    let harness = Harness::start_with(&[("SHIPPING_DELAY", "60s")]).await;
    let id = harness
        .post("/orders", order_in_profile("checkout"))
        .await
        .expect_started();
    let path = format!("/orders/{id}/signals/update-address");
    let changed = harness
        .post(&path, json!({"street": "2 Side St"}))
        .await
        .expect_status(200);
    assert_eq!(changed["shipping_address"]["street"], "2 Side St");
    assert_eq!(changed["shipping_address"]["city"], "Anytown");
    let changed = harness
        .post(
            &path,
            json!({"address": {"street": "3 New St", "city": "Newtown", "zip_code": "1"}}),
        )
        .await
        .expect_status(200);
    assert_eq!(
        (
            &changed["shipping_address"]["city"],
            &changed["shipping_address"]["postal_code"]
        ),
        (&json!("Newtown"), &json!("1"))
    );
    let again = harness
        .post(&path, json!({"city": "Newtown"}))
        .await
        .expect_status(200);
    assert_eq!(again["already"], true);
    for (change, expected) in [
        // A null and an empty text clear an optional field.
        (
            json!({"state": null, "postal_code": ""}),
            json!({"street": "3 New St", "city": "Newtown", "state": null, "postal_code": null}),
        ),
        (
            json!({"address": {"street": "4 Only St", "country": "Deutschland"}, "replace": true}),
            json!({"street": "4 Only St", "city": null, "state": null, "country": "DE"}),
        ),
    ] {
        let changed = harness.post(&path, change).await.expect_status(200);
        let row = async || {
            let path = format!("/orders/{id}?source=database");
            harness.get(&path).await.body["shipping_address"].clone()
        };
        let is_met = |address: &Value| {
            let mut fields = expected.as_object().unwrap().iter();
            fields.all(|(name, value)| &address[name] == value)
        };
        assert!(is_met(&changed["shipping_address"]), "{changed}");
        harness.wait_until("the changed row", row, is_met).await;
    }
    let unknown = harness.post(&path, json!({"country": "Atlantis"})).await;
    unknown.expect_problem(422, "invalid_request");
    // During preparation, the shipment is stopped and restarted with the new address.
    let id = harness
        .post("/orders", order_with_payment("pmt-address"))
        .await
        .expect_started();
    harness.wait_for_status(&id, "preparing").await;
    let changed = harness
        .post(
            &format!("/orders/{id}/signals/update-address"),
            json!({"street": "9 Late St"}),
        )
        .await
        .expect_status(200);
    assert_eq!(
        (&changed["status"], &changed["shipping_address"]["street"]),
        (&json!("preparing"), &json!("9 Late St"))
    );
    let view = harness.wait_for_end(&id).await;
    assert_eq!(
        (
            view.status.as_str(),
            view.shipping_address.unwrap().street.as_str()
        ),
        ("delivered", "9 Late St")
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn matching_payment_confirmation_is_recorded_once() {
    let harness = Harness::start().await;
    let response = harness.post("/orders", order_in_profile("checkout")).await;
    assert_eq!(
        response.body["message"],
        "Order created successfully. Awaiting payment confirmation."
    );
    let id = response.expect_started();
    // A payment before the order waits for one is acknowledged immediately and checked later.
    harness.wait_for_step(&id, "pay").await;
    let path = format!("/orders/{id}/payment");
    let paid = json!({"transaction_id": "tx-1", "amount": 99.99, "payment_method": "card"});
    harness
        .post(&path, json!({"transaction_id": "tx-0", "amount": 99.98}))
        .await
        .expect_problem(422, "payment_mismatch");
    harness
        .post(
            &path,
            json!({"transaction_id": "tx-0", "amount": 99.99, "currency": "EUR"}),
        )
        .await
        .expect_problem(422, "payment_mismatch");
    assert_eq!(
        harness.post(&path, paid.clone()).await.expect_status(200)["message"],
        "Payment confirmed."
    );
    harness.post(&path, paid.clone()).await.expect_status(200);
    let other = json!({"transaction_id": "tx-2", "amount": 99.99});
    let view = harness.wait_for_end(&id).await;
    assert_eq!(view.status.as_str(), "delivered");
    assert_eq!(
        view.payment_info.unwrap().transaction_id.unwrap().as_str(),
        "tx-1"
    );
    assert_eq!(
        harness.post(&path, paid.clone()).await.expect_status(200)["order_id"],
        json!(id)
    );
    harness
        .post(&path, other)
        .await
        .expect_problem(409, "order_closed");
    let mismatches = harness
        .audit_event_types(&id)
        .await
        .into_iter()
        .filter(|kind| kind == "payment_mismatch")
        .count();
    assert_eq!(mismatches, 2);
    // The same transaction does not pay another order.
    let second = harness
        .post("/orders", order_in_profile("checkout"))
        .await
        .expect_started();
    harness.wait_for_step(&second, "pay").await;
    harness
        .post(&format!("/orders/{second}/signals/confirm-payment"), paid)
        .await
        .expect_problem(409, "payment_id_in_use");
    let fresh = json!({"transaction_id": "tx-3", "amount": "99.99"});
    harness
        .post(&format!("/orders/{second}/signals/confirm-payment"), fresh)
        .await
        .expect_status(200);
    assert_eq!(
        harness.wait_for_end(&second).await.status.as_str(),
        "delivered"
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn payment_before_rejection_is_refunded() {
    let harness = Harness::start_with(&[("PAYMENT", "confirm"), ("REVIEW_THRESHOLD", "1")]).await;
    let id = harness
        .post("/orders", sample_order())
        .await
        .expect_started();
    let paid = json!({"transaction_id": "tx-early", "amount": 99.99});
    let path = format!("/orders/{id}/payment");
    // An early payment is accepted: the order keeps it until the review ends, and the request does
    // not wait.
    let read = async || harness.get(&format!("/orders/{id}/status")).await.body;
    harness
        .wait_until("the review", read, |body| body["step"] == "manual_review")
        .await;
    let accepted = harness.post(&path, paid.clone()).await.expect_status(200);
    assert_eq!(
        (&accepted["status"], &accepted["step"]),
        (&json!("pending"), &json!("manual_review"))
    );
    harness
        .post(
            &format!("/orders/{id}/signals/reject"),
            json!({"reason": "fraud"}),
        )
        .await
        .expect_status(200);
    let view = harness.wait_for_end(&id).await;
    assert_eq!(view.payment_info.unwrap().status.as_str(), "refunded");
    assert_eq!(harness.provider_movements(&id).await, ["refund"]);
    harness.assert_invariants().await;
}

#[tokio::test]
async fn empty_signals_do_not_block_order() {
    let harness = Harness::start().await;
    let id = harness
        .post("/orders", order_in_profile("checkout"))
        .await
        .expect_started();
    let client = harness.connect_to_temporal().await;
    let handle = client.get_workflow_handle::<OrderWorkflow>(format!("order-{id}"));
    let signals = [
        "cancel_order",
        "confirm_payment",
        "update_address",
        "approve_order",
        "dispatch_failed",
    ];
    for (signal, data) in signals
        .iter()
        .flat_map(|signal| [r#"{"x\u0000":1}"#, "[1", "7"].map(|data| (signal, data)))
    {
        let metadata = [("encoding".to_owned(), b"json/plain".to_vec())].into();
        let payload = Payload {
            metadata,
            data: data.into(),
            ..Payload::default()
        };
        let signal = UntypedSignal::new(*signal);
        handle
            .signal(
                signal,
                RawValue::new(vec![payload]),
                WorkflowSignalOptions::default(),
            )
            .await
            .unwrap();
    }
    let trail = async || {
        harness
            .audit_event_types(&id)
            .await
            .into_iter()
            .filter(|kind| kind == "request_refused")
            .count()
    };
    harness
        .wait_until("all refusals in the audit log", trail, |count| *count == 15)
        .await;
    harness
        .post(&format!("/orders/{id}/cancel"), json!({}))
        .await
        .expect_status(200);
    assert_eq!(harness.wait_for_end(&id).await.status.as_str(), "cancelled");
    harness.assert_invariants().await;
}

#[tokio::test]
async fn unexpected_payment_confirmation_is_rejected() {
    let harness = Harness::start().await;
    let id = harness
        .post("/orders", order_in_profile("approval"))
        .await
        .expect_started();
    let paid = json!({"transaction_id": "tx-1", "amount": 99.99});
    harness
        .post(&format!("/orders/{id}/payment"), paid.clone())
        .await
        .expect_problem(409, "payment_not_expected");
    harness
        .post(&format!("/orders/{id}/cancel"), json!({}))
        .await
        .expect_status(200);
    harness.wait_for_end(&id).await;
    harness
        .post(&format!("/orders/{id}/payment"), paid)
        .await
        .expect_problem(409, "order_closed");
    harness.assert_invariants().await;
}

#[tokio::test]
async fn unpaid_order_is_cancelled_after_payment_timeout() {
    let harness = Harness::start_with(&[("PAYMENT", "confirm"), ("PAYMENT_TIMEOUT", "1s")]).await;
    let id = harness
        .post("/orders", sample_order())
        .await
        .expect_started();
    assert_eq!(harness.wait_for_end(&id).await.status.as_str(), "cancelled");
    assert!(
        harness
            .audit_event_types(&id)
            .await
            .contains(&"payment_timed_out".to_owned())
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn declined_charge_fails_order_and_releases_stock() {
    let harness = Harness::start().await;
    let mut order = order_with_payment("pmt-declined");
    order["payment"]["method"] = json!("pm_card_chargeDeclined");
    let id = harness.post("/orders", order).await.expect_started();
    let view = harness.wait_for_end(&id).await;
    assert_eq!(
        (view.status.as_str(), view.failure.unwrap().code.as_str()),
        ("failed", "payment_declined")
    );
    assert_eq!(harness.provider_movements(&id).await, ["decline"]);
    harness.assert_invariants().await;
}

#[tokio::test]
async fn passed_deadline_fails_and_compensates_order() {
    let harness = Harness::start_with(&[("ORDER_DEADLINE", "2s"), ("SHIPPING_DELAY", "60s")]).await;
    let id = harness
        .post("/orders", order_with_payment("pmt-deadline"))
        .await
        .expect_started();
    let view = harness.wait_for_end(&id).await;
    assert_eq!(
        (view.status.as_str(), view.failure.unwrap().code.as_str()),
        ("failed", "deadline_passed")
    );
    assert_eq!(harness.provider_movements(&id).await, ["capture", "refund"]);
    harness.assert_invariants().await;
}
