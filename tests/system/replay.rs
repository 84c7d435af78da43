//! Recorded histories replay on the current code. A change that breaks a replay would break running
//! orders.
//!
//! `RECORD_HISTORIES=1 cargo test -p orderflow-system-tests replay::record_missing_histories`
//! records the missing histories. Old histories stay until their patch is removed (CONTRIBUTING.md).

use std::{env, fs, path::PathBuf};

use serde_json::{Value, json};
use temporalio_client::{
    Client, WorkflowFetchHistoryOptions, WorkflowGetResultOptions, WorkflowHistory,
};
use temporalio_sdk::workflow_replayer::{WorkflowReplayer, WorkflowReplayerOptions};

use crate::{
    api::{order_with_payment, sample_order},
    harness::Harness,
};
use store::simulator::{Fault, add_fault};
use workflows::{
    OrderWorkflow, RefundWorkflow, ReturnWorkflow, SettlementWorkflow, ShippingWorkflow,
    request_quota,
};

fn histories_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("histories")
}

fn read_histories() -> Vec<(String, Vec<u8>)> {
    let mut histories: Vec<_> = fs::read_dir(histories_folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .map(|path| {
            (
                path.file_stem().unwrap().to_string_lossy().into_owned(),
                fs::read(&path).unwrap(),
            )
        })
        .collect();
    histories.sort();
    histories
}

#[tokio::test]
async fn recorded_histories_replay() {
    let options = WorkflowReplayerOptions::new();
    let options = options
        .register_workflow::<OrderWorkflow>()
        .unwrap()
        .register_workflow::<ShippingWorkflow>()
        .unwrap();
    let options = options.register_workflow::<SettlementWorkflow>().unwrap();
    let options = options.register_workflow::<RefundWorkflow>().unwrap();
    let options = options.register_workflow::<ReturnWorkflow>().unwrap();
    let options = options.register_workflow_interceptors(vec![request_quota()]);
    let replayer = WorkflowReplayer::new(options.build()).unwrap();
    let histories = read_histories();
    assert!(histories.len() >= 10, "only {} histories", histories.len());
    // With and without a question to the carrier.
    for required in ["delivery-not-confirmed", "delivery-not-asked"] {
        let is_found = histories.iter().any(|(name, _)| name == required);
        assert!(is_found, "no history {required}");
    }
    for (name, history) in histories {
        let history = WorkflowHistory::from_json(&history).unwrap();
        let replayed = replayer.replay_workflow(history).await;
        assert!(replayed.is_ok(), "{name}: {:?}", replayed.err());
    }
}

/// Proves that the test above can fail.
#[tokio::test]
async fn changed_history_does_not_replay() {
    let options = WorkflowReplayerOptions::new()
        .register_workflow::<OrderWorkflow>()
        .unwrap();
    let replayer = WorkflowReplayer::new(options.build()).unwrap();
    let (_, history) = read_histories()
        .into_iter()
        .find(|(name, _)| name == "delivered")
        .unwrap();
    let mut history: Value = serde_json::from_slice(&history).unwrap();
    let scheduled = |event: &mut Value| {
        event
            .pointer("/attributes/ActivityTaskScheduledEventAttributes")
            .is_some()
    };
    let events = history["events"].as_array_mut().unwrap();
    let charge = events
        .iter_mut()
        .find_map(|event| scheduled(event).then_some(event))
        .unwrap();
    charge["attributes"]["ActivityTaskScheduledEventAttributes"]["activity_type"]["name"] =
        json!("ChargeTwice");
    let history = WorkflowHistory::from_json(history.to_string().as_bytes()).unwrap();
    assert!(replayer.replay_workflow(history).await.is_err());
}

#[tokio::test]
async fn record_missing_histories() {
    if env::var_os("RECORD_HISTORIES").is_none() {
        println!("no histories recorded; set RECORD_HISTORIES=1 to record the missing ones");
        return;
    }
    let harness = Harness::start_with(&[("DELIVERY", "auto:0s")]).await;
    start_order(&harness, "immediate", order_with_payment("r-immediate")).await;
    harness.wait_for_end("immediate").await;
    let client = harness.connect_to_temporal().await;
    let handle = client.get_workflow_handle::<OrderWorkflow>("order-immediate");
    let closed = handle.get_result(WorkflowGetResultOptions::default()).await;
    assert_eq!(closed.unwrap().status.as_str(), "delivered");
    save_history(&client, "delivered-immediately", "order-immediate").await;
    crate::recovery::run_lost_order(&harness, "recovered").await;
    let handle = client.get_workflow_handle::<OrderWorkflow>("order-recovered");
    let closed = handle.get_result(WorkflowGetResultOptions::default()).await;
    assert_eq!(closed.unwrap().status.as_str(), "cancelled");
    save_history(&client, "recovered", "order-recovered").await;
    crate::carriers::questions::run_unconfirmed_order(&harness, "unconfirmed").await;
    let handle = client.get_workflow_handle::<OrderWorkflow>("order-unconfirmed");
    let closed = handle.get_result(WorkflowGetResultOptions::default()).await;
    assert_eq!(closed.unwrap().status.as_str(), "delivered");
    save_history(&client, "delivery-not-confirmed", "order-unconfirmed").await;
    let harness = Harness::start_with(&[("SHIPPING_DELAY", "2s")]).await;
    let client = harness.connect_to_temporal().await;
    let [open, ended] = crate::refunds::run_refunded_order(&harness, "refunded").await;
    for (name, workflow_id) in [
        ("refunded-while-open", "order-refunded"),
        ("refund-of-an-open-order", &open),
        ("refund-of-items", &ended),
    ] {
        save_history(&client, name, workflow_id).await;
    }
    let [returned, _] = crate::returns::run_returned_order(&harness, "returned-units").await;
    save_history(&client, "return-received", &returned).await;
    run_delivered_order(&harness).await;
    run_recalled_orders(&harness).await;
    run_failing_orders(&harness).await;
    run_waiting_orders(&harness).await;
    run_orders_paid_twice(&harness).await;
    run_orders_with_deadline(&harness).await;
    for (name, workflow_id) in [
        ("delivered", "order-delivered"),
        ("delivered-after-a-wait", "order-delivered"),
        ("shipping-dispatched", "shipping-delivered-1"),
        ("cancelled-while-preparing", "order-cancelled"),
        ("shipping-stopped", "shipping-cancelled-1"),
        ("cancelled-by-temporal", "order-by-temporal"),
        ("redirected", "order-redirected"),
        ("dispatch-failed", "order-dispatch-failed"),
        ("shipping-failed", "shipping-dispatch-failed-1"),
        ("declined", "order-declined"),
        ("charge-answer-lost", "order-lost"),
        ("invalid", "order-invalid"),
        ("approved", "order-approved"),
        ("rejected", "order-rejected"),
        ("review-timed-out", "order-unreviewed"),
        ("payment-confirmed", "order-confirmed"),
        ("payment-timed-out", "order-unpaid"),
        ("payment-cancelled", "order-payment-cancelled"),
        (
            "payment-cancelled-while-uncertain",
            "order-payment-uncertain",
        ),
        ("payment-accepted-early", "order-early"),
        ("deadline-watched", "order-watched"),
        ("deadline-passed", "order-overdue"),
    ] {
        save_history(&client, name, workflow_id).await;
    }
    let harness = crate::shipping_races::run_stopped_orders().await;
    for name in ["stopped-unshipped", "stopped-in-recall"] {
        save_history(
            &harness.connect_to_temporal().await,
            name,
            &format!("order-{name}"),
        )
        .await;
    }
    let harness = crate::auth::reservation_limits::run_late_payment().await;
    let client = harness.connect_to_temporal().await;
    save_history(&client, "reserved-again", "order-paid-late").await;
    let bounded = crate::bounded_history::run_continued_order().await;
    let client = bounded.harness.connect_to_temporal().await;
    save_history(&client, "continued", "order-continued").await;
    let harness = crate::settlements::run_webhook_orders().await;
    for (name, workflow_id) in [
        ("paid-by-notification", "order-notified"),
        ("refunded-at-the-provider", "order-notified-back"),
        (
            "settled-second-payment",
            "settlement-stripe-notified-second",
        ),
        ("settled-late-payment", "settlement-stripe-notified-late"),
        (
            "settled-unknown-order",
            "settlement-standard-notified-nobody",
        ),
        (
            "settled-refund-by-transaction",
            "settlement-square-notified-back",
        ),
    ] {
        save_history(&harness.connect_to_temporal().await, name, workflow_id).await;
    }
    if let Some(harness) = crate::stripe::run_unconfirmed_payments().await {
        for name in ["customer-confirmed", "customer-unheard", "customer-silent"] {
            save_history(
                &harness.connect_to_temporal().await,
                name,
                &format!("order-{name}"),
            )
            .await;
        }
    }
}

async fn run_delivered_order(harness: &Harness) {
    start_order(harness, "delivered", order_with_payment("r-1")).await;
    harness.wait_for_end("delivered").await;
}

async fn run_recalled_orders(harness: &Harness) {
    for id in ["cancelled", "redirected", "by-temporal"] {
        start_order(harness, id, order_with_payment(id)).await;
        harness.wait_for_status(id, "preparing").await;
    }
    harness
        .post(
            "/orders/cancelled/cancel",
            json!({"reason": "changed my mind"}),
        )
        .await
        .expect_status(200);
    harness
        .post(
            "/orders/redirected/signals/update-address",
            json!({"street": "2 Side St"}),
        )
        .await
        .expect_status(200);
    let handle = harness
        .connect_to_temporal()
        .await
        .get_workflow_handle::<OrderWorkflow>("order-by-temporal");
    handle
        .cancel(temporalio_client::WorkflowCancelOptions::default())
        .await
        .unwrap();
    for id in ["cancelled", "redirected", "by-temporal"] {
        harness.wait_for_end(id).await;
    }
}

async fn run_failing_orders(harness: &Harness) {
    add_fault(
        &harness.pool,
        "dispatch",
        "dispatch-failed",
        Fault::Fail,
        100,
    )
    .await
    .unwrap();
    add_fault(&harness.pool, "charge", "declined", Fault::Decline, 1)
        .await
        .unwrap();
    add_fault(&harness.pool, "charge", "lost", Fault::Lose, 1)
        .await
        .unwrap();
    for id in ["dispatch-failed", "declined", "lost"] {
        start_order(harness, id, order_with_payment(id)).await;
    }
    let client = harness.connect_to_temporal().await;
    let input = workflows::OrderInput {
        order: json!({"items": [{"sku": "A"}]}),
        ..workflows::OrderInput::default()
    };
    let options = temporalio_client::WorkflowStartOptions::new(
        harness.orders_task_queue.clone(),
        "order-invalid",
    )
    .build();
    client
        .start_workflow(
            OrderWorkflow::run,
            workflows::Message::Valid(input),
            options,
        )
        .await
        .unwrap();
    for id in ["dispatch-failed", "declined", "lost", "invalid"] {
        harness.wait_for_end(id).await;
    }
}

async fn run_waiting_orders(harness: &Harness) {
    for (id, profile) in [
        ("approved", "approval"),
        ("rejected", "approval"),
        ("unreviewed", "lifecycle"),
        ("confirmed", "checkout"),
    ] {
        let mut order = sample_order();
        order["profile"] = json!(profile);
        start_order(harness, id, order).await;
    }
    let client = harness.connect_to_temporal().await;
    let mut policy = domain::Profile::Checkout.policy();
    policy.payment_timeout = domain::Span::from_secs(1);
    let input = workflows::OrderInput {
        order: sample_order(),
        policy: Some(policy),
        ..workflows::OrderInput::default()
    };
    let options = temporalio_client::WorkflowStartOptions::new(
        harness.orders_task_queue.clone(),
        "order-unpaid",
    )
    .build();
    client
        .start_workflow(
            OrderWorkflow::run,
            workflows::Message::Valid(input),
            options,
        )
        .await
        .unwrap();
    harness
        .post(
            "/orders/approved/signals/approve",
            json!({"reviewer": "ann"}),
        )
        .await
        .expect_status(200);
    harness
        .post(
            "/orders/rejected/signals/reject",
            json!({"reason": "fraud"}),
        )
        .await
        .expect_status(200);
    harness
        .post(
            "/orders/confirmed/payment",
            json!({"transaction_id": "r-tx", "amount": 99.99}),
        )
        .await
        .expect_status(200);
    for id in ["approved", "rejected", "unreviewed", "confirmed", "unpaid"] {
        harness.wait_for_end(id).await;
    }
}

async fn run_orders_paid_twice(harness: &Harness) {
    add_fault(
        &harness.pool,
        "dispatch",
        "payment-uncertain",
        Fault::Fail,
        3,
    )
    .await
    .unwrap();
    let mut policy = domain::Profile::Approval.policy();
    policy.payment = domain::PaymentMode::Confirm;
    let input = workflows::OrderInput {
        order: sample_order(),
        policy: Some(policy),
        ..workflows::OrderInput::default()
    };
    let input = workflows::OrderInput {
        shipping_task_queue: Some(harness.shipping_task_queue.clone()),
        ..input
    };
    let options = temporalio_client::WorkflowStartOptions::new(
        harness.orders_task_queue.clone(),
        "order-early",
    )
    .build();
    let client = harness.connect_to_temporal().await;
    client
        .start_workflow(
            OrderWorkflow::run,
            workflows::Message::Valid(input),
            options,
        )
        .await
        .unwrap();
    for id in ["payment-cancelled", "payment-uncertain"] {
        start_order(harness, id, order_with_payment(id)).await;
        harness.wait_for_status(id, "preparing").await;
    }
    harness
        .post(
            "/orders/payment-cancelled/signals/cancel-payment",
            json!({}),
        )
        .await
        .expect_status(200);
    let trail = async || harness.audit_event_types("payment-uncertain").await;
    harness
        .wait_until("a failed attempt", trail, |trail| {
            trail.contains(&"dispatch_failed".to_owned())
        })
        .await;
    harness
        .post(
            "/orders/payment-uncertain/signals/cancel-payment",
            json!({}),
        )
        .await
        .expect_status(200);
    for id in ["payment-cancelled", "payment-uncertain"] {
        let paid = json!({"transaction_id": format!("r-{id}"), "amount": 99.99});
        harness
            .post(&format!("/orders/{id}/payment"), paid)
            .await
            .expect_status(200);
    }
    let read_status = async || harness.get("/orders/early/status").await.body;
    harness
        .wait_until("the review", read_status, |body| {
            body["step"] == "manual_review"
        })
        .await;
    harness
        .post(
            "/orders/early/payment",
            json!({"transaction_id": "r-early", "amount": 99.99}),
        )
        .await
        .expect_status(200);
    harness
        .post("/orders/early/signals/approve", json!({}))
        .await
        .expect_status(200);
    for id in ["payment-cancelled", "payment-uncertain", "early"] {
        harness.wait_for_end(id).await;
    }
}

async fn run_orders_with_deadline(harness: &Harness) {
    add_fault(&harness.pool, "charge", "overdue", Fault::Fail, 100)
        .await
        .unwrap();
    for (id, profile) in [("watched", "approval"), ("overdue", "quick")] {
        let mut order = order_with_payment(&format!("r-{id}"));
        order["profile"] = json!(profile);
        start_order(harness, id, order).await;
        harness
            .post(&format!("/orders/{id}/signals/approve"), json!({}))
            .await
            .expect_status(200);
    }
    for id in ["watched", "overdue"] {
        harness.wait_for_end(id).await;
    }
}

async fn start_order(harness: &Harness, id: &str, order: Value) {
    harness
        .post(&format!("/orders/{id}/start"), order)
        .await
        .expect_status(202);
}

async fn save_history(client: &Client, name: &str, workflow_id: &str) {
    let file = histories_folder().join(format!("{name}.json"));
    if file.exists() {
        return;
    }
    let handle = client.get_workflow_handle::<OrderWorkflow>(workflow_id);
    let json = handle
        .fetch_history(WorkflowFetchHistoryOptions::default())
        .to_json()
        .await
        .unwrap();
    let mut history: Value = serde_json::from_slice(&json).unwrap();
    remove_machine_names(&mut history);
    let text = serde_json::to_string_pretty(&history).unwrap();
    fs::write(file, text + "\n").unwrap();
}

/// Replaces process and host names, which must not be in the repository.
fn remove_machine_names(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                // The name of a worker's own task queue contains its process and host.
                if name == "identity"
                    || field
                        .as_str()
                        .is_some_and(|text| name == "name" && text.contains('@'))
                {
                    *field = json!("worker");
                } else {
                    remove_machine_names(field);
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(remove_machine_names),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
