//! Refunds that the shop makes: of paid and ended orders, repeated, concurrent, rejected and
//! interrupted. Each test ends with the invariants of the database and a gapless audit log.

use futures::future::join_all;
use serde_json::{Value, json};
use temporalio_client::{UntypedWorkflow, WorkflowTerminateOptions};

use crate::{
    api::{ApiResponse, order_with_payment},
    harness::Harness,
    write_path::assert_gapless_audit_log,
};
use store::simulator::{Fault, add_fault};

/// Starts an order of 99.99 USD that is paid and waits for its dispatch.
async fn start_paid(harness: &Harness, id: &str) {
    harness
        .post(
            &format!("/orders/{id}/start"),
            order_with_payment(&format!("pmt-{id}")),
        )
        .await
        .expect_status(202);
    harness.wait_for_status(id, "preparing").await;
}

/// Starts an order and waits until it is delivered.
async fn deliver(harness: &Harness, id: &str) {
    harness
        .post(
            &format!("/orders/{id}/start"),
            order_with_payment(&format!("pmt-{id}")),
        )
        .await
        .expect_status(202);
    assert_eq!(harness.wait_for_end(id).await.status.as_str(), "delivered");
}

async fn request(harness: &Harness, id: &str, key: &str, body: Value) -> ApiResponse {
    harness
        .post_with_headers(
            &format!("/orders/{id}/refunds"),
            body,
            &[("idempotency-key", key)],
        )
        .await
}

/// Requests a refund and returns its id.
async fn refund(harness: &Harness, id: &str, key: &str, amount: &str) -> String {
    let response = request(harness, id, key, json!({"amount": amount})).await;
    let location = response.header("location").to_owned();
    let refund = response.expect_status(202);
    let refund_id = refund["refund_id"].as_str().unwrap().to_owned();
    assert!(
        location.ends_with(&format!("/orders/{id}/refunds/{refund_id}")),
        "{location}"
    );
    refund_id
}

/// Waits until the refund has this state, and its audit event is written.
async fn wait_for_state(harness: &Harness, id: &str, refund_id: &str, state: &str) -> Value {
    let path = format!("/orders/{id}/refunds/{refund_id}");
    let read = async || harness.get(&path).await.body;
    let refund = harness
        .wait_until(&format!("{refund_id} {state}"), read, |refund| {
            refund["state"] == state
        })
        .await;
    let events = async || refund_events(harness, id, refund_id).await;
    harness
        .wait_until("the events of the refund", events, |events| {
            events.len() == 2
        })
        .await;
    refund
}

/// Returns the types of the audit events of the refund.
async fn refund_events(harness: &Harness, id: &str, refund_id: &str) -> Vec<String> {
    let events = harness
        .get(&format!("/orders/{id}/events?limit=200"))
        .await
        .body;
    let events = events["events"].as_array().cloned().unwrap_or_default();
    events
        .iter()
        .filter(|event| event["payload"]["refund_id"] == refund_id)
        .map(|event| event["type"].as_str().unwrap().to_owned())
        .collect()
}

/// Returns the minor units that the simulated provider has refunded for the order.
pub(crate) async fn refunded(harness: &Harness, id: &str) -> i64 {
    sqlx::query_scalar(
        "select coalesce(sum(amount), 0)::bigint from simulator.payments where order_id = $1 and kind = 'refund'",
    )
    .bind(id)
    .fetch_one(&harness.pool)
    .await
    .unwrap()
}

async fn amounts(harness: &Harness, id: &str) -> [Value; 3] {
    let order = harness.get(&format!("/orders/{id}")).await.body;
    ["captured", "refunded", "due"].map(|name| order["amounts"][name].clone())
}

/// Refunds a part of an open order, and items after its end. Returns the ids of both workflows.
pub(crate) async fn run_refunded_order(harness: &Harness, id: &str) -> [String; 2] {
    start_paid(harness, id).await;
    let open = refund(harness, id, "open", "20.00").await;
    wait_for_state(harness, id, &open, "refunded").await;
    harness.wait_for_end(id).await;
    let items = json!({"items": [{"sku": "ABC123", "quantity": 1}], "restock": true});
    let ended = request(harness, id, "ended", items)
        .await
        .expect_status(202);
    let ended = ended["refund_id"].as_str().unwrap().to_owned();
    wait_for_state(harness, id, &ended, "refunded").await;
    [open, ended].map(|refund_id| format!("refund-{id}-{refund_id}"))
}

#[tokio::test]
async fn delivered_order_is_refunded_in_parts() {
    let harness = Harness::start().await;
    deliver(&harness, "rf-1").await;
    let first = refund(&harness, "rf-1", "a", "20.00").await;
    let shown = wait_for_state(&harness, "rf-1", &first, "refunded").await;
    assert_eq!(
        (
            &shown["amount"],
            &shown["refunded_amount"],
            &shown["failure"]
        ),
        (&json!(20), &json!(20), &Value::Null)
    );
    assert_eq!(
        refund_events(&harness, "rf-1", &first).await,
        ["refund_requested", "refund_completed"]
    );
    let too_much = request(&harness, "rf-1", "b", json!({"amount": 80})).await;
    let problem = too_much.expect_problem(409, "refund_exceeds_payment");
    assert!(
        problem["detail"].as_str().unwrap().contains("79.99 USD"),
        "{problem}"
    );
    let rest = refund(&harness, "rf-1", "c", "79.99").await;
    wait_for_state(&harness, "rf-1", &rest, "refunded").await;
    let nothing = request(&harness, "rf-1", "d", json!({"amount": "0.01"})).await;
    nothing.expect_problem(409, "refund_exceeds_payment");
    assert_eq!(refunded(&harness, "rf-1").await, 9_999);
    assert_eq!(
        amounts(&harness, "rf-1").await,
        [json!(99.99), json!(99.99), json!(0)]
    );
    let listed = harness.get("/orders/rf-1/refunds").await.body;
    assert_eq!(listed["refunds"].as_array().unwrap().len(), 2, "{listed}");
    assert_gapless_audit_log(&harness, "rf-1").await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn partly_refunded_order_is_delivered() {
    let harness = Harness::start_with(&[("SHIPPING_DELAY", "2s")]).await;
    start_paid(&harness, "rf-2").await;
    let refund_id = refund(&harness, "rf-2", "a", "99.99").await;
    wait_for_state(&harness, "rf-2", &refund_id, "refunded").await;
    assert_eq!(
        harness.wait_for_end("rf-2").await.status.as_str(),
        "delivered"
    );
    assert!(
        !harness
            .audit_event_types("rf-2")
            .await
            .contains(&"payment_held".to_owned())
    );
    assert_eq!(refunded(&harness, "rf-2").await, 9_999);
    assert_gapless_audit_log(&harness, "rf-2").await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn cancelled_order_refunds_only_the_rest() {
    let harness = Harness::start_with(&[("SHIPPING_DELAY", "60s")]).await;
    start_paid(&harness, "rf-3").await;
    // The provider does not respond before the order is cancelled.
    add_fault(&harness.pool, "refund", "rf-3", Fault::Fail, 2)
        .await
        .unwrap();
    let refund_id = refund(&harness, "rf-3", "a", "20.00").await;
    harness
        .post("/orders/rf-3/cancel", json!({}))
        .await
        .expect_status(200);
    assert_eq!(
        harness.wait_for_end("rf-3").await.status.as_str(),
        "cancelled"
    );
    wait_for_state(&harness, "rf-3", &refund_id, "refunded").await;
    assert_eq!(refunded(&harness, "rf-3").await, 9_999);
    assert_eq!(
        amounts(&harness, "rf-3").await,
        [json!(99.99), json!(99.99), json!(0)]
    );
    request(&harness, "rf-3", "b", json!({"amount": 1}))
        .await
        .expect_problem(409, "refund_exceeds_payment");
    assert_gapless_audit_log(&harness, "rf-3").await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn repeated_request_is_one_refund() {
    let harness = Harness::start().await;
    deliver(&harness, "rf-4").await;
    let body = json!({"amount": "30.00", "reason": "late"});
    let repeats = (0..4).map(|_| request(&harness, "rf-4", "same", body.clone()));
    let mut ids: Vec<_> = join_all(repeats)
        .await
        .into_iter()
        // More than two requests cannot wait for one decision at the same time.
        .filter(|response| response.status != 429)
        .map(|response| response.expect_status(202)["refund_id"].clone())
        .collect();
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
    let refund_id = ids[0].as_str().unwrap();
    wait_for_state(&harness, "rf-4", refund_id, "refunded").await;
    let again = request(&harness, "rf-4", "same", body)
        .await
        .expect_status(202);
    assert_eq!(
        (&again["refund_id"], &again["state"]),
        (&json!(refund_id), &json!("refunded"))
    );
    request(&harness, "rf-4", "same", json!({"amount": "30.01"}))
        .await
        .expect_problem(422, "idempotency_key_reused");
    assert_eq!(refunded(&harness, "rf-4").await, 3_000);
    assert_eq!(
        refund_events(&harness, "rf-4", refund_id).await,
        ["refund_requested", "refund_completed"]
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn concurrent_refunds_never_exceed_the_payment() {
    let harness = Harness::start().await;
    deliver(&harness, "rf-5").await;
    let keys: Vec<_> = (0..12).map(|number| format!("key-{number}")).collect();
    let requests = keys
        .iter()
        .map(|key| request(&harness, "rf-5", key, json!({"amount": "24.00"})));
    let responses = join_all(requests).await;
    let (accepted, refused): (Vec<_>, Vec<_>) = responses
        .into_iter()
        .partition(|response| response.status == 202);
    assert_eq!((accepted.len(), refused.len()), (4, 8));
    for response in refused {
        response.expect_problem(409, "refund_exceeds_payment");
    }
    for response in accepted {
        let refund_id = response.body["refund_id"].as_str().unwrap();
        wait_for_state(&harness, "rf-5", refund_id, "refunded").await;
    }
    assert_eq!(refunded(&harness, "rf-5").await, 9_600);
    assert_gapless_audit_log(&harness, "rf-5").await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn invalid_requests_are_refused() {
    let harness = Harness::start().await;
    deliver(&harness, "rf-6").await;
    for (body, pointer) in [
        (json!({}), "/amount"),
        (json!({"amount": 0}), "/amount"),
        (json!({"amount": "-1"}), "/amount"),
        (json!({"amount": "1.001"}), "/amount"),
        (json!({"amount": 1, "reason": "x".repeat(501)}), "/reason"),
    ] {
        let refused = request(&harness, "rf-6", "a", body.clone()).await;
        let problem = refused.expect_problem(422, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}");
    }
    harness
        .post("/orders/unknown/refunds", json!({"amount": 1}))
        .await
        .expect_problem(404, "order_not_found");
    for path in [
        "/orders/rf-6/refunds/RF-UNKNOWN",
        "/orders/rf-6/refunds/a%20b",
    ] {
        harness
            .get(path)
            .await
            .expect_problem(404, "refund_not_found");
    }
    harness
        .get("/orders/unknown/refunds")
        .await
        .expect_problem(404, "order_not_found");
    let mut waiting = order_with_payment("pmt-rf-7");
    waiting["profile"] = json!("checkout");
    harness
        .post("/orders/rf-7/start", waiting)
        .await
        .expect_status(202);
    let mut free = order_with_payment("pmt-rf-8");
    free["items"][0]["unit_price"] = json!(0);
    harness
        .post("/orders/rf-8/start", free)
        .await
        .expect_status(202);
    harness.wait_for_end("rf-8").await;
    for id in ["rf-7", "rf-8"] {
        request(&harness, id, "a", json!({"amount": 1}))
            .await
            .expect_problem(409, "not_paid");
    }
    assert_eq!(refunded(&harness, "rf-6").await, 0);
    harness.assert_invariants().await;
}

pub(crate) async fn kill_worker(harness: &Harness) {
    harness.worker.kill().await;
    harness.worker.restart().await.unwrap();
}

#[tokio::test]
async fn refund_survives_a_killed_worker_in_each_step() {
    let harness = Harness::start().await;
    deliver(&harness, "rf-9").await;
    // During the claim.
    let (first, ()) = futures::join!(
        refund(&harness, "rf-9", "a", "10.00"),
        kill_worker(&harness)
    );
    // During the provider's call.
    add_fault(&harness.pool, "refund", "rf-9", Fault::Hang, 1)
        .await
        .unwrap();
    let second = refund(&harness, "rf-9", "b", "10.00").await;
    let faults_left = async || {
        store::simulator::count_faults(&harness.pool, "refund", "rf-9")
            .await
            .unwrap()
    };
    harness
        .wait_until("the provider's call", faults_left, |left| *left == 0)
        .await;
    kill_worker(&harness).await;
    // After the provider's response, while the result is recorded and announced.
    let third = refund(&harness, "rf-9", "c", "10.00").await;
    let paid = async || refunded(&harness, "rf-9").await;
    harness
        .wait_until("the third refund", paid, |sum| *sum >= 2_000)
        .await;
    kill_worker(&harness).await;
    for refund_id in [&first, &second, &third] {
        wait_for_state(&harness, "rf-9", refund_id, "refunded").await;
    }
    assert_eq!(refunded(&harness, "rf-9").await, 3_000);
    assert_gapless_audit_log(&harness, "rf-9").await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn terminated_refund_is_started_again() {
    let harness = Harness::start().await;
    deliver(&harness, "rf-10").await;
    add_fault(&harness.pool, "refund", "rf-10", Fault::Fail, 1)
        .await
        .unwrap();
    let refund_id = refund(&harness, "rf-10", "a", "10.00").await;
    harness
        .connect_to_temporal()
        .await
        .get_workflow_handle::<UntypedWorkflow>(format!("refund-rf-10-{refund_id}"))
        .terminate(WorkflowTerminateOptions::default())
        .await
        .unwrap();
    let recover = async || {
        harness
            .run_json(&["recover", "--idle-for", "1s", "--json"])
            .await;
        let path = format!("/orders/rf-10/refunds/{refund_id}");
        harness.get(&path).await.body
    };
    harness
        .wait_until("the recovered refund", recover, |refund| {
            refund["state"] == "refunded"
        })
        .await;
    wait_for_state(&harness, "rf-10", &refund_id, "refunded").await;
    assert_eq!(refunded(&harness, "rf-10").await, 1_000);
    assert_gapless_audit_log(&harness, "rf-10").await;
    harness.assert_invariants().await;
}

/// Starts an order of two SKUs with shipping, tax, a discount and a fee, and waits for its end.
async fn deliver_mixed(harness: &Harness, id: &str) {
    let mut order = order_with_payment(&format!("pmt-{id}"));
    order["items"] = json!([
        {"sku": "A", "quantity": 3, "unit_price": "10.00", "discount_amount": "1.00"},
        {"sku": "B", "quantity": 1, "unit_price": "5.55"},
    ]);
    order["shipping_amount"] = json!("4.90");
    order["tax_amount"] = json!("3.33");
    order["discounts"] = json!([{"amount": "2.00"}]);
    order["fees"] = json!([{"amount": "0.50"}]);
    harness
        .post(&format!("/orders/{id}/start"), order)
        .await
        .expect_status(202);
    assert_eq!(harness.wait_for_end(id).await.status.as_str(), "delivered");
}

async fn available(harness: &Harness, sku: &str) -> i64 {
    harness.get(&format!("/stock/{sku}")).await.body["available"]
        .as_i64()
        .unwrap()
}

#[tokio::test]
async fn items_are_refunded_by_their_value_and_restocked_once() {
    let harness = Harness::start().await;
    deliver_mixed(&harness, "rf-20").await;
    let before = available(&harness, "A").await;
    let body = json!({"items": [{"sku": "A", "quantity": 2}], "restock": true});
    let first = request(&harness, "rf-20", "a", body.clone()).await;
    let first = first.expect_status(202);
    // 29.00 of 34.55 in lines; 36.38 without shipping: two of three units of 30.53.
    assert_eq!(first["amount"], json!(20.35));
    let first_id = first["refund_id"].as_str().unwrap();
    wait_for_state(&harness, "rf-20", first_id, "refunded").await;
    request(&harness, "rf-20", "a", body)
        .await
        .expect_status(202);
    assert_eq!(available(&harness, "A").await, before + 2);
    let problem = request(
        &harness,
        "rf-20",
        "b",
        json!({"items": [{"sku": "A", "quantity": 2}]}),
    )
    .await
    .expect_problem(409, "refund_exceeds_items");
    assert!(
        problem["detail"].as_str().unwrap().contains("1 of 3"),
        "{problem}"
    );
    let part = refund(&harness, "rf-20", "c", "0.02").await;
    wait_for_state(&harness, "rf-20", &part, "refunded").await;
    // Everything that is left is worth two cents less than its value.
    let rest = json!({
        "items": [{"sku": "A", "quantity": 1}, {"sku": "B", "quantity": 1}], "shipping_amount": "4.90",
    });
    let rest = request(&harness, "rf-20", "d", rest)
        .await
        .expect_status(202);
    wait_for_state(
        &harness,
        "rf-20",
        rest["refund_id"].as_str().unwrap(),
        "refunded",
    )
    .await;
    let [captured, refunded, due] = amounts(&harness, "rf-20").await;
    assert_eq!((&captured, &due), (&refunded, &json!(0)));
    let order = harness.get("/orders/rf-20").await.body;
    assert_eq!(order["refunds"].as_array().unwrap().len(), 3, "{order}");
    assert_eq!(
        order["refunds"][0]["items"],
        json!([{"sku": "A", "quantity": 2}])
    );
    assert_gapless_audit_log(&harness, "rf-20").await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn invalid_items_are_refused() {
    let harness = Harness::start_with(&[("SHIPPING_DELAY", "60s")]).await;
    start_paid(&harness, "rf-21").await;
    for (body, pointer) in [
        (json!({"items": []}), "/items"),
        (
            json!({"items": [{"sku": "Z", "quantity": 1}]}),
            "/items/0/sku",
        ),
        (
            json!({"items": [{"sku": "ABC123", "quantity": 0}]}),
            "/items/0/quantity",
        ),
        (
            json!({"amount": 1, "items": [{"sku": "ABC123", "quantity": 1}]}),
            "/amount",
        ),
        (json!({"amount": 1, "restock": true}), "/restock"),
        (json!({"shipping_amount": "0.001"}), "/shipping_amount"),
    ] {
        let refused = request(&harness, "rf-21", "a", body.clone()).await;
        let problem = refused.expect_problem(422, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}");
    }
    request(&harness, "rf-21", "a", json!({"shipping_amount": 1}))
        .await
        .expect_problem(409, "refund_exceeds_payment");
    let restock = json!({"items": [{"sku": "ABC123", "quantity": 1}], "restock": true});
    request(&harness, "rf-21", "a", restock)
        .await
        .expect_problem(409, "not_shipped");
    assert_eq!(refunded(&harness, "rf-21").await, 0);
}

#[tokio::test]
async fn payment_at_another_provider_is_due() {
    let harness = Harness::start_with(&[("ORDER_PROFILE", "checkout")]).await;
    let id = "rf-22";
    harness
        .post(&format!("/orders/{id}/start"), crate::api::sample_order())
        .await
        .expect_status(202);
    let paid = json!({"transaction_id": "tx-rf-22", "amount": 99.99});
    harness
        .post(&format!("/orders/{id}/payment"), paid)
        .await
        .expect_status(200);
    assert_eq!(harness.wait_for_end(id).await.status.as_str(), "delivered");
    // A webhook event reports the payment at a provider without an adapter.
    sqlx::query("update payments set provider = 'mollie' where order_id = $1")
        .bind(id)
        .execute(&harness.pool)
        .await
        .unwrap();
    let refund_id = refund(&harness, id, "a", "10.00").await;
    let due = wait_for_state(&harness, id, &refund_id, "due").await;
    assert_eq!(
        (&due["refunded_amount"], due["failure"].is_string()),
        (&json!(0), true)
    );
    let attention = harness
        .get(&format!("/payments/attention?order_id={id}"))
        .await
        .body;
    assert_eq!(
        (
            &attention["entries"][0]["concern"],
            &attention["entries"][0]["amount"]
        ),
        (&json!("refund_due"), &json!(10))
    );
    assert_eq!(
        refund_events(&harness, id, &refund_id).await,
        ["refund_requested", "refund_due"]
    );
    assert_gapless_audit_log(&harness, id).await;
    harness.assert_invariants().await;
}

/// Returns the tag of an order whose database row is up to date.
pub(crate) async fn tag(harness: &Harness, id: &str) -> String {
    let read = async || {
        let path = format!("/orders/{id}");
        let order = harness.get(&path).await;
        let row = harness.get(&format!("{path}?source=database")).await;
        [order, row].map(|response| response.header("etag").to_owned())
    };
    let [tag, _] = harness
        .wait_until("one tag of workflow and database", read, |[order, row]| {
            !order.is_empty() && order == row
        })
        .await;
    tag
}

async fn request_for(harness: &Harness, id: &str, key: &str, tag: &str) -> ApiResponse {
    harness
        .post_with_headers(
            &format!("/orders/{id}/refunds"),
            json!({"amount": "10.00"}),
            &[("idempotency-key", key), ("if-match", tag)],
        )
        .await
}

/// Requests two refunds for one state of the order at the same time. Returns the key and the response of the
/// only one that is accepted.
async fn accept_one(harness: &Harness, id: &str, tag: &str) -> (&'static str, ApiResponse) {
    let (first, second) = futures::join!(
        request_for(harness, id, "first", tag),
        request_for(harness, id, "second", tag)
    );
    let (key, accepted, refused) = if first.status == 202 {
        ("first", first, second)
    } else {
        ("second", second, first)
    };
    // The tag of the refusal is that of another state, so a caller who reads it does not send the same one.
    assert_ne!(refused.header("etag"), tag);
    refused.expect_problem(412, "precondition_failed");
    assert_eq!(accepted.status, 202, "{}", accepted.body);
    (key, accepted)
}

#[tokio::test]
async fn one_of_two_refunds_for_a_state_of_an_ended_order_is_accepted() {
    let harness = Harness::start().await;
    let id = "rf-23";
    deliver(&harness, id).await;
    let before = tag(&harness, id).await;
    request_for(&harness, id, "stale", "W/\"0\"")
        .await
        .expect_problem(412, "precondition_failed");
    let (key, accepted) = accept_one(&harness, id, &before).await;
    let after = accepted.header("etag").to_owned();
    assert_ne!(after, before);
    let refund_id = accepted.body["refund_id"].as_str().unwrap().to_owned();
    // The tag is the number of the audit event of the request.
    let log = harness.get(&format!("/orders/{id}/events?limit=200")).await;
    let requested = log.body["events"]
        .as_array()
        .unwrap()
        .iter()
        .find(|event| event["type"] == "refund_requested")
        .unwrap()
        .clone();
    assert_eq!(requested["payload"]["refund_id"], json!(refund_id));
    assert_eq!(after, format!("W/\"{}\"", requested["seq"]));
    wait_for_state(&harness, id, &refund_id, "refunded").await;
    // A repeated request gets its first outcome, for whichever state it was.
    let again = request_for(&harness, id, key, &before).await;
    assert_eq!(again.header("etag"), after);
    assert_eq!(again.expect_status(202)["refund_id"], json!(refund_id));
    let present = tag(&harness, id).await;
    let stale = request_for(&harness, id, "third", &after).await;
    assert_eq!(stale.header("etag"), present);
    stale.expect_problem(412, "precondition_failed");
    // The workflow does not know the refund, which has changed the order after the workflow's end.
    let cancel = format!("/orders/{id}/cancel");
    harness
        .post_with_headers(&cancel, json!({}), &[("if-match", &present)])
        .await
        .expect_problem(409, "already_shipped");
    // A refused request can be sent again with its key.
    let third = request_for(&harness, id, "third", &present)
        .await
        .expect_status(202);
    let third = third["refund_id"].as_str().unwrap();
    wait_for_state(&harness, id, third, "refunded").await;
    let any = request_for(&harness, id, "any", "*")
        .await
        .expect_status(202);
    let any = any["refund_id"].as_str().unwrap();
    wait_for_state(&harness, id, any, "refunded").await;
    assert_eq!(refunded(&harness, id).await, 3_000);
    assert_gapless_audit_log(&harness, id).await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn one_of_two_refunds_for_a_state_of_an_open_order_is_accepted() {
    let harness = Harness::start_with(&[("DELIVERY", "confirm")]).await;
    let id = "rf-24";
    harness
        .post(
            &format!("/orders/{id}/start"),
            order_with_payment(&format!("pmt-{id}")),
        )
        .await
        .expect_status(202);
    harness.wait_for_status(id, "shipped").await;
    let before = tag(&harness, id).await;
    let (key, accepted) = accept_one(&harness, id, &before).await;
    // The workflow of the order appends the audit event later.
    assert_eq!(accepted.header("etag"), "");
    let refund_id = accepted.body["refund_id"].as_str().unwrap().to_owned();
    wait_for_state(&harness, id, &refund_id, "refunded").await;
    let again = request_for(&harness, id, key, &before).await;
    assert_eq!(again.expect_status(202)["refund_id"], json!(refund_id));
    request_for(&harness, id, "third", &before)
        .await
        .expect_problem(412, "precondition_failed");
    let present = tag(&harness, id).await;
    let third = request_for(&harness, id, "third", &present)
        .await
        .expect_status(202);
    let third = third["refund_id"].as_str().unwrap();
    wait_for_state(&harness, id, third, "refunded").await;
    assert_eq!(refunded(&harness, id).await, 2_000);
    assert_gapless_audit_log(&harness, id).await;
    harness.assert_invariants().await;
}

/// A known key is found before the states are compared, and the states before the money.
#[tokio::test]
async fn state_is_compared_after_the_key_and_before_the_money() {
    let harness = Harness::start().await;
    let id = "rf-25";
    deliver(&harness, id).await;
    let stale = "W/\"0\"";
    let present = tag(&harness, id).await;
    let send = async |key: &str, amount: &str, tag: &str| {
        let path = format!("/orders/{id}/refunds");
        let headers = [("idempotency-key", key), ("if-match", tag)];
        harness
            .post_with_headers(&path, json!({"amount": amount}), &headers)
            .await
    };
    send("too-much", "1000.00", stale)
        .await
        .expect_problem(412, "precondition_failed");
    send("too-much", "1000.00", &present)
        .await
        .expect_problem(409, "refund_exceeds_payment");
    let accepted = send("known", "10.00", &present).await.expect_status(202);
    send("known", "20.00", stale)
        .await
        .expect_problem(422, "idempotency_key_reused");
    let refund_id = accepted["refund_id"].as_str().unwrap();
    wait_for_state(&harness, id, refund_id, "refunded").await;
    assert_eq!(refunded(&harness, id).await, 1_000);
    assert_gapless_audit_log(&harness, id).await;
    harness.assert_invariants().await;
}
