//! `cancel-payment`: the money goes back, the order stays and waits for another payment.

use serde_json::json;
use temporalio_client::WorkflowSignalOptions;

use crate::{
    api::{order_with_payment, sample_order},
    harness::Harness,
};
use store::simulator::{Fault, add_fault};
use workflows::{Message, OrderWorkflow};

fn paid(transaction_id: &str) -> serde_json::Value {
    json!({"transaction_id": transaction_id, "amount": 99.99, "payment_method": "card"})
}

/// How often the trail has each of these.
async fn counts(world: &Harness, id: &str, kinds: &[&str]) -> Vec<usize> {
    let trail = world.audit_event_types(id).await;
    kinds
        .iter()
        .map(|kind| trail.iter().filter(|entry| entry == kind).count())
        .collect()
}

#[tokio::test]
async fn charged_order_refunds_and_waits_for_confirmation() {
    let world = Harness::start_with(&[("SHIPPING_DELAY", "60s")]).await;
    let id = world
        .post("/orders", order_with_payment("pmt-first"))
        .await
        .expect_started();
    world.wait_for_status(&id, "preparing").await;
    let path = format!("/orders/{id}/signals/cancel-payment");
    let cancelled = world
        .post(&path, json!({"reason": "wrong card"}))
        .await
        .expect_status(200);
    assert_eq!(
        (&cancelled["status"], &cancelled["step"]),
        (&json!("pending"), &json!("pay"))
    );
    assert_eq!(
        (&cancelled["message"], cancelled.get("already")),
        (&json!("Payment cancelled and given back."), None)
    );
    assert_eq!(
        world.post(&path, json!({})).await.expect_status(200)["already"],
        true
    );
    let look = async || world.get(&format!("/orders/{id}")).await.body;
    let view = world
        .wait_until("the refund", look, |body| {
            body["payment_info"]["status"] == "refunded"
        })
        .await;
    assert_eq!(
        (&view["status"], &view["payment_info"]["payment_id"]),
        (&json!("pending"), &json!("pmt-first"))
    );
    assert_eq!(world.provider_movements(&id).await, ["capture", "refund"]);
    // The transaction that was given back does not pay again.
    let first = view["payment_info"]["transaction_id"].as_str().unwrap();
    assert_eq!(
        world
            .post(&format!("/orders/{id}/payment"), paid(first))
            .await
            .expect_status(200)["already"],
        true
    );
    assert_eq!(
        world.get(&format!("/orders/{id}/status")).await.body["status"],
        "pending"
    );
    // Another one does, and its confirmation is held to the total as ever.
    let little = json!({"transaction_id": "tx-little", "amount": 1});
    world
        .post(&format!("/orders/{id}/payment"), little)
        .await
        .expect_problem(422, "payment_mismatch");
    world
        .post(&format!("/orders/{id}/payment"), paid("tx-second"))
        .await
        .expect_status(200);
    let view = world.wait_for_status(&id, "preparing").await;
    assert_eq!(view["payment_info"]["payment_id"], "external:tx-second");
    assert_eq!(
        counts(
            &world,
            &id,
            &["payment_cancelled", "payment_refunded", "payment_confirmed"]
        )
        .await,
        [1, 1, 1]
    );
    world
        .post(&format!("/orders/{id}/cancel"), json!({}))
        .await
        .expect_status(200);
    assert_eq!(
        world
            .wait_for_end(&id)
            .await
            .payment_info
            .unwrap()
            .status
            .as_str(),
        "refunded"
    );
    world.assert_invariants().await;
}

#[tokio::test]
async fn parcel_is_recalled_before_payment_is_refunded() {
    let world = Harness::start().await;
    // The carrier says nothing clear for one attempt of three tries: who has the parcel?
    add_fault(&world.pool, "dispatch", "c-1", Fault::Fail, 3)
        .await
        .unwrap();
    world
        .post("/orders/c-1/start", order_with_payment("pmt-c-1"))
        .await
        .expect_status(202);
    let trail = async || world.audit_event_types("c-1").await;
    world
        .wait_until("a failed attempt", trail, |trail| {
            trail.contains(&"dispatch_failed".to_owned())
        })
        .await;
    let address = world.post(
        "/orders/c-1/signals/update-address",
        json!({"street": "2 Side St"}),
    );
    let payment = world.post("/orders/c-1/signals/cancel-payment", json!({}));
    // Both are wanted while the second attempt waits; one word of the carrier decides both.
    let (address, payment) = futures::join!(address, payment);
    assert_eq!(
        address.expect_status(200)["shipping_address"]["street"],
        "2 Side St"
    );
    assert_eq!(payment.expect_status(200)["status"], "pending");
    world
        .post("/orders/c-1/payment", paid("tx-c-1"))
        .await
        .expect_status(200);
    let view = world.wait_for_end("c-1").await;
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
    world.assert_invariants().await;
}

#[tokio::test]
async fn cancelled_payment_restarts_payment_timeout() {
    let world = Harness::start_with(&[("SHIPPING_DELAY", "60s"), ("PAYMENT_TIMEOUT", "1s")]).await;
    let id = world
        .post("/orders", order_with_payment("pmt-anew"))
        .await
        .expect_started();
    world.wait_for_status(&id, "preparing").await;
    world
        .post(&format!("/orders/{id}/signals/cancel-payment"), json!({}))
        .await
        .expect_status(200);
    let view = world.wait_for_end(&id).await;
    assert_eq!(
        (view.status.as_str(), view.cancellation_reason.as_deref()),
        ("cancelled", Some("no payment within 1s"))
    );
    assert_eq!(
        counts(&world, &id, &["payment_requested", "payment_timed_out"]).await,
        [1, 1]
    );
    assert_eq!(world.provider_movements(&id).await, ["capture", "refund"]);
    // Closed: its payment was given back, so that holds already.
    let again = world
        .post(&format!("/orders/{id}/signals/cancel-payment"), json!({}))
        .await
        .expect_status(200);
    assert_eq!(
        (&again["status"], &again["already"]),
        (&json!("cancelled"), &json!(true))
    );
    world.assert_invariants().await;
}

#[tokio::test]
async fn confirmed_payment_can_be_cancelled_repeatedly() {
    let world = Harness::start_with(&[("PAYMENT", "confirm"), ("SHIPPING_DELAY", "60s")]).await;
    let id = world.post("/orders", sample_order()).await.expect_started();
    for transaction_id in ["tx-a", "tx-b", "tx-c"] {
        world
            .post(&format!("/orders/{id}/payment"), paid(transaction_id))
            .await
            .expect_status(200);
        world.wait_for_status(&id, "preparing").await;
        let cancelled = world
            .post(&format!("/orders/{id}/signals/cancel-payment"), json!({}))
            .await
            .expect_status(200);
        assert_eq!(cancelled["status"], "pending");
    }
    for transaction_id in ["tx-a", "tx-b", "tx-c"] {
        let again = world
            .post(&format!("/orders/{id}/payment"), paid(transaction_id))
            .await
            .expect_status(200);
        assert_eq!(
            (&again["already"], &again["status"]),
            (&json!(true), &json!("pending"))
        );
    }
    world
        .post(&format!("/orders/{id}/cancel"), json!({}))
        .await
        .expect_status(200);
    world.wait_for_end(&id).await;
    assert_eq!(
        world.provider_movements(&id).await,
        ["refund", "refund", "refund"]
    );
    world.assert_invariants().await;
}

#[tokio::test]
async fn unpaid_or_shipped_order_refuses_cancel_payment() {
    let world = Harness::start_with(&[("DELIVERY", "confirm")]).await;
    let unpaid = world.post(
        "/orders",
        json!({"profile": "checkout", "items": sample_order()["items"], "address": {"street": "1 A St"}}),
    );
    let unpaid = unpaid.await.expect_started();
    let cancel = async |id: &str| {
        world
            .post(&format!("/orders/{id}/signals/cancel-payment"), json!({}))
            .await
    };
    assert_eq!(
        cancel(&unpaid).await.expect_problem(409, "not_paid")["order_status"],
        "pending"
    );
    world
        .post(&format!("/orders/{unpaid}/cancel"), json!({}))
        .await
        .expect_status(200);
    world.wait_for_end(&unpaid).await;
    cancel(&unpaid).await.expect_problem(409, "order_closed");
    let shipped = world
        .post("/orders", order_with_payment("pmt-left"))
        .await
        .expect_started();
    world.wait_for_status(&shipped, "shipped").await;
    cancel(&shipped)
        .await
        .expect_problem(409, "already_shipped");
    world
        .post(
            &format!("/orders/{shipped}/signals/confirm-delivery"),
            json!({}),
        )
        .await
        .expect_status(200);
    world.wait_for_end(&shipped).await;
    cancel(&shipped)
        .await
        .expect_problem(409, "already_shipped");
    cancel("nobody")
        .await
        .expect_problem(404, "order_not_found");
    assert_eq!(counts(&world, &unpaid, &["request_refused"]).await, [1]);
    world.assert_invariants().await;
}

#[tokio::test]
async fn temporal_signal_refunds_and_cancel_takes_precedence() {
    let world = Harness::start_with(&[("SHIPPING_DELAY", "60s")]).await;
    let id = world
        .post("/orders", order_with_payment("pmt-signal"))
        .await
        .expect_started();
    world.wait_for_status(&id, "preparing").await;
    let client = world.connect_to_temporal().await;
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
    world.wait_for_status(&id, "pending").await;
    world
        .post(&format!("/orders/{id}/cancel"), json!({"reason": "enough"}))
        .await
        .expect_status(200);
    let view = world.wait_for_end(&id).await;
    assert_eq!(
        (view.status.as_str(), view.cancellation_reason.as_deref()),
        ("cancelled", Some("enough"))
    );
    assert_eq!(world.provider_movements(&id).await, ["capture", "refund"]);
    world.assert_invariants().await;
}

#[tokio::test]
async fn pending_refund_survives_worker_restart() {
    let world = Harness::start_with(&[("SHIPPING_DELAY", "60s")]).await;
    add_fault(&world.pool, "refund", "c-2", Fault::Fail, 2)
        .await
        .unwrap();
    world
        .post("/orders/c-2/start", order_with_payment("pmt-c-2"))
        .await
        .expect_status(202);
    world.wait_for_status("c-2", "preparing").await;
    let client = world.connect_to_temporal().await;
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
    let trail = async || world.audit_event_types("c-2").await;
    world
        .wait_until("the decision", trail, |trail| {
            trail.contains(&"payment_cancelled".to_owned())
        })
        .await;
    world.worker.kill().await;
    world.worker.restart().await.unwrap();
    world
        .post("/orders/c-2/payment", paid("tx-c-2"))
        .await
        .expect_status(200);
    let view = world.wait_for_status("c-2", "preparing").await;
    assert_eq!(view["payment_info"]["transaction_id"], "tx-c-2");
    assert_eq!(world.provider_movements("c-2").await, ["capture", "refund"]);
    world
        .post("/orders/c-2/cancel", json!({}))
        .await
        .expect_status(200);
    world.wait_for_end("c-2").await;
    world.assert_invariants().await;
}
