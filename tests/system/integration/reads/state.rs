//! The fields of the full and the short order state.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{api::order_with_payment, harness::Harness};
use store::simulator::{Fault, add_fault};

/// Asserts that the object has every one of these fields.
#[track_caller]
fn assert_has_fields(object: &Value, fields: &str) {
    let there: BTreeSet<_> = object
        .as_object()
        .unwrap_or_else(|| panic!("{object}"))
        .keys()
        .map(String::as_str)
        .collect();
    let missing: Vec<_> = fields
        .split(", ")
        .filter(|field| !there.contains(field))
        .collect();
    assert!(missing.is_empty(), "{missing:?} are not in {object}");
}

const FULL: &str = "order_id, workflow_id, customer_id, customer, items, shipping_address, currency, total_amount, status, step, \
    is_running, payment_info, shipment_info, estimated_delivery, cancellation_reason, failure, retries, created_at, updated_at, \
    source";

#[tokio::test]
async fn order_state_has_every_documented_field() {
    let harness = Harness::start().await;
    add_fault(&harness.pool, "charge", "state-lost", Fault::Fail, 1)
        .await
        .unwrap();
    add_fault(&harness.pool, "dispatch", "state-failed", Fault::Fail, 100)
        .await
        .unwrap();
    for id in ["state-lost", "state-failed"] {
        harness
            .post(
                &format!("/orders/{id}/start"),
                order_with_payment(&format!("pmt-{id}")),
            )
            .await
            .expect_started();
    }
    futures::join!(
        harness.wait_for_end("state-lost"),
        harness.wait_for_end("state-failed")
    );
    for source in ["", "?source=database"] {
        let delivered = harness
            .get(&format!("/orders/state-lost{source}"))
            .await
            .expect_status(200);
        assert_has_fields(&delivered, FULL);
        assert_has_fields(
            &delivered["payment_info"],
            "payment_id, transaction_id, amount, payment_method, status, timestamp",
        );
        assert_has_fields(
            &delivered["shipment_info"],
            "tracking_number, provider, estimated_delivery, shipped_at, delivered_at",
        );
        assert_eq!(
            (&delivered["status"], &delivered["workflow_id"]),
            (&json!("delivered"), &json!("order-state-lost"))
        );
        assert_eq!(
            (&delivered["retries"], &delivered["failure"]),
            (&json!({"pay": 1}), &json!(null))
        );
        assert_eq!(
            (&delivered["customer_id"], &delivered["customer"]["name"]),
            (&json!("CUST-001"), &json!("John Doe"))
        );
        assert_eq!(
            delivered["items"],
            json!([{"sku": "ABC123", "name": "Laptop", "quantity": 1, "unit_price": 99.99}])
        );
        assert_eq!(delivered["shipment_info"]["provider"], "fedex");
        assert!(
            delivered["updated_at"].as_str().unwrap().ends_with('Z'),
            "UTC"
        );
        let failed = harness
            .get(&format!("/orders/state-failed{source}"))
            .await
            .expect_status(200);
        assert_has_fields(&failed, FULL);
        assert_has_fields(&failed["failure"], "code, detail");
        assert_eq!(
            (&failed["status"], &failed["failure"]["code"]),
            (&json!("failed"), &json!("dispatch_failed"))
        );
        assert_eq!(
            (&failed["payment_info"]["status"], &failed["shipment_info"]),
            (&json!("refunded"), &json!(null))
        );
        assert_eq!(
            (
                &failed["retries"]["dispatch"],
                &failed["estimated_delivery"]
            ),
            (&json!(3), &json!(null))
        );
        let status = harness
            .get(&format!("/orders/state-failed/status{source}"))
            .await
            .expect_status(200);
        assert_has_fields(
            &status,
            "order_id, workflow_id, status, step, is_running, updated_at, source",
        );
        assert_eq!(
            (&status["step"], &status["is_running"]),
            (&json!("done"), &json!(false))
        );
    }
    harness.assert_invariants().await;
}

#[tokio::test]
async fn repeated_call_shows_its_error_and_next_attempt() {
    let harness = Harness::start().await;
    for (operation, id, times) in [
        ("charge", "waits-charge", 5),
        ("dispatch", "waits-dispatch", 8),
    ] {
        add_fault(&harness.pool, operation, id, Fault::Fail, times)
            .await
            .unwrap();
        harness
            .post(
                &format!("/orders/{id}/start"),
                order_with_payment(&format!("pmt-{id}")),
            )
            .await
            .expect_started();
    }
    for (id, reason) in [
        ("waits-charge", "payment"),
        ("waits-dispatch", "shipping_delay"),
    ] {
        for source in ["", "?source=database"] {
            let read = async || harness.get(&format!("/orders/{id}{source}")).await.body;
            let order = harness
                .wait_until(&format!("an error of {id}{source}"), read, |order| {
                    order["waiting_for"]["last_error"].is_string() || order["is_running"] == false
                })
                .await;
            let wait = &order["waiting_for"];
            assert_eq!(wait["reason"], reason, "{order}");
            let time = |name: &str| {
                let text = wait[name].as_str().unwrap_or_else(|| panic!("{order}"));
                text.parse::<chrono::DateTime<chrono::Utc>>().unwrap()
            };
            assert!(time("next_attempt_at") <= time("until"), "{order}");
            assert!(
                !order["actions"]
                    .as_array()
                    .unwrap()
                    .contains(&json!("confirm-payment")),
                "{order}"
            );
        }
    }
    for id in ["waits-charge", "waits-dispatch"] {
        let ended = harness.wait_for_end(id).await;
        assert_eq!(ended.waiting_for, None);
    }
    harness.assert_invariants().await;
}
