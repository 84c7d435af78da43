//! Changes of the shop's notes, on open and on ended orders.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    api::{ApiResponse, order_with_payment, sample_order},
    harness::Harness,
    write_path::assert_gapless_audit_log,
};

async fn patch(harness: &Harness, id: &str, body: Value, key: Option<&str>) -> ApiResponse {
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(key.map(|key| ("idempotency-key", key)));
    let path = format!("/orders/{id}");
    let text = body.to_string();
    let send = async || {
        let body = Some(text.clone());
        harness.send(Method::PATCH, &path, &headers, body).await
    };
    let is_answered = |response: &ApiResponse| response.status != 503;
    harness.wait_until("a response", send, is_answered).await
}

async fn updates(harness: &Harness, id: &str) -> Vec<Value> {
    let log = harness.get(&format!("/orders/{id}/events")).await.body;
    let events = log["events"].as_array().unwrap().iter();
    events
        .filter(|event| event["type"] == "order_updated")
        .map(|event| event["payload"].clone())
        .collect()
}

#[tokio::test]
async fn open_order_is_updated() {
    let harness = Harness::start_with(&[("ORDER_PROFILE", "checkout")]).await;
    let mut order = sample_order();
    order["metadata"] = json!({"channel": "web", "batch": 7});
    order["note"] = json!("ring twice");
    harness
        .post("/orders/noted/start", order)
        .await
        .expect_status(202);
    harness.wait_for_reason("noted", "payment").await;
    let change = json!({"external_reference": " ERP-1 ", "metadata": {"batch": null, "vip": true}});
    let changed = patch(&harness, "noted", change.clone(), None)
        .await
        .expect_status(200);
    assert_eq!(changed["external_reference"], "ERP-1");
    assert_eq!(changed["metadata"], json!({"channel": "web", "vip": true}));
    assert_eq!(
        (&changed["note"], &changed["already"]),
        (&json!("ring twice"), &Value::Null)
    );
    let again = patch(&harness, "noted", change, None)
        .await
        .expect_status(200);
    assert_eq!(again["already"], true);
    let order = harness.get("/orders/noted").await.expect_status(200);
    assert_eq!(order["metadata"], json!({"channel": "web", "vip": true}));
    let listed = harness
        .get("/orders?external_reference=ERP-1")
        .await
        .expect_status(200);
    assert_eq!(listed["orders"][0]["order_id"], "noted");
    patch(&harness, "noted", json!({"note": ""}), None)
        .await
        .expect_status(200);
    assert_eq!(harness.get("/orders/noted").await.body["note"], Value::Null);
    assert_eq!(
        updates(&harness, "noted").await,
        [
            json!({
                "external_reference": {"old": null, "new": "ERP-1"},
                "metadata": {"old": {"batch": 7}, "new": {"vip": true}},
            }),
            json!({"note": {"old": "ring twice", "new": null}}),
        ]
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn ended_order_is_updated_once_per_key() {
    let harness = Harness::start().await;
    let id = "noted-late";
    harness
        .post(
            &format!("/orders/{id}/start"),
            order_with_payment("pmt-noted"),
        )
        .await
        .expect_status(202);
    harness.wait_for_end(id).await;
    let before = harness.get(&format!("/orders/{id}")).await;
    let change = json!({"external_reference": "ERP-9", "metadata": {"invoice": "R-1"}});
    let first = patch(&harness, id, change.clone(), Some("key-1")).await;
    let first = first.expect_status(200);
    assert_eq!(
        (&first["status"], &first["external_reference"]),
        (&json!("delivered"), &json!("ERP-9"))
    );
    assert_eq!(first["already"], Value::Null);
    // Another change, and then the first one again: a repeated request changes nothing.
    patch(&harness, id, json!({"external_reference": "ERP-10"}), None)
        .await
        .expect_status(200);
    patch(&harness, id, change, Some("key-1"))
        .await
        .expect_status(200);
    patch(&harness, id, json!({"note": "other"}), Some("key-1"))
        .await
        .expect_problem(422, "idempotency_key_reused");
    let after = harness.get(&format!("/orders/{id}")).await;
    assert_ne!(after.header("etag"), before.header("etag"));
    let after = after.expect_status(200);
    assert_eq!(after["external_reference"], "ERP-10");
    assert_eq!(after["metadata"], json!({"invoice": "R-1"}));
    assert_eq!(updates(&harness, id).await.len(), 2);
    assert_gapless_audit_log(&harness, id).await;
    // Temporal deletes workflows after its retention time.
    harness.delete_workflow(id).await;
    patch(&harness, id, json!({"note": "kept"}), None)
        .await
        .expect_status(200);
    assert_eq!(
        harness.get(&format!("/orders/{id}")).await.body["note"],
        "kept"
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn invalid_update_changes_nothing() {
    let harness = Harness::start_with(&[("ORDER_PROFILE", "checkout")]).await;
    harness
        .post("/orders/full/start", sample_order())
        .await
        .expect_status(202);
    harness.wait_for_reason("full", "payment").await;
    for (body, pointer) in [
        (json!({}), ""),
        (json!({"status": "delivered"}), "/status"),
        (json!({"metadata": {"a": [1]}}), "/metadata/a"),
        (json!({"note": "x".repeat(2_001)}), "/note"),
    ] {
        let problem = patch(&harness, "full", body, None).await;
        let problem = problem.expect_problem(422, "invalid_request");
        let mut errors = problem["errors"].as_array().unwrap().iter();
        assert!(errors.any(|error| error["pointer"] == pointer), "{problem}");
    }
    let many = |first: usize| -> Value {
        (first..first + 30)
            .map(|number| (number.to_string(), json!(number)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    patch(&harness, "full", json!({"metadata": many(0)}), None)
        .await
        .expect_status(200);
    let problem = patch(&harness, "full", json!({"metadata": many(30)}), None).await;
    problem.expect_problem(422, "metadata_too_large");
    let order = harness.get("/orders/full").await.expect_status(200);
    assert_eq!(order["metadata"].as_object().unwrap().len(), 30);
    patch(&harness, "unknown", json!({"note": "x"}), None)
        .await
        .expect_problem(404, "order_not_found");
    harness.assert_invariants().await;
}
