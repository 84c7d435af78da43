//! Returns of delivered units: requested, decided, received, refunded and restocked; repeated,
//! concurrent, refused and interrupted. Each test ends with the invariants of the database.

use futures::future::join_all;
use serde_json::{Value, json};
use temporalio_client::{UntypedWorkflow, WorkflowTerminateOptions};

use crate::{
    api::{ApiResponse, order_with_payment},
    harness::Harness,
    refunds::{kill_worker, refunded, tag},
    write_path::assert_gapless_audit_log,
};
use store::simulator::{Fault, add_fault};

/// Starts an order of 3 units of A for 10.00 and 1 unit of B for 5.00, and waits for its delivery.
async fn deliver(harness: &Harness, id: &str) {
    let mut order = order_with_payment(&format!("pmt-{id}"));
    order["items"] = json!([
        {"sku": "A", "quantity": 3, "unit_price": "10.00"},
        {"sku": "B", "quantity": 1, "unit_price": "5.00"},
    ]);
    harness
        .post(&format!("/orders/{id}/start"), order)
        .await
        .expect_status(202);
    assert_eq!(harness.wait_for_end(id).await.status.as_str(), "delivered");
}

fn units(sku: &str, quantity: u32) -> Value {
    json!({"items": [{"sku": sku, "quantity": quantity}]})
}

async fn send(harness: &Harness, id: &str, key: &str, body: Value) -> ApiResponse {
    harness
        .post_with_headers(
            &format!("/orders/{id}/returns"),
            body,
            &[("idempotency-key", key)],
        )
        .await
}

/// Requests a return and returns its id.
async fn request(harness: &Harness, id: &str, key: &str, body: Value) -> String {
    let response = send(harness, id, key, body).await;
    let location = response.header("location").to_owned();
    let requested = response.expect_status(201);
    assert_eq!(requested["state"], "requested");
    let return_id = requested["return_id"].as_str().unwrap().to_owned();
    assert!(
        location.ends_with(&format!("/orders/{id}/returns/{return_id}")),
        "{location}"
    );
    return_id
}

async fn change(
    harness: &Harness,
    id: &str,
    (return_id, step): (&str, &str),
    body: Value,
) -> ApiResponse {
    harness
        .post(&format!("/orders/{id}/returns/{return_id}/{step}"), body)
        .await
}

/// Requests a return and approves it. Returns its id.
async fn approve(harness: &Harness, id: &str, key: &str, body: Value) -> String {
    let return_id = request(harness, id, key, body).await;
    let approved = change(harness, id, (&return_id, "approve"), json!({})).await;
    assert_eq!(approved.expect_status(200)["state"], "approved");
    return_id
}

async fn wait_for_closed(harness: &Harness, id: &str, return_id: &str) -> Value {
    let path = format!("/orders/{id}/returns/{return_id}");
    let read = async || harness.get(&path).await.body;
    harness
        .wait_until(&format!("{return_id} closed"), read, |shown| {
            shown["state"] == "closed"
        })
        .await
}

/// Returns the types of the audit events about a return and its refund.
async fn events(harness: &Harness, id: &str) -> Vec<String> {
    let types = harness.audit_event_types(id).await;
    types
        .into_iter()
        .filter(|kind| kind.starts_with("return") || kind.starts_with("refund"))
        .collect()
}

async fn available(harness: &Harness, sku: &str) -> i64 {
    harness.get(&format!("/stock/{sku}")).await.body["available"]
        .as_i64()
        .unwrap()
}

/// Returns units of a delivered order. Returns the ids of the workflows of the return and its refund.
pub(crate) async fn run_returned_order(harness: &Harness, id: &str) -> [String; 2] {
    deliver(harness, id).await;
    let return_id = approve(harness, id, "a", units("A", 1)).await;
    change(harness, id, (&return_id, "receive"), json!({}))
        .await
        .expect_status(200);
    let closed = wait_for_closed(harness, id, &return_id).await;
    let refund_id = closed["refund_id"].as_str().unwrap();
    [
        format!("return-{id}-{return_id}"),
        format!("refund-{id}-{refund_id}"),
    ]
}

/// Makes each change of a return.
pub(crate) async fn run_each_change(harness: &Harness, id: &str) {
    run_returned_order(harness, id).await;
    let rejected = request(harness, id, "rejected", units("A", 1)).await;
    let cancelled = approve(harness, id, "cancelled", units("B", 1)).await;
    for (return_id, step) in [(rejected, "reject"), (cancelled, "cancel")] {
        change(harness, id, (&return_id, step), json!("no reason"))
            .await
            .expect_status(200);
    }
}

#[tokio::test]
async fn returned_units_are_refunded_and_restocked() {
    let harness = Harness::start().await;
    let id = "rt-1";
    deliver(&harness, id).await;
    let (a, b) = (
        available(&harness, "A").await,
        available(&harness, "B").await,
    );
    let body = json!({"items": [
        {"sku": "A", "quantity": 2, "reason": "too small"}, {"sku": "B", "quantity": 1},
    ]});
    let return_id = approve(&harness, id, "a", body).await;
    let receipt = json!({"items": [{"sku": "A", "quantity": 1}, {"sku": "B", "quantity": 1}], "restock": true});
    let received = change(&harness, id, (&return_id, "receive"), receipt.clone()).await;
    let received = received.expect_status(200);
    let refund_id = received["refund_id"].as_str().unwrap();
    let closed = wait_for_closed(&harness, id, &return_id).await;
    assert_eq!(
        (&closed["items"], &closed["restock"]),
        (
            &json!([
                {"sku": "A", "quantity": 2, "reason": "too small", "received_quantity": 1},
                {"sku": "B", "quantity": 1, "reason": null, "received_quantity": 1},
            ]),
            &json!(true)
        )
    );
    let refund = harness
        .get(&format!("/orders/{id}/refunds/{refund_id}"))
        .await
        .expect_status(200);
    assert_eq!(
        (&refund["state"], &refund["amount"], &refund["items"]),
        (
            &json!("refunded"),
            &json!(15),
            &json!([{"sku": "A", "quantity": 1}, {"sku": "B", "quantity": 1}])
        )
    );
    assert_eq!(refunded(&harness, id).await, 1_500);
    // A repeated receipt changes nothing.
    let again = change(&harness, id, (&return_id, "receive"), receipt).await;
    assert_eq!(again.expect_status(200)["state"], "closed");
    assert_eq!(
        (
            available(&harness, "A").await,
            available(&harness, "B").await
        ),
        (a + 1, b + 1)
    );
    let movement = &harness.get("/stock/A").await.body["movements"][0];
    assert_eq!(
        movement["reason"],
        format!("return {return_id} of order {id}"),
        "{movement}"
    );
    let order = harness.get(&format!("/orders/{id}")).await.body;
    assert_eq!(order["returns"], json!([closed]));
    assert_eq!(order["amounts"]["refunded"], json!(15));
    let listed = harness.get(&format!("/orders/{id}/returns")).await.body;
    assert_eq!(listed["returns"], order["returns"]);
    assert_eq!(
        events(&harness, id).await,
        [
            "return_requested",
            "return_approved",
            "return_received",
            "refund_requested",
            "refund_completed",
            "return_closed"
        ]
    );
    // The unit that did not come back can still be returned, with the last one.
    let rest = approve(&harness, id, "b", units("A", 2)).await;
    change(&harness, id, (&rest, "receive"), json!({}))
        .await
        .expect_status(200);
    wait_for_closed(&harness, id, &rest).await;
    assert_eq!(refunded(&harness, id).await, 3_500);
    assert_eq!(available(&harness, "A").await, a + 1);
    assert_gapless_audit_log(&harness, id).await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn return_without_money_is_closed_at_its_receipt() {
    let harness = Harness::start().await;
    let mut free = order_with_payment("pmt-rt-2");
    free["items"] = json!([{"sku": "A", "quantity": 1, "unit_price": 0}]);
    harness
        .post("/orders/rt-2/start", free)
        .await
        .expect_status(202);
    harness.wait_for_end("rt-2").await;
    let before = available(&harness, "A").await;
    let return_id = approve(&harness, "rt-2", "a", units("A", 1)).await;
    let receipt = json!({"restock": true});
    let closed = change(&harness, "rt-2", (&return_id, "receive"), receipt)
        .await
        .expect_status(200);
    assert_eq!(
        (&closed["state"], &closed["refund_id"]),
        (&json!("closed"), &Value::Null)
    );
    assert_eq!(available(&harness, "A").await, before + 1);
    assert_eq!(
        events(&harness, "rt-2").await,
        [
            "return_requested",
            "return_approved",
            "return_received",
            "return_closed"
        ]
    );
    assert_gapless_audit_log(&harness, "rt-2").await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn return_refunds_at_most_the_money_that_is_left() {
    let harness = Harness::start().await;
    let id = "rt-3";
    deliver(&harness, id).await;
    let part = json!({"amount": "20.00"});
    let headers = [("idempotency-key", "a")];
    harness
        .post_with_headers(&format!("/orders/{id}/refunds"), part, &headers)
        .await
        .expect_status(202);
    let return_id = approve(&harness, id, "b", units("A", 2)).await;
    let received = change(&harness, id, (&return_id, "receive"), json!({})).await;
    let refund_id = received.expect_status(200)["refund_id"].clone();
    wait_for_closed(&harness, id, &return_id).await;
    let path = format!("/orders/{id}/refunds/{}", refund_id.as_str().unwrap());
    assert_eq!(harness.get(&path).await.body["amount"], json!(15));
    // No money is left.
    let last = approve(&harness, id, "c", units("B", 1)).await;
    let closed = change(&harness, id, (&last, "receive"), json!({})).await;
    assert_eq!(closed.expect_status(200)["refund_id"], Value::Null);
    let paid = async || refunded(&harness, id).await;
    harness
        .wait_until("all refunds", paid, |sum| *sum == 3_500)
        .await;
    assert_gapless_audit_log(&harness, id).await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn invalid_requests_are_refused() {
    let harness = Harness::start().await;
    let id = "rt-4";
    deliver(&harness, id).await;
    for (body, pointer) in [
        (json!({}), "/items"),
        (json!({"items": []}), "/items"),
        (units("A", 0), "/items/0/quantity"),
        (units("Z", 1), "/items/0/sku"),
        (
            json!({"items": [{"sku": "A", "quantity": 1, "reason": "x".repeat(501)}]}),
            "/items/0/reason",
        ),
    ] {
        let refused = send(&harness, id, "a", body.clone()).await;
        let problem = refused.expect_problem(422, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}");
    }
    let problem = send(&harness, id, "a", units("A", 4))
        .await
        .expect_problem(409, "return_exceeds_items");
    assert!(
        problem["detail"].as_str().unwrap().contains("3 of 3"),
        "{problem}"
    );
    // Units whose value is refunded are returned.
    let refund = units("A", 1);
    let headers = [("idempotency-key", "refund")];
    harness
        .post_with_headers(&format!("/orders/{id}/refunds"), refund, &headers)
        .await
        .expect_status(202);
    send(&harness, id, "a", units("A", 3))
        .await
        .expect_problem(409, "return_exceeds_items");
    send(&harness, "unknown", "a", units("A", 1))
        .await
        .expect_problem(404, "order_not_found");
    for path in ["RT-UNKNOWN", "a%20b"] {
        harness
            .get(&format!("/orders/{id}/returns/{path}"))
            .await
            .expect_problem(404, "return_not_found");
        change(&harness, id, (path, "approve"), json!({}))
            .await
            .expect_problem(404, "return_not_found");
    }
    harness
        .get("/orders/unknown/returns")
        .await
        .expect_problem(404, "order_not_found");
    let mut waiting = order_with_payment("pmt-rt-5");
    waiting["profile"] = json!("checkout");
    harness
        .post("/orders/rt-5/start", waiting)
        .await
        .expect_status(202);
    send(&harness, "rt-5", "a", units("ABC123", 1))
        .await
        .expect_problem(409, "not_delivered");
    assert_gapless_audit_log(&harness, id).await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn state_decides_about_each_request() {
    let harness = Harness::start().await;
    let id = "rt-6";
    deliver(&harness, id).await;
    let conflict = async |return_id: &str, step: &str| {
        change(&harness, id, (return_id, step), json!({}))
            .await
            .expect_problem(409, "return_state_conflict")
    };
    let rejected = request(&harness, id, "a", units("A", 3)).await;
    conflict(&rejected, "receive").await;
    for _ in 0..2 {
        let decided = change(&harness, id, (&rejected, "reject"), json!("worn")).await;
        let decided = decided.expect_status(200);
        assert_eq!(
            (&decided["state"], &decided["note"]),
            (&json!("rejected"), &json!("worn"))
        );
    }
    for step in ["approve", "receive", "cancel"] {
        conflict(&rejected, step).await;
    }
    // The units of a rejected return are free again, and so are those of a cancelled one.
    let cancelled = approve(&harness, id, "b", units("A", 3)).await;
    for _ in 0..2 {
        let decided = change(&harness, id, (&cancelled, "cancel"), json!({})).await;
        assert_eq!(decided.expect_status(200)["state"], "cancelled");
    }
    for step in ["approve", "reject", "receive"] {
        conflict(&cancelled, step).await;
    }
    let received = approve(&harness, id, "c", units("A", 2)).await;
    conflict(&received, "reject").await;
    for (receipt, pointer) in [
        (units("B", 1), "/items/0/sku"),
        (json!({"items": []}), "/items"),
    ] {
        let problem = change(&harness, id, (&received, "receive"), receipt)
            .await
            .expect_problem(422, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], pointer);
    }
    change(&harness, id, (&received, "receive"), units("A", 3))
        .await
        .expect_problem(409, "return_exceeds_items");
    change(&harness, id, (&received, "receive"), units("A", 1))
        .await
        .expect_status(200);
    wait_for_closed(&harness, id, &received).await;
    for step in ["reject", "cancel", "receive"] {
        conflict(&received, step).await;
    }
    assert_eq!(refunded(&harness, id).await, 1_000);
    assert_gapless_audit_log(&harness, id).await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn refunded_units_are_not_received_again() {
    let harness = Harness::start().await;
    let id = "rt-7";
    deliver(&harness, id).await;
    let return_id = approve(&harness, id, "a", units("B", 1)).await;
    let headers = [("idempotency-key", "refund")];
    harness
        .post_with_headers(&format!("/orders/{id}/refunds"), units("B", 1), &headers)
        .await
        .expect_status(202);
    change(&harness, id, (&return_id, "receive"), json!({}))
        .await
        .expect_problem(409, "refund_exceeds_items");
    change(&harness, id, (&return_id, "cancel"), json!({}))
        .await
        .expect_status(200);
    let paid = async || refunded(&harness, id).await;
    harness
        .wait_until("the refund", paid, |sum| *sum == 500)
        .await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn repeated_request_is_one_return() {
    let harness = Harness::start().await;
    let id = "rt-8";
    deliver(&harness, id).await;
    let repeats = (0..4).map(|_| send(&harness, id, "same", units("A", 2)));
    let mut ids: Vec<_> = join_all(repeats)
        .await
        .into_iter()
        // More than two requests cannot wait for one decision at the same time.
        .filter(|response| response.status != 429)
        .map(|response| response.expect_status(201)["return_id"].clone())
        .collect();
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
    let return_id = ids[0].as_str().unwrap();
    change(&harness, id, (return_id, "approve"), json!({}))
        .await
        .expect_status(200);
    let again = send(&harness, id, "same", units("A", 2)).await;
    let again = again.expect_status(201);
    assert_eq!(
        (&again["return_id"], &again["state"]),
        (&json!(return_id), &json!("approved"))
    );
    send(&harness, id, "same", units("A", 1))
        .await
        .expect_problem(422, "idempotency_key_reused");
    assert_eq!(
        events(&harness, id).await,
        ["return_requested", "return_approved"]
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn concurrent_returns_never_exceed_the_units() {
    let harness = Harness::start().await;
    let id = "rt-9";
    deliver(&harness, id).await;
    let keys: Vec<_> = (0..10).map(|number| format!("key-{number}")).collect();
    let requests = keys
        .iter()
        .map(|key| send(&harness, id, key, units("A", 1)));
    let (accepted, refused): (Vec<_>, Vec<_>) = join_all(requests)
        .await
        .into_iter()
        .partition(|response| response.status == 201);
    assert_eq!((accepted.len(), refused.len()), (3, 7));
    for response in refused {
        response.expect_problem(409, "return_exceeds_items");
    }
    let ids: Vec<_> = accepted
        .iter()
        .map(|response| response.body["return_id"].as_str().unwrap().to_owned())
        .collect();
    for return_id in &ids {
        change(&harness, id, (return_id, "approve"), json!({}))
            .await
            .expect_status(200);
    }
    // All receipts at the same time, each twice.
    let receipts = ids.iter().chain(&ids).map(|return_id| {
        change(
            &harness,
            id,
            (return_id, "receive"),
            json!({"restock": true}),
        )
    });
    let before = available(&harness, "A").await;
    for response in join_all(receipts).await {
        response.expect_status(200);
    }
    for return_id in &ids {
        wait_for_closed(&harness, id, return_id).await;
    }
    assert_eq!(refunded(&harness, id).await, 3_000);
    assert_eq!(available(&harness, "A").await, before + 3);
    send(&harness, id, "more", units("A", 1))
        .await
        .expect_problem(409, "return_exceeds_items");
    assert_gapless_audit_log(&harness, id).await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn return_survives_a_killed_worker_in_each_step() {
    let harness = Harness::start().await;
    let id = "rt-10";
    deliver(&harness, id).await;
    // During the request.
    let (first, ()) = futures::join!(
        request(&harness, id, "a", units("A", 1)),
        kill_worker(&harness)
    );
    change(&harness, id, (&first, "approve"), json!({}))
        .await
        .expect_status(200);
    // During the receipt.
    let before = available(&harness, "A").await;
    let (received, ()) = futures::join!(
        change(&harness, id, (&first, "receive"), json!({"restock": true})),
        kill_worker(&harness)
    );
    received.expect_status(200);
    wait_for_closed(&harness, id, &first).await;
    // During the provider's call.
    let second = approve(&harness, id, "b", units("A", 1)).await;
    add_fault(&harness.pool, "refund", id, Fault::Hang, 1)
        .await
        .unwrap();
    change(&harness, id, (&second, "receive"), json!({"restock": true}))
        .await
        .expect_status(200);
    let faults_left = async || {
        store::simulator::count_faults(&harness.pool, "refund", id)
            .await
            .unwrap()
    };
    harness
        .wait_until("the provider's call", faults_left, |left| *left == 0)
        .await;
    kill_worker(&harness).await;
    wait_for_closed(&harness, id, &second).await;
    // After the provider's response, while the result is recorded and the return is closed.
    let third = approve(&harness, id, "c", units("A", 1)).await;
    change(&harness, id, (&third, "receive"), json!({"restock": true}))
        .await
        .expect_status(200);
    let paid = async || refunded(&harness, id).await;
    harness
        .wait_until("the third refund", paid, |sum| *sum == 3_000)
        .await;
    kill_worker(&harness).await;
    wait_for_closed(&harness, id, &third).await;
    assert_eq!(refunded(&harness, id).await, 3_000);
    assert_eq!(available(&harness, "A").await, before + 3);
    assert_gapless_audit_log(&harness, id).await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn return_of_a_terminated_refund_is_closed() {
    let harness = Harness::start().await;
    let id = "rt-11";
    deliver(&harness, id).await;
    let return_id = approve(&harness, id, "a", units("A", 1)).await;
    add_fault(&harness.pool, "refund", id, Fault::Fail, 1)
        .await
        .unwrap();
    let received = change(&harness, id, (&return_id, "receive"), json!({})).await;
    let refund_id = received.expect_status(200)["refund_id"].clone();
    harness
        .connect_to_temporal()
        .await
        .get_workflow_handle::<UntypedWorkflow>(format!(
            "refund-{id}-{}",
            refund_id.as_str().unwrap()
        ))
        .terminate(WorkflowTerminateOptions::default())
        .await
        .unwrap();
    let path = format!("/orders/{id}/returns/{return_id}");
    let recover = async || {
        harness
            .run_json(&["recover", "--idle-for", "1s", "--json"])
            .await;
        harness.get(&path).await.body
    };
    harness
        .wait_until("the closed return", recover, |shown| {
            shown["state"] == "closed"
        })
        .await;
    assert_eq!(refunded(&harness, id).await, 1_000);
    assert_gapless_audit_log(&harness, id).await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn verify_shows_more_returned_units_than_sold() {
    let harness = Harness::start().await;
    deliver(&harness, "rt-12").await;
    request(&harness, "rt-12", "a", units("B", 1)).await;
    sqlx::query(
        "update returns set items_json = jsonb_set(items_json, '{0, quantity}', '2') where order_id = 'rt-12'",
    )
    .execute(&harness.pool)
    .await
    .unwrap();
    let found = store::verify::find_violations(&harness.pool).await.unwrap();
    let found: Vec<_> = found.iter().map(|found| found.rule.as_str()).collect();
    assert_eq!(found, ["more units are returned than the order has: B"]);
}

async fn send_for(
    harness: &Harness,
    path: &str,
    body: Value,
    (key, tag): (&str, &str),
) -> ApiResponse {
    let headers = [("idempotency-key", key), ("if-match", tag)];
    harness.post_with_headers(path, body, &headers).await
}

/// Returns the success first, and the refusal. Exactly one of two requests for one state is accepted.
fn success_first(one: ApiResponse, other: ApiResponse, status: u16) -> (ApiResponse, ApiResponse) {
    if one.status == status {
        (one, other)
    } else {
        (other, one)
    }
}

#[tokio::test]
async fn one_of_two_changes_for_a_state_of_the_order_is_accepted() {
    let harness = Harness::start().await;
    let id = "rt-13";
    deliver(&harness, id).await;
    let returns = format!("/orders/{id}/returns");
    let first = tag(&harness, id).await;
    let (one, other) = futures::join!(
        send_for(&harness, &returns, units("A", 1), ("a", &first)),
        send_for(&harness, &returns, units("B", 1), ("b", &first))
    );
    let (accepted, refused) = success_first(one, other, 201);
    let requested = accepted.header("etag").to_owned();
    assert_eq!(requested, tag(&harness, id).await);
    assert_eq!(refused.header("etag"), requested);
    refused.expect_problem(412, "precondition_failed");
    let return_id = accepted.expect_status(201)["return_id"].clone();
    let sku = harness.get(&returns).await.body["returns"][0]["items"][0]["sku"].clone();
    let (key, body) = if sku == "A" {
        ("a", units("A", 1))
    } else {
        ("b", units("B", 1))
    };
    let path = |step: &str| format!("{returns}/{}/{step}", return_id.as_str().unwrap());
    for step in ["approve", "reject", "receive", "cancel"] {
        let stale = send_for(&harness, &path(step), json!({}), ("stale", &first)).await;
        assert_eq!(stale.header("etag"), requested, "{step}");
        stale.expect_problem(412, "precondition_failed");
    }
    let unknown = format!("{returns}/unknown/approve");
    send_for(&harness, &unknown, json!({}), ("unknown", &first))
        .await
        .expect_problem(404, "return_not_found");
    // Two operators decide about the same state.
    let (approve, reject) = (path("approve"), path("reject"));
    let (approved, rejected) = futures::join!(
        send_for(&harness, &approve, json!({}), ("c", &requested)),
        send_for(&harness, &reject, json!({}), ("d", &requested))
    );
    let step = if approved.status == 200 {
        "approve"
    } else {
        "reject"
    };
    let (decided, refused) = success_first(approved, rejected, 200);
    let after = decided.header("etag").to_owned();
    decided.expect_status(200);
    assert_eq!(after, tag(&harness, id).await);
    assert_eq!(refused.header("etag"), after);
    refused.expect_problem(412, "precondition_failed");
    // Repeated requests get their first outcomes, with the tags of that time.
    let again = send_for(&harness, &returns, body, (key, &first)).await;
    assert_eq!(again.header("etag"), requested);
    assert_eq!(again.expect_status(201)["return_id"], return_id);
    let again = send_for(&harness, &path(step), json!({}), ("e", &requested)).await;
    assert_eq!(again.header("etag"), after);
    again.expect_status(200);
    assert_gapless_audit_log(&harness, id).await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn receipt_is_for_the_named_state() {
    let harness = Harness::start().await;
    let id = "rt-14";
    deliver(&harness, id).await;
    let return_id = request(&harness, id, "a", units("A", 1)).await;
    let path = |step: &str| format!("/orders/{id}/returns/{return_id}/{step}");
    let requested = tag(&harness, id).await;
    let approved = send_for(&harness, &path("approve"), json!({}), ("b", &requested)).await;
    let approved_tag = approved.header("etag").to_owned();
    approved.expect_status(200);
    let receive = path("receive");
    send_for(&harness, &receive, json!({}), ("c", &requested))
        .await
        .expect_problem(412, "precondition_failed");
    let received = send_for(&harness, &receive, json!({}), ("c", &approved_tag)).await;
    let received_tag = received.header("etag").to_owned();
    received.expect_status(200);
    assert_ne!(received_tag, approved_tag);
    wait_for_closed(&harness, id, &return_id).await;
    // The refund has changed the order since.
    let again = send_for(&harness, &receive, json!({}), ("d", &approved_tag)).await;
    assert_eq!(again.header("etag"), received_tag);
    assert_eq!(again.expect_status(200)["state"], "closed");
    assert_ne!(tag(&harness, id).await, received_tag);
    assert_eq!(refunded(&harness, id).await, 1_000);
    assert_gapless_audit_log(&harness, id).await;
    harness.assert_invariants().await;
}
