//! Requests that meet a shipping attempt: a stop during a recall, a stop without a shipping worker,
//! and late writes of earlier attempts.

use serde_json::{Value, json};
use temporalio_client::WorkflowCancelOptions;

use crate::{api::order_with_payment, harness::Harness};
use domain::OrderId;
use store::{
    shipments::{self, Package},
    simulator::{Fault, add_fault, count_faults, read_consignment},
};
use workflows::OrderWorkflow;

async fn start_order(harness: &Harness, id: &str) {
    harness
        .post(&format!("/orders/{id}/start"), order_with_payment(id))
        .await
        .expect_status(202);
}

/// Starts an order whose first carrier call hangs, and waits for this call.
async fn start_order_with_hanging_dispatch(harness: &Harness, id: &str) {
    add_fault(&harness.pool, "dispatch", id, Fault::Hang, 1)
        .await
        .unwrap();
    start_order(harness, id).await;
    let faults_left = async || count_faults(&harness.pool, "dispatch", id).await.unwrap();
    harness
        .wait_until("the carrier's call", faults_left, |times| *times == 0)
        .await;
}

async fn wait_for_audit_event(harness: &Harness, id: &str, kind: &str) {
    let kinds = async || harness.audit_event_types(id).await;
    harness
        .wait_until(kind, kinds, |kinds| kinds.iter().any(|found| found == kind))
        .await;
}

async fn shipment_state(harness: &Harness, shipment_id: &str) -> Option<String> {
    shipments::read_state(&harness.pool, shipment_id)
        .await
        .unwrap()
}

/// Asserts that an order ended without a parcel, a second attempt or the customer's money.
async fn assert_nothing_shipped(harness: &Harness, id: &str) {
    assert_eq!(
        harness.provider_movements(id).await,
        ["capture", "refund"],
        "{id}"
    );
    assert_eq!(
        (
            shipment_state(harness, &format!("{id}-PKG-001")).await,
            shipment_state(harness, &format!("{id}-PKG-002")).await,
        ),
        (Some("cancelled".to_owned()), None),
        "{id}"
    );
    harness.assert_invariants().await;
}

async fn cancel_in_temporal_during_recall(harness: &Harness, id: &str) {
    start_order_with_hanging_dispatch(harness, id).await;
    let path = format!("/orders/{id}/signals/update-address");
    let change = harness.post(&path, json!({"street": "2 Side St"}));
    let cancel = async {
        wait_for_audit_event(harness, id, "address_requested").await;
        let client = harness.connect_to_temporal().await;
        client
            .get_workflow_handle::<OrderWorkflow>(format!("order-{id}"))
            .cancel(WorkflowCancelOptions::default())
            .await
            .unwrap();
    };
    let (changed, ()) = futures::join!(change, cancel);
    changed.expect_problem(409, "order_closed");
    assert_eq!(harness.wait_for_end(id).await.status.as_str(), "cancelled");
    assert_nothing_shipped(harness, id).await;
}

#[tokio::test]
async fn temporal_cancel_during_recall_ships_nothing() {
    let harness = Harness::start().await;
    cancel_in_temporal_during_recall(&harness, "parcel-race-1").await;
}

/// Runs one order of each new path of a recall, for `replay`.
pub(crate) async fn run_stopped_orders() -> Harness {
    let harness = Harness::start_with(&[("WORKER_QUEUES", "orders")]).await;
    cancel_without_shipping_worker(&harness, "stopped-unshipped").await;
    let _shipping = harness
        .start_another_worker("shipping", &[("WORKER_QUEUES", "shipping")])
        .await;
    cancel_in_temporal_during_recall(&harness, "stopped-in-recall").await;
    harness
}

#[tokio::test]
async fn deadline_during_recall_ships_nothing() {
    let harness = Harness::start_with(&[("ORDER_DEADLINE", "12s")]).await;
    // The carrier's response to the recall comes after the deadline.
    add_fault(
        &harness.pool,
        "cancel_shipment",
        "parcel-race-2",
        Fault::Hang,
        2,
    )
    .await
    .unwrap();
    start_order_with_hanging_dispatch(&harness, "parcel-race-2").await;
    harness
        .post(
            "/orders/parcel-race-2/signals/update-address",
            json!({"street": "2 Side St"}),
        )
        .await;
    let view = harness.wait_for_end("parcel-race-2").await;
    assert_eq!(
        (view.status.as_str(), view.failure.unwrap().code.as_str()),
        ("failed", "deadline_passed")
    );
    assert_nothing_shipped(&harness, "parcel-race-2").await;
}

async fn cancel_without_shipping_worker(harness: &Harness, id: &str) {
    start_order(harness, id).await;
    wait_for_audit_event(harness, id, "shipment_started").await;
    assert_eq!(
        harness
            .post(&format!("/orders/{id}/cancel"), json!({}))
            .await
            .expect_status(200)["status"],
        "cancelled"
    );
    harness.wait_for_end(id).await;
    assert_nothing_shipped(harness, id).await;
}

#[tokio::test]
async fn cancel_needs_no_shipping_worker() {
    let harness = Harness::start_with(&[("WORKER_QUEUES", "orders")]).await;
    cancel_without_shipping_worker(&harness, "parcel-race-4").await;
}

#[tokio::test]
async fn late_shipping_worker_ships_to_changed_address() {
    let harness = Harness::start_with(&[("WORKER_QUEUES", "orders")]).await;
    start_order(&harness, "parcel-race-5").await;
    wait_for_audit_event(&harness, "parcel-race-5", "shipment_started").await;
    harness
        .post(
            "/orders/parcel-race-5/signals/update-address",
            json!({"street": "2 Side St"}),
        )
        .await
        .expect_status(200);
    // Both attempts wait for a worker: the stopped one and its successor.
    let _shipping = harness
        .start_another_worker("shipping", &[("WORKER_QUEUES", "shipping")])
        .await;
    assert_eq!(
        harness.wait_for_end("parcel-race-5").await.status.as_str(),
        "delivered"
    );
    let consignment = read_consignment(&harness.pool, "parcel-race-5-PKG-001")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(consignment["address"]["street"], "2 Side St");
    harness.assert_invariants().await;
}

#[tokio::test]
async fn carrier_receives_address_contents_and_reference() {
    let harness = Harness::start().await;
    start_order(&harness, "parcel-race-6").await;
    harness.wait_for_end("parcel-race-6").await;
    let consignment = read_consignment(&harness.pool, "parcel-race-6-PKG-001")
        .await
        .unwrap()
        .unwrap();
    let order = harness
        .get("/orders/parcel-race-6")
        .await
        .expect_status(200);
    assert_eq!(consignment["reference"], "parcel-race-6");
    assert_eq!(
        consignment["address"]["street"],
        order["shipping_address"]["street"]
    );
    assert_eq!(
        (
            &consignment["contents"][0]["sku"],
            &consignment["contents"][0]["quantity"]
        ),
        (&order["items"][0]["sku"], &order["items"][0]["quantity"])
    );
    harness.assert_invariants().await;
}

/// Starts an order whose shipping attempt waits, so that only the test writes the shipment.
async fn start_waiting_shipment(id: &str) -> Harness {
    let harness = Harness::start_with(&[("SHIPPING_DELAY", "1h")]).await;
    start_order(&harness, id).await;
    wait_for_audit_event(&harness, id, "shipment_started").await;
    harness
}

async fn prepare_shipment(harness: &Harness, id: &str, attempt: u32, street: &str) {
    let package = Package {
        order_id: &OrderId::parse(id).unwrap(),
        shipment_id: &format!("{id}-PKG-001"),
        attempt,
        address: &json!({"street": street}),
        items: &json!([]),
    };
    shipments::prepare(&harness.pool, package).await.unwrap();
}

async fn record_dispatch(
    harness: &Harness,
    id: &str,
    tracking_number: &str,
) -> Result<(), store::Error> {
    let package = Package {
        order_id: &OrderId::parse(id).unwrap(),
        shipment_id: &format!("{id}-PKG-001"),
        attempt: 0,
        address: &json!(null),
        items: &json!([]),
    };
    shipments::record_dispatch(&harness.pool, package, tracking_number).await
}

#[tokio::test]
async fn late_preparation_keeps_address_of_latest_attempt() {
    let harness = start_waiting_shipment("parcel-race-7").await;
    let street = async || -> Value {
        let address = shipments::read_address(&harness.pool, "parcel-race-7-PKG-001").await;
        address.unwrap().unwrap()["street"].clone()
    };
    prepare_shipment(&harness, "parcel-race-7", 2, "new").await;
    prepare_shipment(&harness, "parcel-race-7", 1, "old").await;
    assert_eq!(street().await, "new");
    prepare_shipment(&harness, "parcel-race-7", 3, "newest").await;
    assert_eq!(street().await, "newest");
    harness.assert_invariants().await;
}

#[tokio::test]
async fn second_dispatch_of_shipment_is_an_error() {
    let harness = start_waiting_shipment("parcel-race-8").await;
    let dispatch = async |tracking_number: &str| {
        record_dispatch(&harness, "parcel-race-8", tracking_number).await
    };
    for _ in 0..2 {
        dispatch("T-1").await.unwrap();
    }
    assert!(dispatch("T-2").await.is_err());
    harness.assert_invariants().await;
}

#[tokio::test]
async fn cancelled_order_discards_its_prepared_shipment() {
    let harness = start_waiting_shipment("parcel-race-9").await;
    prepare_shipment(&harness, "parcel-race-9", 1, "1 Main St").await;
    harness
        .post("/orders/parcel-race-9/cancel", json!({}))
        .await
        .expect_status(200);
    harness.wait_for_end("parcel-race-9").await;
    prepare_shipment(&harness, "parcel-race-9", 2, "late").await;
    assert!(
        record_dispatch(&harness, "parcel-race-9", "T-1")
            .await
            .is_err()
    );
    assert_nothing_shipped(&harness, "parcel-race-9").await;
}
