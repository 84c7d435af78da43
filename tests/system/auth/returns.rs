//! Returns of a customer's caller: its own orders only, and no decision of the shop.

use serde_json::json;

use super::{Keys, start_with_keys};
use crate::api::order_with_payment;

#[tokio::test]
async fn customer_requests_and_cancels_its_own_return() {
    let keys = Keys::create();
    let harness = start_with_keys(&keys, &[]).await;
    let mut order = order_with_payment("pmt-own");
    order.as_object_mut().unwrap().remove("customer");
    harness
        .call(keys.get("alice"), "POST", "/orders/own/start", Some(order))
        .await
        .expect_status(202);
    let status = async || {
        let path = "/orders/own/status";
        harness
            .call(keys.get("everything"), "GET", path, None)
            .await
    };
    harness
        .wait_until("the end of the order", status, |status| {
            status.body["is_running"] == false
        })
        .await;
    let body = json!({"items": [{"sku": "ABC123", "quantity": 1}]});
    let request = async |key: &str| {
        let body = Some(body.clone());
        harness
            .call(keys.get(key), "POST", "/orders/own/returns", body)
            .await
    };
    request("bob").await.expect_problem(404, "order_not_found");
    let requested = request("alice").await.expect_status(201);
    assert_eq!(requested["requested_by"], "key:alice");
    let path = format!(
        "/orders/own/returns/{}",
        requested["return_id"].as_str().unwrap()
    );
    let change = async |key: &str, step: &str| {
        let path = format!("{path}/{step}");
        harness
            .call(keys.get(key), "POST", &path, Some(json!({})))
            .await
    };
    for step in ["approve", "reject", "receive"] {
        change("alice", step)
            .await
            .expect_problem(403, "customer_caller");
    }
    change("bob", "cancel")
        .await
        .expect_problem(404, "order_not_found");
    change("operator", "approve").await.expect_status(200);
    change("operator", "receive")
        .await
        .expect_problem(403, "insufficient_scope");
    let cancelled = change("alice", "cancel").await.expect_status(200);
    assert_eq!(cancelled["state"], "cancelled");
    let shown = harness.call(keys.get("alice"), "GET", &path, None).await;
    assert_eq!(shown.expect_status(200)["state"], "cancelled");
    harness
        .call(keys.get("bob"), "GET", &path, None)
        .await
        .expect_problem(404, "order_not_found");
    harness.assert_invariants().await;
}
