//! Orders that one worker began and another one finishes.
//!
//! `.ci/checks/upgrade.sh` runs these tests with the worker of the last release as the first or the
//! second one, by the paths in `FIRST_WORKER` and `SECOND_WORKER`. Without them, both are the current
//! worker, and the test is one of a restart.

use std::env;

use futures::future::join_all;
use serde_json::{Value, json};

use crate::{
    api::{order_with_payment, sample_order},
    harness::Harness,
    settlements::WebhookSender,
    webhooks::start_with_webhooks,
    write_path::{assert_gapless_audit_log, execute},
};
use devstack::Process;
use domain::WebhookProvider::Stripe;
use payment_webhooks::SampleKind::{self, Disputed, Paid};
use store::simulator::{Fault, add_fault, count_faults};

const TOTAL: &str = "99.99";

/// Orders that wait for the confirmation of their delivery at the end.
const CONFIRMED: [&str; 5] = [
    "up-review",
    "up-preparing",
    "up-shipped",
    "up-charging",
    "up-recalled",
];

/// Orders of the profile `checkout`, which are delivered without a confirmation.
const UNATTENDED: [&str; 3] = ["up-unpaid", "up-held", "up-later"];

/// Starts the program in this variable as a worker, or the current one.
async fn start_worker(harness: &Harness, variable: &str) -> Process {
    let current = env!("CARGO_BIN_EXE_worker-under-test");
    let program = env::var(variable).unwrap_or_else(|_| current.to_owned());
    harness.start_program_as_worker(variable, &program).await
}

/// Returns an order that waits for a payment event.
fn unpaid_order() -> Value {
    let mut order = sample_order();
    order["profile"] = json!("checkout");
    order
}

async fn start(harness: &Harness, id: &str, order: Value) {
    harness
        .post(&format!("/orders/{id}/start"), order)
        .await
        .expect_status(202);
}

/// Sends an event about the payment of the order, and returns the id of the event.
async fn report(harness: &Harness, kind: SampleKind, id: &str) -> String {
    let stripe = WebhookSender::new(harness, Stripe);
    let payment = stripe.payment(id, &format!("pi_{id}"), TOTAL);
    assert_eq!(stripe.send_event(kind, &payment, "up").await, 200);
    stripe.event_id(kind, &payment, "up")
}

async fn wait_for_event(harness: &Harness, id: &str, kind: &str) {
    let kinds = async || harness.audit_event_types(id).await;
    harness
        .wait_until(&format!("{kind} of {id}"), kinds, |kinds| {
            kinds.iter().any(|found| found == kind)
        })
        .await;
}

/// Waits until the order names this reason of its wait.
async fn wait_for_reason(harness: &Harness, id: &str, reason: &str) {
    let read = async || {
        let order = harness.get(&format!("/orders/{id}")).await.body;
        let found = order["waiting_for"]["reason"].clone();
        (found, harness.audit_event_types(id).await)
    };
    harness
        .wait_until(&format!("{reason} of {id}"), read, |(found, _)| {
            found == reason
        })
        .await;
}

/// Waits until the simulator has injected this fault.
async fn wait_for_fault(harness: &Harness, operation: &str, id: &str, left: i64) {
    let faults = async || count_faults(&harness.pool, operation, id).await.unwrap();
    harness
        .wait_until(&format!("{operation} of {id}"), faults, |found| {
            *found <= left
        })
        .await;
}

/// Sends a request whose response depends on a worker that stops in the meantime.
async fn request_change(harness: &Harness, id: &str, signal: &str, body: Value) {
    let path = format!("/orders/{id}/signals/{signal}");
    harness.post_without_retry(&path, &body, &[]).await;
}

/// Starts orders that wait for time or for a request, each for another reason.
async fn start_waiting_orders(harness: &Harness) {
    let mut expensive = order_with_payment("pmt-up-review");
    expensive["items"][0]["unit_price"] = json!("5000.00");
    start(harness, "up-review", expensive).await;
    start(harness, "up-unpaid", unpaid_order()).await;
    start(harness, "up-shipped", order_with_payment("pmt-up-shipped")).await;
    start(harness, "up-held", unpaid_order()).await;
    wait_for_event(harness, "up-held", "payment_requested").await;
    // A dispute that arrives before the payment holds the order before its dispatch.
    let disputed = report(harness, Disputed, "up-held").await;
    harness.wait_for_outcome(&disputed).await;
    report(harness, Paid, "up-held").await;
    for (id, reason) in [
        ("up-review", "review"),
        ("up-unpaid", "payment"),
        ("up-held", "payment_hold"),
        ("up-shipped", "delivery"),
    ] {
        wait_for_reason(harness, id, reason).await;
    }
}

/// Starts orders whose external calls fail or hang.
async fn start_failing_orders(harness: &Harness) {
    for (operation, id, fault, times) in [
        ("refund", "up-refunding", Fault::Fail, 1_000),
        ("charge", "up-charging", Fault::Hang, 1),
        // Each call hangs, so that a slow request for the change still finds the shipment unconfirmed.
        ("dispatch", "up-recalled", Fault::Hang, 1_000),
        ("cancel_shipment", "up-recalled", Fault::Hang, 1_000),
    ] {
        add_fault(&harness.pool, operation, id, fault, times)
            .await
            .unwrap();
    }
    for id in ["up-refunding", "up-recalled"] {
        start(harness, id, order_with_payment(&format!("pmt-{id}"))).await;
    }
    let refund = async {
        wait_for_event(harness, "up-refunding", "shipment_started").await;
        futures::join!(
            request_change(harness, "up-refunding", "cancel", json!({})),
            wait_for_fault(harness, "refund", "up-refunding", 998),
        );
    };
    let recall = async {
        wait_for_fault(harness, "dispatch", "up-recalled", 999).await;
        let street = json!({"street": "2 Side St"});
        futures::join!(
            request_change(harness, "up-recalled", "update-address", street),
            wait_for_fault(harness, "cancel_shipment", "up-recalled", 999),
        );
    };
    futures::join!(refund, recall);
    for id in ["up-preparing", "up-charging"] {
        start(harness, id, order_with_payment(&format!("pmt-{id}"))).await;
    }
    wait_for_reason(harness, "up-preparing", "shipping_delay").await;
    wait_for_fault(harness, "charge", "up-charging", 0).await;
}

/// Sends the payment of an order that does not exist yet, so that its settlement waits.
async fn start_settlement(harness: &Harness) {
    report(harness, Paid, "up-later").await;
    let outcome = async || {
        store::webhook_events::list(&harness.pool, None, Some("up-later"), 1)
            .await
            .unwrap()
            .pop()
            .map(|event| event.outcome)
    };
    harness
        .wait_until("the settlement", outcome, |outcome| {
            outcome.as_deref() == Some("pending")
        })
        .await;
}

/// Ends every wait, so that each order goes on.
async fn release_orders(harness: &Harness) {
    execute(harness, "update simulator.faults set times = 0").await;
    for id in ["up-review", "up-held"] {
        harness
            .post(&format!("/orders/{id}/signals/approve"), json!({}))
            .await
            .expect_status(200);
    }
    report(harness, Paid, "up-unpaid").await;
    start(harness, "up-later", unpaid_order()).await;
}

#[tokio::test]
async fn orders_survive_change_of_worker() {
    let harness = start_with_webhooks(&[
        ("SHIPPING_DELAY", "15s"),
        ("DELIVERY", "confirm"),
        ("REVIEW_THRESHOLD", "1000"),
        ("SETTLEMENT_GRACE", "45s"),
    ])
    .await;
    harness.worker.stop().await;
    let first = start_worker(&harness, "FIRST_WORKER").await;
    start_waiting_orders(&harness).await;
    start_failing_orders(&harness).await;
    start_settlement(&harness).await;
    first.stop().await;
    let _second = start_worker(&harness, "SECOND_WORKER").await;
    release_orders(&harness).await;
    let deliver = async |id: &str| {
        harness.wait_for_status(id, "shipped").await;
        harness
            .post(&format!("/orders/{id}/signals/confirm-delivery"), json!({}))
            .await
            .expect_status(200);
    };
    join_all(CONFIRMED.map(deliver)).await;
    let delivered = CONFIRMED.iter().chain(&UNATTENDED);
    let delivered = delivered.map(|id| (*id, "delivered"));
    for (id, status) in delivered.chain([("up-refunding", "cancelled")]) {
        let ended = harness.wait_for_end(id).await;
        assert_eq!(ended.status.as_str(), status, "{id}");
        assert_gapless_audit_log(&harness, id).await;
    }
    for (id, movements) in [
        ("up-refunding", &["capture", "refund"][..]),
        ("up-charging", &["capture"]),
        ("up-recalled", &["capture"]),
    ] {
        assert_eq!(harness.provider_movements(id).await, movements, "{id}");
    }
    let street = sqlx::query_scalar::<_, String>(
        "select consignment_json #>> '{address,street}' from simulator.parcels
         where order_id = 'up-recalled' and state = 'dispatched'",
    );
    assert_eq!(street.fetch_one(&harness.pool).await.unwrap(), "2 Side St");
    harness.assert_invariants().await;
}

/// An older worker must also run on the schema of the current release.
#[tokio::test]
async fn new_order_completes_on_second_worker() {
    let harness = Harness::start().await;
    harness.worker.stop().await;
    let _second = start_worker(&harness, "SECOND_WORKER").await;
    start(&harness, "up-new", order_with_payment("pmt-up-new")).await;
    let ended = harness.wait_for_end("up-new").await;
    assert_eq!(ended.status.as_str(), "delivered");
    assert_gapless_audit_log(&harness, "up-new").await;
    harness.assert_invariants().await;
}
