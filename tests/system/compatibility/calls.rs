//! The documented requests of each system, unchanged, against a deployment with its profile.

use reqwest::Method;
use serde_json::{Value, json};
use temporalio_client::{UntypedQuery, UntypedSignal, WorkflowQueryOptions, WorkflowSignalOptions};
use temporalio_common::{data_converters::RawValue, protos::temporal::api::common::v1::Payload};

use crate::{api::ApiResponse, harness::Harness, shared_servers::shared_servers};
use workflows::OrderWorkflow;

impl Harness {
    /// Sends one line of another system's manual: `POST /orders/order-123/start {"payment_id":
    /// "payment-456"}`.
    async fn send_documented_request(&self, call: &str) -> ApiResponse {
        let mut words = call.splitn(3, ' ');
        let (method, path) = (
            words.next().unwrap().parse::<Method>().unwrap(),
            words.next().unwrap(),
        );
        let headers: &[_] = if call.contains('{') {
            &[("content-type", "application/json")]
        } else {
            &[]
        };
        self.send(method, path, headers, words.next().map(ToOwned::to_owned))
            .await
    }
}

#[tokio::test]
async fn system_a_requests_work() {
    // Users of system A have ten seconds to change an order.
    let harness = Harness::start_with(&[("PAYMENT_PROCESSING_DELAY", "10s")]).await;
    harness
        .send_documented_request(r#"POST /orders/order-123/start {"payment_id": "payment-456"}"#)
        .await
        .expect_started();
    harness.wait_for_step("order-123", "pay").await;
    let moved = harness
        .send_documented_request(
            r#"POST /orders/order-123/signals/update-address {"street": "123 Main St"}"#,
        )
        .await
        .expect_status(200);
    assert_eq!(moved["shipping_address"]["street"], "123 Main St");
    harness
        .send_documented_request("POST /orders/order-123/signals/cancel")
        .await
        .expect_status(200);
    let status = harness
        .send_documented_request("GET /orders/order-123/status")
        .await
        .expect_status(200);
    assert_eq!(
        (&status["order_id"], &status["status"]),
        (&json!("order-123"), &json!("cancelled"))
    );
    assert!(
        harness
            .send_documented_request("GET /docs")
            .await
            .expect_status(200)
            .as_str()
            .unwrap()
            .contains("swagger-ui")
    );
    harness.wait_for_end("order-123").await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn system_b_requests_work() {
    let harness = Harness::start_with(&[("ORDER_PROFILE", "lifecycle"), ("DELIVERY", "")]).await;
    let order = r#"POST /orders {"customer_name": "John Doe", "customer_email": "john@example.com",
        "items": [{"sku": "ABC123", "qty": 2, "price": 99.99}],
        "shipping_address": {"street": "123 Main St", "city": "Anytown", "state": "CA"}}"#;
    let [kept, regretted] = [
        harness
            .send_documented_request(order)
            .await
            .expect_started(),
        harness
            .send_documented_request(order)
            .await
            .expect_started(),
    ];
    harness
        .send_documented_request(&format!("POST /orders/{regretted}/cancel"))
        .await
        .expect_status(200);
    harness.wait_for_end(&kept).await;
    let state = harness
        .send_documented_request(&format!("GET /orders/{kept}"))
        .await
        .expect_status(200);
    assert_eq!(
        (&state["status"], &state["total_amount"]),
        (&json!("delivered"), &json!(199.98))
    );
    assert_eq!(
        state["customer"],
        json!({"id": null, "name": "John Doe", "email": "john@example.com"})
    );
    let trail = harness
        .send_documented_request(&format!("GET /orders/{kept}/events"))
        .await
        .expect_status(200);
    let kinds: Vec<_> = trail["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    let steps = [
        "review_timed_out",
        "payment_captured",
        "shipment_started",
        "order_shipped",
        "order_delivered",
    ];
    assert_eq!(
        kinds
            .iter()
            .filter(|kind| steps.contains(kind))
            .copied()
            .collect::<Vec<_>>(),
        steps
    );
    assert_eq!(
        harness.wait_for_end(&regretted).await.status.as_str(),
        "cancelled"
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn system_c_requests_work() {
    let harness = Harness::start_with(&[("ORDER_PROFILE", "checkout"), ("DELIVERY", "")]).await;
    let order = r#"POST /orders {"customer_id": "CUST-001",
        "items": [{"product_id": "PROD-123", "product_name": "Laptop", "quantity": 1, "price": 999.99}],
        "shipping_address": "123 Main St", "shipping_city": "San Francisco",
        "shipping_postal_code": "94102", "shipping_country": "USA"}"#;
    let response = harness.send_documented_request(order).await;
    let answer = response.body.clone();
    let paid = response.expect_started();
    assert!(
        paid.starts_with("ORD-") && paid.len() == "ORD-YYYYMMDD-HHMMSS-XXXX".len(),
        "{paid}"
    );
    assert_eq!(answer["workflow_id"], format!("order-{paid}"));
    assert_eq!(
        (&answer["status"], &answer["total_amount"]),
        (&json!("pending"), &json!(999.99))
    );
    assert_eq!(
        answer["message"],
        "Order created successfully. Awaiting payment confirmation."
    );
    let unpaid = harness
        .send_documented_request(order)
        .await
        .expect_started();
    let payment =
        r#"{"transaction_id": "TXN-789", "amount": 999.99, "payment_method": "credit_card"}"#;
    harness
        .send_documented_request(&format!("POST /orders/{paid}/payment {payment}"))
        .await
        .expect_status(200);
    harness
        .send_documented_request(&format!(
            r#"DELETE /orders/{unpaid} {{"reason": "Customer changed mind"}}"#
        ))
        .await
        .expect_status(200);
    for (id, end) in [(&paid, "delivered"), (&unpaid, "cancelled")] {
        assert_eq!(harness.wait_for_end(id).await.status.as_str(), end);
        assert_eq!(
            harness
                .send_documented_request(&format!("GET /orders/{id}/status"))
                .await
                .expect_status(200)["status"],
            end
        );
    }
    let state = harness
        .send_documented_request(&format!("GET /orders/{unpaid}"))
        .await
        .expect_status(200);
    assert_eq!(state["cancellation_reason"], "Customer changed mind");
    for page in ["/docs", "/redoc"] {
        harness
            .send_documented_request(&format!("GET {page}"))
            .await
            .expect_status(200);
    }
    harness.assert_invariants().await;
}

#[tokio::test]
async fn system_d_requests_work() {
    let harness = Harness::start_with(&[("ORDER_PROFILE", "quick"), ("DELIVERY", "")]).await;
    harness
        .send_documented_request("POST /orders/quick-1/start")
        .await
        .expect_started();
    let address =
        r#"{"street": "1 New St", "city": "Anytown", "state": "CA", "zip_code": "12345"}"#;
    let moved = harness
        .send_documented_request(&format!(
            "POST /orders/quick-1/signals/update-address {address}"
        ))
        .await
        .expect_status(200);
    assert_eq!(moved["shipping_address"]["postal_code"], "12345");
    harness
        .send_documented_request("GET /orders/quick-1/result")
        .await
        .expect_problem(409, "order_running");
    harness
        .send_documented_request("POST /orders/quick-1/signals/approve")
        .await
        .expect_status(200);
    harness.wait_for_end("quick-1").await;
    assert_eq!(
        harness
            .send_documented_request("GET /orders/quick-1/status")
            .await
            .expect_status(200)["status"],
        "shipped"
    );
    assert_eq!(
        harness
            .send_documented_request("GET /orders/quick-1/result")
            .await
            .expect_status(200)["status"],
        "shipped"
    );
    harness
        .send_documented_request("POST /orders/quick-2/start")
        .await
        .expect_started();
    harness
        .send_documented_request("POST /orders/quick-2/signals/cancel")
        .await
        .expect_status(200);
    assert_eq!(
        harness.wait_for_end("quick-2").await.status.as_str(),
        "cancelled"
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn system_e_requests_work() {
    let harness = Harness::start_with(&[("ORDER_PROFILE", "approval"), ("DELIVERY", "")]).await;
    let address =
        r#"{"street": "1 A St", "city": "B", "state": "CA", "zip": "12345", "country": "USA"}"#;
    let start = |id: &str| {
        format!(r#"POST /orders/{id}/start {{"payment_id": "PMT-{id}", "address": {address}}}"#)
    };
    harness
        .send_documented_request(&start("e-kept"))
        .await
        .expect_started();
    let moved = r#"POST /orders/e-kept/signals/update-address {"address": {"street": "2 Side St", "zip": "54321"}}"#;
    let moved: Value = harness
        .send_documented_request(moved)
        .await
        .expect_status(200);
    let address = &moved["shipping_address"];
    assert_eq!(
        (
            &address["street"],
            &address["city"],
            &address["postal_code"]
        ),
        (&json!("2 Side St"), &json!("B"), &json!("54321"))
    );
    harness
        .send_documented_request("POST /orders/e-kept/signals/approve")
        .await
        .expect_status(200);
    harness
        .send_documented_request(&start("e-regretted"))
        .await
        .expect_started();
    harness
        .send_documented_request("POST /orders/e-regretted/signals/cancel")
        .await
        .expect_status(200);
    for (id, end) in [("e-kept", "shipped"), ("e-regretted", "cancelled")] {
        assert_eq!(harness.wait_for_end(id).await.status.as_str(), end);
        assert_eq!(
            harness
                .send_documented_request(&format!("GET /orders/{id}/status"))
                .await
                .expect_status(200)["status"],
            end
        );
    }
    harness.assert_invariants().await;
}

/// Users of system C use Temporal directly: signals, and queries of closed orders too.
#[tokio::test]
async fn system_c_temporal_signals_and_queries_work() {
    let harness = Harness::start_with(&[("ORDER_PROFILE", "checkout"), ("DELIVERY", "")]).await;
    let client = harness.connect_to_temporal().await;
    let signal = async |id: &str, name: &str, argument: Value| {
        let handle = client.get_workflow_handle::<OrderWorkflow>(format!("order-{id}"));
        let metadata = [("encoding".to_owned(), b"json/plain".to_vec())].into();
        let payload = Payload {
            metadata,
            data: argument.to_string().into(),
            ..Payload::default()
        };
        let input = RawValue::new(vec![payload]);
        handle
            .signal(
                UntypedSignal::new(name),
                input,
                WorkflowSignalOptions::default(),
            )
            .await
            .unwrap();
    };
    let query = async |id: &str, name: &str| {
        let handle = client.get_workflow_handle::<OrderWorkflow>(format!("order-{id}"));
        let options = WorkflowQueryOptions::default();
        let answer = handle
            .query(UntypedQuery::new(name), RawValue::new(vec![]), options)
            .await
            .unwrap();
        serde_json::from_slice::<Value>(&answer.payloads[0].data).unwrap()
    };
    for id in ["c-paid", "c-regretted"] {
        harness
            .send_documented_request(&format!("POST /orders/{id}/start"))
            .await
            .expect_started();
        harness.wait_for_step(id, "pay").await;
        assert_eq!(query(id, "get_order_status").await["status"], "pending");
    }
    signal(
        "c-paid",
        "confirm_payment",
        json!({"transaction_id": "TXN-1", "amount": 9.99, "payment_method": "card"}),
    )
    .await;
    signal("c-regretted", "cancel_order", json!("changed my mind")).await;
    for (id, end) in [("c-paid", "delivered"), ("c-regretted", "cancelled")] {
        harness.wait_for_end(id).await;
        // The workflow is closed, or about to close.
        assert_eq!(query(id, "get_order_status").await["status"], end);
        let state = query(id, "get_full_state").await;
        assert_eq!(
            (&state["order_id"], &state["total_amount"]),
            (&json!(id), &json!(9.99))
        );
        assert_eq!(query(id, "get_estimated_delivery").await["order_id"], id);
    }
    harness.assert_invariants().await;
}

/// System B has two workers: one for orders and one for shipping.
#[tokio::test]
async fn separate_workers_serve_orders_and_shipping() {
    let harness = Harness::start_with(&[("WORKER_QUEUES", "orders")]).await;
    harness
        .send_documented_request(r#"POST /orders/two/start {"payment_id": "payment-two"}"#)
        .await
        .expect_started();
    let trail = async || harness.audit_event_types("two").await;
    harness
        .wait_until("the shipment", trail, |trail| {
            trail.contains(&"shipment_started".to_owned())
        })
        .await;
    // No worker polls the shipping queue. Otherwise the order would be delivered within two
    // seconds.
    assert_eq!(
        harness.get("/orders/two/status").await.body["status"],
        "preparing"
    );
    let _shipping = harness
        .start_another_worker("shipping", &[("WORKER_QUEUES", "shipping")])
        .await;
    assert_eq!(
        harness.wait_for_end("two").await.status.as_str(),
        "delivered"
    );
    harness.assert_invariants().await;
}

/// The settings of systems D and E under their own names.
#[tokio::test]
async fn setting_names_of_other_systems_are_read() {
    let shared = shared_servers().await;
    let database = shared
        .create_database("compatibility_settings")
        .await
        .replacen("postgres://", "postgresql+asyncpg://", 1);
    let address = &shared.temporal.address;
    let settings = [
        ("TEMPORAL_ADDRESS", ""),
        ("TEMPORAL_TARGET", address),
        ("ORDER_TASK_QUEUE", "main-tq"),
        ("SHIPPING_TASK_QUEUE", "shipping-tq"),
        ("LOG_LEVEL", "DEBUG"),
    ];
    let harness = Harness::start_on(&database, address, &settings).await;
    let id = harness
        .send_documented_request(r#"POST /orders/order-main/start {"payment_id": "payment-main"}"#)
        .await
        .expect_started();
    assert_eq!(harness.wait_for_end(&id).await.status.as_str(), "delivered");
    assert!(harness.read_log("worker").contains("DEBUG"));
}
