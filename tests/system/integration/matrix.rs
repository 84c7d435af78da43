//! Each request in each state of an order, over HTTP and as the Temporal signal of the same name.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use temporalio_client::{UntypedSignal, WorkflowSignalOptions};
use temporalio_common::{data_converters::RawValue, protos::temporal::api::common::v1::Payload};

use crate::{
    api::{ApiResponse, order_with_payment, sample_order},
    harness::Harness,
};
use contract::OrderAction;
use workflows::OrderWorkflow;

/// The seven requests: route, signal, and a body that would change the order.
fn requests() -> [(&'static str, &'static str, Value); 7] {
    [
        (
            "signals/approve",
            "approve_order",
            json!({"reviewer": "ann"}),
        ),
        ("signals/reject", "reject_order", json!({"reason": "fraud"})),
        (
            "signals/cancel",
            "cancel_order",
            json!({"reason": "enough"}),
        ),
        (
            "signals/update-address",
            "update_address",
            json!({"street": "2 Side St"}),
        ),
        ("signals/cancel-payment", "cancel_payment", json!({})),
        (
            "payment",
            "confirm_payment",
            json!({"transaction_id": "tx-matrix", "amount": 99.99}),
        ),
        (
            "signals/confirm-delivery",
            "confirm_delivery",
            json!({"signed_by": "bob"}),
        ),
    ]
}

/// The other requests of [`OrderAction`]: route, and a body that would change the
/// order. The route of `PATCH /orders/{id}` is empty.
fn other_requests() -> [(&'static str, Value); 6] {
    [
        ("signals/hold", json!({"reason": "check"})),
        ("signals/release", json!({})),
        (
            "signals/update-items",
            json!({"items": [{"sku": "ABC123", "quantity": 2}]}),
        ),
        ("", json!({"note": "ring twice"})),
        ("refunds", json!({"amount": 1})),
        (
            "returns",
            json!({"items": [{"sku": "ABC123", "quantity": 1}]}),
        ),
    ]
}

/// Returns `200`, `200 already`, or the problem's status and code.
fn result_code(response: &ApiResponse) -> String {
    let status = response.status.as_u16();
    match (
        status,
        response.body["already"].as_bool(),
        response.body["code"].as_str(),
    ) {
        (200, Some(true), _) => "200 already".to_owned(),
        (_, _, Some(code)) => format!("{status} {code}"),
        _ => status.to_string(),
    }
}

/// Returns the name of the request in `actions`.
fn action_of(route: &str) -> &str {
    match route {
        "" => "update",
        "payment" => "confirm-payment",
        route => route.strip_prefix("signals/").unwrap_or(route),
    }
}

/// Sends a request and asserts that `actions` listed it if, and only if, it had an effect.
async fn send_as_listed(harness: &Harness, id: &str, route: &str, body: Value) -> ApiResponse {
    let listed = harness.get(&format!("/orders/{id}")).await.body["actions"].clone();
    let response = if route.is_empty() {
        let (path, body) = (format!("/orders/{id}"), body.to_string());
        let headers = [("content-type", "application/json")];
        let send = async || {
            let (method, body) = (Method::PATCH, Some(body.clone()));
            harness.send(method, &path, &headers, body).await
        };
        let is_answered = |response: &ApiResponse| response.status != 503;
        harness.wait_until("a response", send, is_answered).await
    } else {
        harness.post(&format!("/orders/{id}/{route}"), body).await
    };
    let action = action_of(route);
    let is_listed = listed
        .as_array()
        .is_some_and(|listed| listed.iter().any(|name| name == action));
    let accepted = match route {
        "refunds" => "202",
        "returns" => "201",
        _ => "200",
    };
    let has_effect = result_code(&response) == accepted;
    assert_eq!(has_effect, is_listed, "{route}: {listed}: {response:?}");
    response
}

/// Sends each request to the order and compares the responses.
async fn expect_results(harness: &Harness, state: &str, id: &str, expected: [&str; 7]) {
    for ((route, _, body), expected) in requests().into_iter().zip(expected) {
        let response = send_as_listed(harness, id, route, body).await;
        assert_eq!(
            result_code(&response),
            expected,
            "{route} of an order that is {state}: {:?}",
            response.body
        );
    }
}

#[tokio::test]
async fn response_depends_on_order_state() {
    let harness = Harness::start_with(&[("DELIVERY", "confirm")]).await;
    let unknown = "404 order_not_found";
    expect_results(&harness, "unknown", "nobody", [unknown; 7]).await;

    let mut order = sample_order();
    order["profile"] = json!("checkout");
    let unpaid = harness.post("/orders", order).await.expect_started();
    let read = async || harness.get(&format!("/orders/{unpaid}")).await.body;
    harness
        .wait_until("the wait for a payment", read, |body| body["step"] == "pay")
        .await;
    for ((route, _, body), expected) in requests().into_iter().zip([
        "409 not_in_review",
        "409 not_in_review",
        "",
        "200",
        "409 not_paid",
        "",
        "409 not_shipped",
    ]) {
        if expected.is_empty() {
            continue;
        }
        let response = send_as_listed(&harness, &unpaid, route, body).await;
        assert_eq!(
            result_code(&response),
            expected,
            "{route} of an unpaid order: {:?}",
            response.body
        );
    }
    let address = harness
        .post(
            &format!("/orders/{unpaid}/signals/update-address"),
            json!({"street": "2 Side St"}),
        )
        .await;
    assert_eq!(result_code(&address), "200 already");
    send_as_listed(&harness, &unpaid, "signals/cancel", json!({}))
        .await
        .expect_status(200);
    harness.wait_for_end(&unpaid).await;
    let closed = "409 order_closed";
    let cancelled = [
        closed,
        closed,
        "200 already",
        "200 already",
        closed,
        closed,
        closed,
    ];
    expect_results(&harness, "cancelled", &unpaid, cancelled).await;

    let shipped = harness
        .post("/orders", order_with_payment("pmt-matrix"))
        .await
        .expect_started();
    harness.wait_for_status(&shipped, "shipped").await;
    let (review, left) = ("409 not_in_review", "409 already_shipped");
    expect_results(
        &harness,
        "shipped",
        &shipped,
        [review, review, left, left, left, "409 already_paid", "200"],
    )
    .await;
    harness.wait_for_end(&shipped).await;
    expect_results(
        &harness,
        "delivered",
        &shipped,
        [closed, closed, left, left, left, closed, "200 already"],
    )
    .await;

    let mut order = order_with_payment("pmt-declined");
    order["payment"]["method"] = json!("pm_card_chargeDeclined");
    let failed = harness.post("/orders", order).await.expect_started();
    assert_eq!(
        harness.wait_for_end(&failed).await.status.as_str(),
        "failed"
    );
    expect_results(&harness, "failed", &failed, [closed; 7]).await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn actions_are_the_requests_that_the_order_accepts() {
    let settings = [("REVIEW_THRESHOLD", "1"), ("SHIPPING_DELAY", "1h")];
    let harness = Harness::start_with(&settings).await;
    let early = |name: &str| {
        requests()
            .into_iter()
            .find(|(route, _, _)| *route == name)
            .unwrap()
            .2
    };
    let order = order_with_payment("pmt-actions");
    let reviewed = harness.post("/orders", order).await.expect_started();
    harness.wait_for_step(&reviewed, "manual_review").await;
    for route in [
        "signals/cancel-payment",
        "payment",
        "signals/confirm-delivery",
        "signals/update-address",
        "signals/approve",
    ] {
        send_as_listed(&harness, &reviewed, route, early(route)).await;
    }
    // The order is paid and waits for the end of the pause before shipping.
    harness.wait_for_status(&reviewed, "preparing").await;
    for route in [
        "signals/approve",
        "signals/reject",
        "payment",
        "signals/confirm-delivery",
        "signals/cancel-payment",
    ] {
        let response = send_as_listed(&harness, &reviewed, route, early(route)).await;
        // The approval of before is a repetition.
        assert_eq!(
            route == "signals/approve",
            response.body["already"] == true,
            "{route}"
        );
    }
    let unpaid = harness
        .post("/orders", sample_order())
        .await
        .expect_started();
    harness.wait_for_step(&unpaid, "manual_review").await;
    send_as_listed(&harness, &unpaid, "signals/approve", json!({}))
        .await
        .expect_status(200);
    harness.wait_for_step(&unpaid, "pay").await;
    send_as_listed(&harness, &unpaid, "payment", early("payment"))
        .await
        .expect_status(200);
    harness.wait_for_status(&unpaid, "preparing").await;
    for id in [&reviewed, &unpaid] {
        send_as_listed(&harness, id, "signals/cancel", json!({}))
            .await
            .expect_status(200);
        harness.wait_for_end(id).await;
    }
    harness.assert_invariants().await;
}

async fn wait_for_refund(harness: &Harness, id: &str) {
    let log = async || harness.audit_event_types(id).await;
    harness
        .wait_until("the refund", log, |log| {
            log.iter().any(|kind| kind == "refund_completed")
        })
        .await;
}

#[tokio::test]
async fn actions_list_every_request_that_the_order_accepts() {
    let others = other_requests().into_iter();
    let names: BTreeSet<&str> = requests()
        .into_iter()
        .map(|(route, _, _)| action_of(route))
        .chain(others.map(|(route, _)| action_of(route)))
        .collect();
    let all: BTreeSet<&str> = OrderAction::ALL
        .iter()
        .map(|action| action.as_str())
        .collect();
    assert_eq!(names, all);

    let harness = Harness::start_with(&[("SHIPPING_DELAY", "1h")]).await;
    let mut order = sample_order();
    order["profile"] = json!("checkout");
    let unpaid = harness.post("/orders", order).await.expect_started();
    harness.wait_for_reason(&unpaid, "payment").await;
    let paid = harness
        .post("/orders", order_with_payment("pmt-actions-paid"))
        .await
        .expect_started();
    harness.wait_for_reason(&paid, "shipping_delay").await;
    for (route, body) in other_requests() {
        send_as_listed(&harness, &unpaid, route, body.clone()).await;
        if ["signals/hold", "signals/release"].contains(&route) {
            send_as_listed(&harness, &unpaid, route, body.clone()).await;
        }
        if route == "refunds" {
            send_as_listed(&harness, &paid, route, body)
                .await
                .expect_status(202);
        }
    }
    wait_for_refund(&harness, &paid).await;
    let [_, _, (route, body), ..] = other_requests();
    send_as_listed(&harness, &paid, route, body)
        .await
        .expect_problem(409, "items_not_changeable");
    for id in [&unpaid, &paid] {
        send_as_listed(&harness, id, "signals/cancel", json!({}))
            .await
            .expect_status(200);
        harness.wait_for_end(id).await;
    }
    for (route, body) in other_requests() {
        send_as_listed(&harness, &paid, route, body).await;
    }
    harness.assert_invariants().await;
}

#[tokio::test]
async fn actions_of_a_delivered_order_have_an_effect() {
    let harness = Harness::start().await;
    let delivered = harness
        .post("/orders", order_with_payment("pmt-actions-delivered"))
        .await
        .expect_started();
    let ended = harness.wait_for_end(&delivered).await;
    assert_eq!(ended.status.as_str(), "delivered");
    for (route, body) in other_requests() {
        send_as_listed(&harness, &delivered, route, body).await;
    }
    wait_for_refund(&harness, &delivered).await;
    harness.assert_invariants().await;
}

/// Sends a Temporal signal with any body.
pub(super) async fn send_signal(harness: &Harness, id: &str, name: &str, body: &Value) {
    let handle = harness
        .connect_to_temporal()
        .await
        .get_workflow_handle::<OrderWorkflow>(format!("order-{id}"));
    let metadata = [("encoding".to_owned(), b"json/plain".to_vec())].into();
    let payload = Payload {
        metadata,
        data: body.to_string().into_bytes(),
        ..Payload::default()
    };
    let message = RawValue::new(vec![payload]);
    handle
        .signal(
            UntypedSignal::new(name),
            message,
            WorkflowSignalOptions::default(),
        )
        .await
        .unwrap();
}

#[tokio::test]
async fn signal_before_first_workflow_task_is_kept() {
    let harness = Harness::start().await;
    // No worker runs: each signal is in the workflow's history before its first task.
    harness.worker.stop().await;
    for (index, (_, name, body)) in requests().into_iter().enumerate() {
        let id = format!("early-{index}");
        let mut order = sample_order();
        order["profile"] = json!(if name == "confirm_payment" {
            "checkout"
        } else {
            "approval"
        });
        harness
            .post(&format!("/orders/{id}/start"), order)
            .await
            .expect_status(202);
        send_signal(&harness, &id, name, &body).await;
        // A second signal has no second effect.
        send_signal(&harness, &id, name, &body).await;
    }
    harness.worker.restart().await.unwrap();
    assert_eq!(
        harness.wait_for_end("early-0").await.status.as_str(),
        "shipped"
    );
    let rejected = harness.wait_for_end("early-1").await;
    assert_eq!(
        (
            rejected.status.as_str(),
            rejected.cancellation_reason.as_deref()
        ),
        ("cancelled", Some("fraud"))
    );
    let cancelled = harness.wait_for_end("early-2").await;
    assert_eq!(
        (
            cancelled.status.as_str(),
            cancelled.cancellation_reason.as_deref()
        ),
        ("cancelled", Some("enough"))
    );
    assert_eq!(
        harness.wait_for_end("early-5").await.status.as_str(),
        "delivered"
    );
    let count = async |id: &str, kind: &str| {
        harness
            .audit_event_types(id)
            .await
            .iter()
            .filter(|entry| *entry == kind)
            .count()
    };
    let moved =
        async || harness.get("/orders/early-3").await.body["shipping_address"]["street"].clone();
    harness
        .wait_until("the new address", moved, |street| street == "2 Side St")
        .await;
    for index in 0..requests().len() {
        let id = format!("early-{index}");
        harness
            .wait_until(
                &format!("the first audit event of {id}"),
                async || harness.audit_event_types(&id).await,
                |trail| trail.first().is_some_and(|kind| kind == "order_received"),
            )
            .await;
    }
    for (id, kind, times) in [
        ("early-0", "review_approved", 1),
        ("early-1", "review_rejected", 1),
        ("early-2", "order_cancelled", 1),
        ("early-3", "address_updated", 1),
        ("early-5", "payment_confirmed", 1),
        // These requests come too early, and the audit log records the refusal.
        ("early-4", "request_refused", 2),
        ("early-6", "request_refused", 2),
    ] {
        harness
            .wait_until(
                &format!("{kind} of {id}"),
                async || count(id, kind).await,
                |seen| *seen == times,
            )
            .await;
    }
    for id in ["early-3", "early-4", "early-6"] {
        harness
            .post(&format!("/orders/{id}/cancel"), json!({}))
            .await
            .expect_status(200);
        harness.wait_for_end(id).await;
    }
    harness.assert_invariants().await;
}

#[tokio::test]
async fn repeated_idempotency_key_returns_first_response() {
    let harness = Harness::start().await;
    let mut order = sample_order();
    order["profile"] = json!("checkout");
    let id = harness.post("/orders", order).await.expect_started();
    let key = [("idempotency-key", "k-1")];
    let path = format!("/orders/{id}/signals/update-address");
    let first = harness
        .post_with_headers(&path, json!({"street": "2 Side St"}), &key)
        .await
        .expect_status(200);
    assert_eq!(first.get("already"), None);
    harness
        .post(&path, json!({"street": "3 Other St"}))
        .await
        .expect_status(200);
    let again = harness
        .post_with_headers(&path, json!({"street": "2 Side St"}), &key)
        .await
        .expect_status(200);
    assert_eq!(
        (&again["already"], &again["shipping_address"]["street"]),
        (&json!(true), &json!("2 Side St"))
    );
    // The repeated request changed nothing.
    assert_eq!(
        harness.get(&format!("/orders/{id}")).await.body["shipping_address"]["street"],
        "3 Other St"
    );
    harness
        .post(&format!("/orders/{id}/cancel"), json!({}))
        .await
        .expect_status(200);
    harness.wait_for_end(&id).await;
    // The same holds for the closed order.
    assert_eq!(
        harness
            .post_with_headers(&path, json!({"street": "2 Side St"}), &key)
            .await
            .expect_status(200)["already"],
        true
    );
    // A different request with the same key is not a repeat.
    let other = harness
        .post_with_headers(&path, json!({"street": "4 Third St"}), &key)
        .await;
    other.expect_problem(422, "idempotency_key_reused");
    harness.assert_invariants().await;
}
