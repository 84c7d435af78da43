//! The shipment of an order: late writes of earlier attempts, and the carrier's copy.

use serde_json::{Value, json};

use crate::{api::order_with_payment, harness::Harness};
use domain::OrderId;
use store::{
    shipments::{self, Package},
    simulator::read_consignment,
};

async fn start_order(harness: &Harness, id: &str) {
    harness
        .post(&format!("/orders/{id}/start"), order_with_payment(id))
        .await
        .expect_status(202);
}

async fn wait_for_audit_event(harness: &Harness, id: &str, kind: &str) {
    let kinds = async || harness.audit_event_types(id).await;
    harness
        .wait_until(kind, kinds, |kinds| kinds.iter().any(|found| found == kind))
        .await;
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
async fn dispatch_of_unprepared_shipment_is_an_error() {
    let harness = start_waiting_shipment("parcel-race-8").await;
    let dispatch = async |tracking_number: &str| {
        shipments::record_dispatch(&harness.pool, "parcel-race-8-PKG-001", tracking_number).await
    };
    assert!(dispatch("T-1").await.is_err());
    prepare_shipment(&harness, "parcel-race-8", 1, "1 Main St").await;
    for _ in 0..2 {
        dispatch("T-1").await.unwrap();
    }
    assert!(dispatch("T-2").await.is_err());
    harness.assert_invariants().await;
}
