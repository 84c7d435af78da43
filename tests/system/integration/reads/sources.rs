//! The source of a read: the workflow, its row, or Temporal's description, with each of them
//! unavailable.

use serde_json::json;
use temporalio_client::WorkflowGetResultOptions;

use super::{
    cancel_order, create_waiting_order, get_with_headers, read_paths, without_volatile_fields,
};
use crate::{
    api::{order_with_payment, sample_order},
    harness::Harness,
    shared_servers::{TEMPLATE_DATABASE, shared_servers},
};
use devstack::{Postgres, PostgresOptions, Temporal, TemporalOptions};
use domain::FailureCode;
use workflows::OrderWorkflow;

#[tokio::test]
async fn workflow_and_database_return_equal_state() {
    let harness = Harness::start().await;
    let id = create_waiting_order(&harness).await;
    let workflow = harness.get(&format!("/orders/{id}")).await;
    let database = harness.get(&format!("/orders/{id}?source=database")).await;
    let trail = harness.get(&format!("/orders/{id}/events")).await;
    let tag = workflow.header("etag").to_owned();
    assert_eq!(tag, format!("W/\"{}\"", workflow.body["seq"]));
    assert_eq!(
        (database.header("etag"), trail.header("etag")),
        (tag.as_str(), tag.as_str())
    );
    let (workflow, database) = (workflow.expect_status(200), database.expect_status(200));
    assert_eq!(
        (&workflow["source"], &database["source"]),
        (&json!("workflow"), &json!("database"))
    );
    assert_eq!(
        without_volatile_fields(workflow),
        without_volatile_fields(database)
    );
    let status = harness
        .get(&format!("/orders/{id}/status"))
        .await
        .expect_status(200);
    assert_eq!(
        (&status["status"], &status["step"], &status["is_running"]),
        (&json!("pending"), &json!("pay"), &json!(true))
    );
    // No worker answers the query, so the API returns the row with the same tag.
    harness.worker.kill().await;
    for path in [
        format!("/orders/{id}/status"),
        format!("/orders/{id}"),
        format!("/orders/{id}?source=workflow"),
    ] {
        let response = harness.get(&path).await;
        assert_eq!(
            (response.header("etag"), &response.body["source"]),
            (tag.as_str(), &json!("database")),
            "{path}"
        );
    }
    harness.worker.restart().await.unwrap();
    cancel_order(&harness, &id).await;
    for path in [
        format!("/orders/{id}"),
        format!("/orders/{id}/result"),
        format!("/orders/{id}?source=workflow"),
    ] {
        assert_eq!(
            harness.get(&path).await.expect_status(200)["source"],
            "database",
            "{path}"
        );
    }
}

/// Temporal bills each query, so the row of an ended order is enough.
#[tokio::test]
async fn ended_order_is_read_without_temporal() {
    let harness = Harness::start().await;
    let id = create_waiting_order(&harness).await;
    cancel_order(&harness, &id).await;
    let tag = format!("W/\"{}\"", harness.wait_for_end(&id).await.seq);
    // The first read connects, which can exceed the limit of a first read on a busy machine.
    harness.get(&format!("/orders/{id}?source=database")).await;
    for path in read_paths(&id) {
        for query in ["", "?source=workflow"] {
            if path.ends_with("/events") && !query.is_empty() {
                continue;
            }
            let response = harness.get(&format!("{path}{query}")).await;
            assert_eq!(response.header("etag"), tag, "{path}{query}");
            let body = response.expect_status(200);
            assert!(
                body["source"] == "database" || body["source"].is_null(),
                "{path}{query}: {body}"
            );
        }
        let cached = [("if-none-match", tag.as_str()), ("prefer", "wait=1")];
        let response = get_with_headers(&harness, &path, &cached).await;
        assert_eq!(response.status, 304, "{path}");
    }
    let cancelled = r#"orderflow_temporal_seconds_count{operation="update"} 1"#;
    let metrics = harness
        .wait_for_metrics(&harness.metrics_urls[0], &[cancelled])
        .await;
    for operation in ["query", "describe"] {
        let used = format!("orderflow_temporal_seconds_count{{operation=\"{operation}\"}}");
        assert!(!metrics.contains(&used), "{metrics}");
    }
    harness.assert_invariants().await;
}

/// After Temporal's retention, an id can start again. It still belongs to the order that has the
/// row, and the new run ends without a write.
#[tokio::test]
async fn reused_id_returns_the_ended_order() {
    let harness = Harness::start().await;
    let path = "/orders/reused/start";
    harness
        .post(path, order_with_payment("pmt-reused"))
        .await
        .expect_status(202);
    harness.wait_for_end("reused").await;
    let read = async || {
        let response = harness.get("/orders/reused").await;
        let tag = response.header("etag").to_owned();
        (tag, response.expect_status(200))
    };
    let before = read().await;
    assert_eq!(
        (&before.1["status"], &before.1["source"]),
        (&json!("delivered"), &json!("database"))
    );
    harness.delete_workflow("reused").await;
    harness.worker.kill().await;
    harness
        .post(path, order_with_payment("pmt-reused-again"))
        .await
        .expect_status(202);
    assert_eq!(read().await, before);
    harness.worker.restart().await.unwrap();
    let client = harness.connect_to_temporal().await;
    let handle = client.get_workflow_handle::<OrderWorkflow>("order-reused");
    let outcome = handle
        .get_result(WorkflowGetResultOptions::default())
        .await
        .unwrap();
    assert_eq!(
        outcome.failure.map(|failure| failure.code),
        Some(FailureCode::DuplicateOrder)
    );
    assert_eq!(read().await, before);
    assert_eq!(harness.provider_movements("reused").await, ["capture"]);
    harness.assert_invariants().await;
}

#[tokio::test]
async fn order_without_row_is_read_from_temporal() {
    let harness = Harness::start().await;
    harness.worker.kill().await;
    let id = harness
        .post("/orders", sample_order())
        .await
        .expect_started();
    for query in ["", "?source=database", "?source=workflow"] {
        let response = harness.get(&format!("/orders/{id}/status{query}")).await;
        assert_eq!(response.header("etag"), "W/\"0\"");
        let state = response.expect_status(200);
        assert_eq!(
            (
                &state["source"],
                &state["status"],
                &state["step"],
                &state["is_running"]
            ),
            (
                &json!("temporal"),
                &json!("pending"),
                &json!("receive"),
                &json!(true)
            )
        );
    }
    let order = harness.get(&format!("/orders/{id}")).await;
    let order = order.expect_status(200);
    assert_eq!(order["customer_id"], "CUST-001");
    // ORD-05: the accepted document is not known here, which differs from an empty one.
    assert_eq!(order["document_pending"], true, "{order}");
    assert_eq!(
        harness
            .get(&format!("/orders/{id}/estimated-delivery"))
            .await
            .expect_status(200)["basis"],
        "now"
    );
    let problem = harness
        .get(&format!("/orders/{id}/result"))
        .await
        .expect_problem(409, "order_running");
    assert_eq!(problem["order_status"], "pending");
    let events = harness.get(&format!("/orders/{id}/events")).await;
    assert_eq!(events.header("etag"), "W/\"0\"");
    assert_eq!(events.expect_status(200), json!({"events": []}));
    let approve = format!("/orders/{id}/signals/approve");
    harness
        .post_without_retry(&approve, &json!({}), &[])
        .await
        .expect_problem(503, "worker_unavailable");
    harness.worker.restart().await.unwrap();
    harness.wait_for_status(&id, "pending").await;
}

#[tokio::test]
async fn deleted_workflow_is_read_from_its_row() {
    let harness = Harness::start().await;
    let id = create_waiting_order(&harness).await;
    cancel_order(&harness, &id).await;
    harness.delete_workflow(&id).await;
    for path in read_paths(&id) {
        let response = harness.get(&path).await;
        assert!(!response.header("etag").is_empty(), "{path}");
        let body = response.expect_status(200);
        assert!(
            body["source"] == "database" || body["source"].is_null(),
            "{path}: {body}"
        );
    }
    assert_eq!(
        harness
            .get(&format!("/orders/{id}/result"))
            .await
            .expect_status(200)["cancellation_reason"],
        "changed my mind"
    );
    for path in read_paths("nobody") {
        for query in ["", "?source=database"] {
            harness
                .get(&format!("{path}{query}"))
                .await
                .expect_problem(404, "order_not_found");
        }
    }
    // A long poll for an unknown order ends immediately; otherwise this test would not end.
    for path in read_paths("nobody") {
        let headers = [("if-none-match", "W/\"1\""), ("prefer", "wait=20")];
        get_with_headers(&harness, &path, &headers)
            .await
            .expect_problem(404, "order_not_found");
    }
}

#[tokio::test]
async fn database_answers_while_temporal_is_unavailable() {
    let temporal = Temporal::start(TemporalOptions::default()).await.unwrap();
    let database = shared_servers()
        .await
        .create_database(&format!("db_reads_{}", std::process::id()))
        .await;
    let harness = Harness::start_on(&database, &temporal.address, &[]).await;
    let id = create_waiting_order(&harness).await;
    let ended = create_waiting_order(&harness).await;
    cancel_order(&harness, &ended).await;
    temporal.process.kill().await;
    for path in read_paths(&ended) {
        harness.get(&path).await.expect_status(200);
    }
    for path in [
        format!("/orders/{id}"),
        format!("/orders/{id}/status"),
        format!("/orders/{id}?source=database"),
    ] {
        let state = harness.get(&path).await.expect_status(200);
        assert_eq!(
            (&state["source"], &state["status"]),
            (&json!("database"), &json!("pending")),
            "{path}"
        );
    }
    harness
        .get(&format!("/orders/{id}/events"))
        .await
        .expect_status(200);
    assert_eq!(
        harness
            .get(&format!("/orders/{id}/estimated-delivery"))
            .await
            .expect_status(200)["basis"],
        "now"
    );
    assert_eq!(
        harness
            .get("/orders?status=pending")
            .await
            .expect_status(200)["orders"][0]["order_id"],
        id.as_str()
    );
    // ORD-09: Temporal may have created the order, although its response is missing.
    let (body, order) = (json!({"payment_id": "pmt-perhaps"}), sample_order());
    let key = [("idempotency-key", "perhaps")];
    let start = harness.post_without_retry("/orders/perhaps/start", &body, &[]);
    let create = harness.post_without_retry("/orders", &order, &key);
    let without_key = harness.post_without_retry("/orders", &order, &[]);
    for (response, advice) in [
        (
            start.await,
            "The order 'perhaps' may have been created; a repeat with the same id is safe.",
        ),
        (
            create.await,
            "a repeat with the same Idempotency-Key is safe.",
        ),
        (
            without_key.await,
            "a repeat without an Idempotency-Key can create a second order.",
        ),
    ] {
        assert_eq!(response.header("retry-after"), "5");
        let problem = response.expect_problem(503, "temporal_unavailable");
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            detail.contains("may have been created") && detail.contains(advice),
            "{detail}"
        );
    }
    // The API cannot decide whether the order exists.
    harness
        .get("/orders/nobody")
        .await
        .expect_problem(503, "temporal_unavailable");
    harness
        .get("/orders/nobody/events")
        .await
        .expect_problem(503, "temporal_unavailable");
    let health = harness.get("/health").await;
    assert_eq!(
        (
            health.status.as_u16(),
            &health.body["temporal"]["reachable"]
        ),
        (503, &json!(false))
    );
}

#[tokio::test]
async fn workflow_answers_while_database_is_unavailable() {
    let postgres = Postgres::start(PostgresOptions {
        durable: true,
        ..PostgresOptions::default()
    })
    .await
    .unwrap();
    let template = postgres
        .create_database(TEMPLATE_DATABASE, None)
        .await
        .unwrap();
    let pool = store::connect(&template).await.unwrap();
    store::migrate(&pool).await.unwrap();
    let harness = Harness::start_on(&template, &shared_servers().await.temporal.address, &[]).await;
    let (open, closed) = (
        create_waiting_order(&harness).await,
        create_waiting_order(&harness).await,
    );
    cancel_order(&harness, &closed).await;
    postgres.process.kill().await;
    for (id, status) in [(&open, "pending"), (&closed, "cancelled")] {
        let state = harness
            .get(&format!("/orders/{id}"))
            .await
            .expect_status(200);
        assert_eq!(
            (&state["source"], &state["status"]),
            (&json!("workflow"), &json!(status))
        );
        harness
            .get(&format!("/orders/{id}?source=database"))
            .await
            .expect_problem(503, "database_unavailable");
        harness
            .get(&format!("/orders/{id}/events"))
            .await
            .expect_problem(503, "database_unavailable");
    }
    assert_eq!(
        harness
            .get(&format!("/orders/{closed}/result"))
            .await
            .expect_status(200)["status"],
        "cancelled"
    );
    assert_eq!(
        harness
            .get(&format!("/orders/{open}/estimated-delivery"))
            .await
            .expect_status(200)["basis"],
        "now"
    );
    harness
        .get("/orders")
        .await
        .expect_problem(503, "database_unavailable");
    // A long poll works without the row, because it queries the workflow.
    let tag = harness
        .get(&format!("/orders/{open}"))
        .await
        .header("etag")
        .to_owned();
    let wait = [("if-none-match", tag.as_str()), ("prefer", "wait=1")];
    assert_eq!(
        get_with_headers(&harness, &format!("/orders/{open}"), &wait)
            .await
            .status,
        304
    );
    // The refusal is a change that no row contains.
    let long = [("if-none-match", tag.as_str()), ("prefer", "wait=20")];
    let news = async || get_with_headers(&harness, &format!("/orders/{open}"), &long).await;
    let news = harness.wait_until("a change", news, |response| response.status == 200);
    let approve = format!("/orders/{open}/signals/approve");
    let (news, refused) = futures::join!(news, harness.post(&approve, json!({})));
    refused.expect_problem(409, "not_in_review");
    assert_eq!(news.expect_status(200)["source"], "workflow");
    postgres.restart().await.unwrap();
    cancel_order(&harness, &open).await;
}

#[tokio::test]
async fn database_first_setting_reads_the_row() {
    let harness = Harness::start_with(&[("READS", "database")]).await;
    let id = create_waiting_order(&harness).await;
    let source = async |query: &str| {
        harness
            .get(&format!("/orders/{id}{query}"))
            .await
            .expect_status(200)["source"]
            .clone()
    };
    assert_eq!(source("").await, "database");
    assert_eq!(source("?source=workflow").await, "workflow");
    assert_eq!(source("?source=database").await, "database");
    cancel_order(&harness, &id).await;
}

#[tokio::test]
async fn unavailable_source_is_reported() {
    let harness = Harness::start().await;
    let id = create_waiting_order(&harness).await;
    for path in
        ["", "/status", "/estimated-delivery", "/result"].map(|rest| format!("/orders/{id}{rest}"))
    {
        let problem = harness
            .get(&format!("{path}?source=temporal"))
            .await
            .expect_problem(422, "invalid_query");
        assert_eq!(
            problem["errors"],
            json!([{"pointer": "/source", "detail": "must be workflow or database"}])
        );
    }
    // The audit log and the lists exist in the database only.
    for path in [format!("/orders/{id}/events"), "/orders".to_owned()] {
        harness
            .get(&format!("{path}?source=database"))
            .await
            .expect_status(200);
        let problem = harness
            .get(&format!("{path}?source=workflow"))
            .await
            .expect_problem(422, "invalid_query");
        assert!(
            problem["detail"]
                .as_str()
                .unwrap()
                .contains("source must be database"),
            "{problem}"
        );
    }
    for path in read_paths(&id)
        .iter()
        .map(String::as_str)
        .chain(["/orders", "/health"])
    {
        let problem = harness
            .get(&format!("{path}?sauce=workflow"))
            .await
            .expect_problem(422, "invalid_query");
        assert!(
            problem["detail"]
                .as_str()
                .unwrap()
                .contains("sauce is not a parameter"),
            "{path}: {problem}"
        );
    }
    cancel_order(&harness, &id).await;
}

#[tokio::test]
async fn health_reports_temporal_status() {
    let harness = Harness::start().await;
    assert_eq!(
        harness.get("/health").await.expect_status(200),
        json!({"status": "ok", "temporal": {"reachable": true}})
    );
}
