//! `cancel-payment` refunds the payment; the order stays open and waits for another payment.

use serde_json::json;
use temporalio_client::WorkflowSignalOptions;

use crate::{
    api::{order_with_payment, sample_order},
    harness::Harness,
};
use store::simulator::{Fault, add_fault};
use workflows::{Message, OrderWorkflow};

fn confirmation(transaction_id: &str) -> serde_json::Value {
    json!({"transaction_id": transaction_id, "amount": 99.99, "payment_method": "card"})
}

/// Counts the audit events of each type.
async fn count_audit_events(harness: &Harness, id: &str, kinds: &[&str]) -> Vec<usize> {
    let trail = harness.audit_event_types(id).await;
    kinds
        .iter()
        .map(|kind| trail.iter().filter(|entry| entry == kind).count())
        .collect()
}

#[tokio::test]
async fn charged_order_refunds_and_waits_for_confirmation() {
    let harness = Harness::start_with(&[("SHIPPING_DELAY", "60s")]).await;
    let id = harness
        .post("/orders", order_with_payment("pmt-first"))
        .await
        .expect_started();
    harness.wait_for_status(&id, "preparing").await;
    let path = format!("/orders/{id}/signals/cancel-payment");
    let cancelled = harness
        .post(&path, json!({"reason": "wrong card"}))
        .await
        .expect_status(200);
    assert_eq!(
        (&cancelled["status"], &cancelled["step"]),
        (&json!("pending"), &json!("pay"))
    );
    assert_eq!(
        (&cancelled["message"], cancelled.get("already")),
        (&json!("Payment cancelled and refunded."), None)
    );
    assert_eq!(
        harness.post(&path, json!({})).await.expect_status(200)["already"],
        true
    );
    let read = async || harness.get(&format!("/orders/{id}")).await.body;
    let view = harness
        .wait_until("the refund", read, |body| {
            body["payment_info"]["status"] == "refunded"
        })
        .await;
    assert_eq!(
        (&view["status"], &view["payment_info"]["payment_id"]),
        (&json!("pending"), &json!("pmt-first"))
    );
    assert_eq!(harness.provider_movements(&id).await, ["capture", "refund"]);
    // A confirmation of the refunded transaction does not pay the order again.
    let first = view["payment_info"]["transaction_id"].as_str().unwrap();
    assert_eq!(
        harness
            .post(&format!("/orders/{id}/payment"), confirmation(first))
            .await
            .expect_status(200)["already"],
        true
    );
    assert_eq!(
        harness.get(&format!("/orders/{id}/status")).await.body["status"],
        "pending"
    );
    // Another transaction pays it, and its amount must equal the total.
    let little = json!({"transaction_id": "tx-little", "amount": 1});
    harness
        .post(&format!("/orders/{id}/payment"), little)
        .await
        .expect_problem(422, "payment_mismatch");
    harness
        .post(&format!("/orders/{id}/payment"), confirmation("tx-second"))
        .await
        .expect_status(200);
    let view = harness.wait_for_status(&id, "preparing").await;
    assert_eq!(view["payment_info"]["payment_id"], "external:tx-second");
    assert_eq!(
        count_audit_events(
            &harness,
            &id,
            &["payment_cancelled", "payment_refunded", "payment_confirmed"]
        )
        .await,
        [1, 1, 1]
    );
    harness
        .post(&format!("/orders/{id}/cancel"), json!({}))
        .await
        .expect_status(200);
    assert_eq!(
        harness
            .wait_for_end(&id)
            .await
            .payment_info
            .unwrap()
            .status
            .as_str(),
        "refunded"
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn parcel_is_recalled_before_payment_is_refunded() {
    let harness = Harness::start().await;
    // The carrier reports no clear result for one attempt with three tries, so the parcel's
    // location is unknown.
    add_fault(&harness.pool, "dispatch", "c-1", Fault::Fail, 3)
        .await
        .unwrap();
    harness
        .post("/orders/c-1/start", order_with_payment("pmt-c-1"))
        .await
        .expect_status(202);
    let trail = async || harness.audit_event_types("c-1").await;
    harness
        .wait_until("a failed attempt", trail, |trail| {
            trail.contains(&"dispatch_failed".to_owned())
        })
        .await;
    let address = harness.post(
        "/orders/c-1/signals/update-address",
        json!({"street": "2 Side St"}),
    );
    let payment = harness.post("/orders/c-1/signals/cancel-payment", json!({}));
    // Both requests arrive while the second attempt waits. One recall answers both.
    let (address, payment) = futures::join!(address, payment);
    assert_eq!(
        address.expect_status(200)["shipping_address"]["street"],
        "2 Side St"
    );
    assert_eq!(payment.expect_status(200)["status"], "pending");
    harness
        .post("/orders/c-1/payment", confirmation("tx-c-1"))
        .await
        .expect_status(200);
    let view = harness.wait_for_end("c-1").await;
    assert_eq!(
        (
            view.status.as_str(),
            view.shipping_address.unwrap().street.as_str()
        ),
        ("delivered", "2 Side St")
    );
    assert_eq!(
        view.shipment_info.unwrap().tracking_number,
        "FEDEX-c-1-PKG-002"
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn cancelled_payment_restarts_payment_timeout() {
    let harness =
        Harness::start_with(&[("SHIPPING_DELAY", "60s"), ("PAYMENT_TIMEOUT", "1s")]).await;
    let id = harness
        .post("/orders", order_with_payment("pmt-anew"))
        .await
        .expect_started();
    harness.wait_for_status(&id, "preparing").await;
    harness
        .post(&format!("/orders/{id}/signals/cancel-payment"), json!({}))
        .await
        .expect_status(200);
    let view = harness.wait_for_end(&id).await;
    assert_eq!(
        (view.status.as_str(), view.cancellation_reason.as_deref()),
        ("cancelled", Some("no payment within 1s"))
    );
    assert_eq!(
        count_audit_events(&harness, &id, &["payment_requested", "payment_timed_out"]).await,
        [1, 1]
    );
    assert_eq!(harness.provider_movements(&id).await, ["capture", "refund"]);
    // The order is closed and its payment is refunded, so the request is already fulfilled.
    let again = harness
        .post(&format!("/orders/{id}/signals/cancel-payment"), json!({}))
        .await
        .expect_status(200);
    assert_eq!(
        (&again["status"], &again["already"]),
        (&json!("cancelled"), &json!(true))
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn confirmed_payment_can_be_cancelled_repeatedly() {
    let harness = Harness::start_with(&[("PAYMENT", "confirm"), ("SHIPPING_DELAY", "60s")]).await;
    let id = harness
        .post("/orders", sample_order())
        .await
        .expect_started();
    for transaction_id in ["tx-a", "tx-b", "tx-c"] {
        harness
            .post(
                &format!("/orders/{id}/payment"),
                confirmation(transaction_id),
            )
            .await
            .expect_status(200);
        harness.wait_for_status(&id, "preparing").await;
        let cancelled = harness
            .post(&format!("/orders/{id}/signals/cancel-payment"), json!({}))
            .await
            .expect_status(200);
        assert_eq!(cancelled["status"], "pending");
    }
    for transaction_id in ["tx-a", "tx-b", "tx-c"] {
        let again = harness
            .post(
                &format!("/orders/{id}/payment"),
                confirmation(transaction_id),
            )
            .await
            .expect_status(200);
        assert_eq!(
            (&again["already"], &again["status"]),
            (&json!(true), &json!("pending"))
        );
    }
    harness
        .post(&format!("/orders/{id}/cancel"), json!({}))
        .await
        .expect_status(200);
    harness.wait_for_end(&id).await;
    assert_eq!(
        harness.provider_movements(&id).await,
        ["refund", "refund", "refund"]
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn unpaid_or_shipped_order_refuses_cancel_payment() {
    let harness = Harness::start_with(&[("DELIVERY", "confirm")]).await;
    let unpaid = harness.post(
        "/orders",
        json!({"profile": "checkout", "items": sample_order()["items"], "address": {"street": "1 A St"}}),
    );
    let unpaid = unpaid.await.expect_started();
    let cancel = async |id: &str| {
        harness
            .post(&format!("/orders/{id}/signals/cancel-payment"), json!({}))
            .await
    };
    assert_eq!(
        cancel(&unpaid).await.expect_problem(409, "not_paid")["order_status"],
        "pending"
    );
    harness
        .post(&format!("/orders/{unpaid}/cancel"), json!({}))
        .await
        .expect_status(200);
    harness.wait_for_end(&unpaid).await;
    cancel(&unpaid).await.expect_problem(409, "order_closed");
    let shipped = harness
        .post("/orders", order_with_payment("pmt-left"))
        .await
        .expect_started();
    harness.wait_for_status(&shipped, "shipped").await;
    cancel(&shipped)
        .await
        .expect_problem(409, "already_shipped");
    harness
        .post(
            &format!("/orders/{shipped}/signals/confirm-delivery"),
            json!({}),
        )
        .await
        .expect_status(200);
    harness.wait_for_end(&shipped).await;
    cancel(&shipped)
        .await
        .expect_problem(409, "already_shipped");
    cancel("nobody")
        .await
        .expect_problem(404, "order_not_found");
    assert_eq!(
        count_audit_events(&harness, &unpaid, &["request_refused"]).await,
        [1]
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn temporal_signal_refunds_and_cancel_takes_precedence() {
    let harness = Harness::start_with(&[("SHIPPING_DELAY", "60s")]).await;
    let id = harness
        .post("/orders", order_with_payment("pmt-signal"))
        .await
        .expect_started();
    harness.wait_for_status(&id, "preparing").await;
    let client = harness.connect_to_temporal().await;
    let handle = client.get_workflow_handle::<OrderWorkflow>(format!("order-{id}"));
    let message = Message::Valid(contract::PaymentCancellation::default());
    handle
        .signal(
            OrderWorkflow::cancel_payment_signal,
            message,
            WorkflowSignalOptions::default(),
        )
        .await
        .unwrap();
    harness.wait_for_status(&id, "pending").await;
    harness
        .post(&format!("/orders/{id}/cancel"), json!({"reason": "enough"}))
        .await
        .expect_status(200);
    let view = harness.wait_for_end(&id).await;
    assert_eq!(
        (view.status.as_str(), view.cancellation_reason.as_deref()),
        ("cancelled", Some("enough"))
    );
    assert_eq!(harness.provider_movements(&id).await, ["capture", "refund"]);
    harness.assert_invariants().await;
}

#[tokio::test]
async fn pending_refund_survives_worker_restart() {
    let harness = Harness::start_with(&[("SHIPPING_DELAY", "60s")]).await;
    add_fault(&harness.pool, "refund", "c-2", Fault::Fail, 2)
        .await
        .unwrap();
    harness
        .post("/orders/c-2/start", order_with_payment("pmt-c-2"))
        .await
        .expect_status(202);
    harness.wait_for_status("c-2", "preparing").await;
    let client = harness.connect_to_temporal().await;
    let handle = client.get_workflow_handle::<OrderWorkflow>("order-c-2");
    let message = Message::Valid(contract::PaymentCancellation::default());
    handle
        .signal(
            OrderWorkflow::cancel_payment_signal,
            message,
            WorkflowSignalOptions::default(),
        )
        .await
        .unwrap();
    let trail = async || harness.audit_event_types("c-2").await;
    harness
        .wait_until("the decision", trail, |trail| {
            trail.contains(&"payment_cancelled".to_owned())
        })
        .await;
    harness.worker.kill().await;
    harness.worker.restart().await.unwrap();
    harness
        .post("/orders/c-2/payment", confirmation("tx-c-2"))
        .await
        .expect_status(200);
    let view = harness.wait_for_status("c-2", "preparing").await;
    assert_eq!(view["payment_info"]["transaction_id"], "tx-c-2");
    assert_eq!(
        harness.provider_movements("c-2").await,
        ["capture", "refund"]
    );
    harness
        .post("/orders/c-2/cancel", json!({}))
        .await
        .expect_status(200);
    harness.wait_for_end("c-2").await;
    harness.assert_invariants().await;
}
