//! Bugs of other order systems, each reproduced by one order.

use std::collections::BTreeSet;

use futures::future::join_all;
use serde_json::json;
use temporalio_client::WorkflowStartOptions;

use crate::{
    api::{order_with_payment, sample_order},
    harness::Harness,
};
use store::simulator::{Fault, add_fault};
use workflows::{Message, OrderInput, OrderWorkflow};

#[tokio::test]
async fn quantity_below_one_is_rejected_on_every_route() {
    let harness = Harness::start().await;
    for quantity in [
        json!(0),
        json!(-1),
        json!(-705),
        json!("-1"),
        json!(1.5),
        json!(1e30),
    ] {
        let mut order = order_with_payment("pmt-negative");
        order["items"][0]["quantity"] = quantity.clone();
        let problem = harness
            .post("/orders", order)
            .await
            .expect_problem(422, "invalid_request");
        assert_eq!(
            problem["errors"][0]["pointer"], "/items/0/quantity",
            "{quantity}: {problem}"
        );
    }
    // Started through Temporal without the API, the order fails with a reason, and reserves and
    // charges nothing.
    let client = harness.connect_to_temporal().await;
    let mut order = order_with_payment("pmt-negative");
    order["items"][0]["quantity"] = json!(-705);
    let input = OrderInput {
        order,
        shipping_task_queue: Some(harness.shipping_task_queue.clone()),
        ..OrderInput::default()
    };
    let options =
        WorkflowStartOptions::new(harness.orders_task_queue.clone(), "order-negative").build();
    client
        .start_workflow(OrderWorkflow::run, Message::Valid(input), options)
        .await
        .unwrap();
    let view = harness.wait_for_end("negative").await;
    assert_eq!(
        (view.status.as_str(), view.failure.unwrap().code.as_str()),
        ("failed", "invalid_order")
    );
    assert_eq!(
        harness.provider_movements("negative").await,
        [] as [&str; 0]
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn multiple_items_are_charged_exactly() {
    let harness = Harness::start().await;
    let mut order = order_with_payment("pmt-sum");
    order["items"] = json!([
        {"sku": "A", "quantity": 3, "price": "19.99"},
        {"sku": "B", "quantity": 7, "price": 0.1},
        {"sku": "C", "quantity": 1, "price": 1234.56},
        {"sku": "D", "quantity": 2, "price": "0.00"},
    ]);
    let started = harness.post("/orders", order).await;
    assert_eq!(started.body["total_amount"], 1295.23);
    let id = started.expect_started();
    let view = harness.wait_for_end(&id).await;
    assert_eq!(
        (
            view.status.as_str(),
            view.payment_info.unwrap().amount.to_string().as_str()
        ),
        ("delivered", "1295.23")
    );
    // The invariants include that the payment equals the amount in the provider's records.
    harness.assert_invariants().await;
}

#[tokio::test]
async fn unknown_fields_and_actions_are_rejected() {
    let harness = Harness::start().await;
    let mut order = sample_order();
    order["discout"] = json!(10);
    order["items"][0]["colour"] = json!("red");
    let problem = harness
        .post("/orders", order)
        .await
        .expect_problem(422, "invalid_request");
    let pointers: Vec<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].clone())
        .collect();
    assert_eq!(pointers, ["/items/0/colour", "/discout"]);
    let id = harness.post(
        "/orders",
        json!({"profile": "checkout", "items": sample_order()["items"], "address": "1 A St"}),
    );
    let id = id.await.expect_started();
    harness
        .post(&format!("/orders/{id}/signals/explode"), json!({}))
        .await
        .expect_problem(404, "route_not_found");
    harness
        .post(
            &format!("/orders/{id}/signals/cancel"),
            json!({"cause": "x"}),
        )
        .await
        .expect_problem(422, "invalid_request");
    assert_eq!(
        harness.get(&format!("/orders/{id}/status")).await.body["status"],
        "pending"
    );
    harness
        .post(&format!("/orders/{id}/cancel"), json!({}))
        .await
        .expect_status(200);
    harness.wait_for_end(&id).await;
}

#[tokio::test]
async fn unstocked_order_fails_without_retries() {
    let harness = Harness::start_with(&[("DEFAULT_STOCK", "0")]).await;
    let mut order = order_with_payment("pmt-nothing");
    order["items"] = json!([{"sku": "GONE-1", "quantity": 1, "price": 5}, {"sku": "GONE-2", "quantity": 2, "price": 5}]);
    let id = harness.post("/orders", order).await.expect_started();
    let view = harness.wait_for_end(&id).await;
    let failure = view.failure.unwrap();
    assert_eq!(
        (view.status.as_str(), failure.code.as_str()),
        ("failed", "out_of_stock")
    );
    assert!(
        failure.detail.starts_with("GONE-1 has 0 left"),
        "{}",
        failure.detail
    );
    assert!(view.retries.is_empty(), "{:?}", view.retries);
    assert_eq!(harness.provider_movements(&id).await, [] as [&str; 0]);
    harness.assert_invariants().await;
}

#[tokio::test]
async fn failed_dispatch_ends_order() {
    let harness = Harness::start().await;
    add_fault(&harness.pool, "dispatch", "stuck", Fault::Fail, 100)
        .await
        .unwrap();
    harness
        .post("/orders/stuck/start", order_with_payment("pmt-stuck"))
        .await
        .expect_status(202);
    let view = harness.wait_for_end("stuck").await;
    assert_eq!(
        (view.status.as_str(), view.failure.unwrap().code.as_str()),
        ("failed", "dispatch_failed")
    );
    assert_eq!(
        harness.provider_movements("stuck").await,
        ["capture", "refund"]
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn carrier_receives_changed_address() {
    let harness = Harness::start_with(&[("REVIEW_THRESHOLD", "1")]).await;
    let id = harness
        .post("/orders", order_with_payment("pmt-address"))
        .await
        .expect_started();
    harness
        .post(
            &format!("/orders/{id}/signals/update-address"),
            json!({"street": "123 Main St, 2nd floor"}),
        )
        .await
        .expect_status(200);
    harness
        .post(&format!("/orders/{id}/signals/approve"), json!({}))
        .await
        .expect_status(200);
    assert_eq!(
        harness
            .wait_for_end(&id)
            .await
            .shipping_address
            .unwrap()
            .street,
        "123 Main St, 2nd floor"
    );
    let address = store::shipments::read_address(&harness.pool, &format!("{id}-PKG-001"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (&address["street"], &address["city"]),
        (&json!("123 Main St, 2nd floor"), &json!("Anytown"))
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn cancellation_is_written_to_database() {
    let harness = Harness::start().await;
    let mut order = sample_order();
    order["profile"] = json!("checkout");
    let id = harness.post("/orders", order).await.expect_started();
    harness
        .post(
            &format!("/orders/{id}/cancel"),
            json!({"reason": "changed my mind"}),
        )
        .await
        .expect_status(200);
    harness.wait_for_end(&id).await;
    let row = harness
        .get(&format!("/orders/{id}?source=database"))
        .await
        .expect_status(200);
    assert_eq!(
        (&row["status"], &row["source"]),
        (&json!("cancelled"), &json!("database"))
    );
    assert_eq!(row["cancellation_reason"], "changed my mind");
}

#[tokio::test]
async fn second_start_reports_already_started() {
    let harness = Harness::start().await;
    let body = json!({"payment_id": "pmt-twice"});
    let first = harness
        .post("/orders/twice/start", body.clone())
        .await
        .expect_status(202);
    let second = harness
        .post("/orders/twice/start", body)
        .await
        .expect_status(202);
    assert_eq!(
        (&second["already_started"], &second["run_id"]),
        (&json!(true), &first["run_id"])
    );
    harness
        .post("/orders/twice/start", json!({"payment_id": "pmt-other"}))
        .await
        .expect_problem(409, "order_exists");
    harness.wait_for_end("twice").await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn orders_of_one_second_have_unique_ids() {
    let harness = Harness::start().await;
    let started = join_all((0..20).map(async |_| {
        harness
            .post("/orders", sample_order())
            .await
            .expect_started()
    }))
    .await;
    assert_eq!(
        started.iter().collect::<BTreeSet<_>>().len(),
        20,
        "{started:?}"
    );
    for id in &started {
        harness
            .post(&format!("/orders/{id}/cancel"), json!({}))
            .await
            .expect_status(200);
        harness.wait_for_end(id).await;
    }
}

#[tokio::test]
async fn charge_retry_uses_first_idempotency_key() {
    let harness = Harness::start().await;
    add_fault(&harness.pool, "charge", "key", Fault::Lose, 3)
        .await
        .unwrap();
    harness
        .post("/orders/key/start", order_with_payment("pmt-key"))
        .await
        .expect_status(202);
    let view = harness.wait_for_end("key").await;
    assert_eq!(
        (view.status.as_str(), view.retries.values().sum::<u32>()),
        ("delivered", 3)
    );
    assert_eq!(harness.provider_movements("key").await, ["capture"]);
    harness.assert_invariants().await;
}
