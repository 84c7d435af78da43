//! Starting orders: every spelling, and one order per request.

use serde_json::json;

use crate::{
    api::{order_with_payment, sample_order},
    harness::Harness,
};

#[tokio::test]
async fn started_order_is_delivered() {
    let harness = Harness::start().await;
    let response = harness
        .post("/orders", order_with_payment("pmt-happy"))
        .await;
    assert_eq!(response.body["status"], "pending");
    assert_eq!(response.body["total_amount"], 99.99);
    assert_eq!(response.body["currency"], "USD");
    assert_eq!(response.body["payment_id"], "pmt-happy");
    assert!(
        response.body["run_id"]
            .as_str()
            .is_some_and(|run| !run.is_empty()),
        "{:?}",
        response.body
    );
    let id = response.expect_started();
    assert_eq!(harness.wait_for_end(&id).await.status.as_str(), "delivered");
    let trail = [
        "order_received",
        "order_validated",
        "inventory_reserved",
        "payment_captured",
        "shipment_started",
        "order_shipped",
        "order_delivered",
    ];
    assert_eq!(harness.audit_event_types(&id).await, trail);
    assert_eq!(harness.provider_movements(&id).await, ["capture"]);
    let state = harness
        .get(&format!("/orders/{id}"))
        .await
        .expect_status(200);
    assert_eq!(
        state["shipment_info"]["tracking_number"],
        format!("FEDEX-{id}-PKG-001")
    );
    assert_eq!(state["payment_info"]["status"], "captured");
    assert_eq!(state["payment_info"]["amount"], 99.99);
    assert_eq!(
        (&state["step"], &state["is_running"]),
        (&json!("done"), &json!(false))
    );
    let events = harness
        .get(&format!("/orders/{id}/events"))
        .await
        .expect_status(200);
    let seqs: Vec<_> = events["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(seqs, [1, 2, 3, 4, 5, 6, 7]);
    harness.assert_invariants().await;
}

#[tokio::test]
async fn four_request_spellings_start_equal_orders() {
    let harness = Harness::start_with(&[("PAYMENT", "charge")]).await;
    let bodies = [
        sample_order(),
        json!({"customer_name": "John Doe", "customer_email": "john@example.com", "items": [{"sku": "ABC123", "qty": 1, "price": 99.99}],
            "shipping_address": {"street": "123 Main St", "city": "Anytown", "state": "CA"}}),
        json!({"customer_id": "CUST-001", "items": [{"product_id": "ABC123", "product_name": "Laptop", "quantity": 1, "price": 99.99}],
            "shipping_address": "123 Main St", "shipping_city": "San Francisco", "shipping_postal_code": "94102", "shipping_country": "USA"}),
    ];
    for body in bodies {
        let response = harness.post("/orders", body).await;
        assert_eq!(response.body["total_amount"], 99.99);
        let id = response.expect_started();
        let view = harness.wait_for_end(&id).await;
        assert_eq!(view.status.as_str(), "delivered");
        assert_eq!(view.shipping_address.unwrap().street, "123 Main St");
    }
    for (id, body) in [
        ("order-e1", "{\"payment_id\": \"pmt-e1\"}"),
        ("order-e2", "{}"),
        ("order-e3", ""),
        (
            "order-e4",
            r#"{"payment_id": "pmt-e4", "address": {"street": "1 A", "city": "B", "state": "C", "zip": "D", "country": "USA"}}"#,
        ),
    ] {
        let headers: &[_] = if body.is_empty() {
            &[]
        } else {
            &[("content-type", "application/json")]
        };
        let body = (!body.is_empty()).then(|| body.to_owned());
        let response = harness
            .send(
                reqwest::Method::POST,
                &format!("/orders/{id}/start"),
                headers,
                body,
            )
            .await;
        assert_eq!(response.expect_started(), id);
        assert_eq!(
            harness.wait_for_end(id).await.status.as_str(),
            "delivered",
            "{id}"
        );
    }
    harness.assert_invariants().await;
}

#[tokio::test]
async fn repeated_start_returns_same_order() {
    let harness = Harness::start().await;
    let body = json!({"payment_id": "pmt-again"});
    let first = harness
        .post("/orders/again-1/start", body.clone())
        .await
        .expect_status(202);
    let second = harness
        .post("/orders/again-1/start", body.clone())
        .await
        .expect_status(202);
    assert_eq!(second["already_started"], true);
    assert_eq!(first["run_id"], second["run_id"]);
    harness
        .post("/orders/again-1/start", json!({"payment_id": "another"}))
        .await
        .expect_problem(409, "order_exists");
    harness.wait_for_end("again-1").await;
    let third = harness
        .post("/orders/again-1/start", body)
        .await
        .expect_status(202);
    assert_eq!(
        (&third["already_started"], &third["run_id"]),
        (&json!(true), &first["run_id"])
    );
    assert_eq!(harness.provider_movements("again-1").await, ["capture"]);
    harness.assert_invariants().await;
}

#[tokio::test]
async fn idempotency_key_creates_one_order() {
    let harness = Harness::start().await;
    let key = [("idempotency-key", "checkout-7")];
    let first = harness
        .post_with_headers("/orders", sample_order(), &key)
        .await
        .expect_status(202);
    let id = first["order_id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("ORD-") && id.len() == 24, "{id}");
    let again = harness
        .post_with_headers("/orders", sample_order(), &key)
        .await
        .expect_status(202);
    assert_eq!(
        (&again["order_id"], &again["run_id"]),
        (&first["order_id"], &first["run_id"])
    );
    assert_eq!(
        (first.get("already_started"), &again["already_started"]),
        (None, &json!(true))
    );
    let mut other = sample_order();
    other["items"][0]["quantity"] = json!(2);
    harness
        .post_with_headers("/orders", other, &key)
        .await
        .expect_problem(422, "idempotency_key_reused");
    let without = harness
        .post("/orders", sample_order())
        .await
        .expect_started();
    assert_ne!(without, id);
    let parts: Vec<_> = without.split('-').map(str::len).collect();
    assert_eq!(parts, [3, 8, 6, 4], "{without}");
}

/// ORD-04
#[tokio::test]
async fn repeated_start_returns_present_status() {
    let harness = Harness::start().await;
    let body = json!({"profile": "checkout"});
    let start = async || {
        let response = harness.post("/orders/present-1/start", body.clone()).await;
        response.expect_status(202)
    };
    let first = start().await;
    assert_eq!(
        (&first["status"], first.get("already_started")),
        (&json!("pending"), None)
    );
    harness.wait_for_step("present-1", "pay").await;
    let waiting = start().await;
    assert_eq!(
        (&waiting["status"], &waiting["message"]),
        (
            &json!("pending"),
            &json!("The order exists already. Awaiting payment confirmation.")
        )
    );
    harness
        .post("/orders/present-1/cancel", json!({}))
        .await
        .expect_status(200);
    for _ in 0..2 {
        let again = start().await;
        assert_eq!(again["status"], "cancelled", "{again}");
        assert_eq!(again["already_started"], true, "{again}");
        let message = again["message"].as_str().unwrap();
        assert!(message.contains("takes no payment"), "{message}");
        for field in ["order_id", "run_id", "total_amount", "currency"] {
            assert_eq!(again[field], first[field], "{field}: {again}");
        }
        harness.wait_for_end("present-1").await;
    }
    harness.assert_invariants().await;
}

/// ORD-05
#[tokio::test]
async fn first_read_shows_document_or_marks_it() {
    let harness = Harness::start().await;
    let first_read = async |number: usize| {
        let order = order_with_payment(&format!("pmt-first-{number}"));
        let id = harness.post("/orders", order).await.expect_started();
        let read = harness.get(&format!("/orders/{id}")).await;
        let read = read.expect_status(200);
        let is_known = read["total_amount"] == 99.99
            && read["currency"] == "USD"
            && read["items"][0]["sku"] == "ABC123"
            && read["customer_id"] == "CUST-001"
            && read["shipping_address"]["street"].is_string();
        assert_ne!(is_known, read["document_pending"] == true, "{read}");
        harness.wait_for_end(&id).await;
    };
    futures::future::join_all((0..8).map(first_read)).await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn concurrent_starts_create_one_order() {
    let harness = Harness::start().await;
    let body = json!({"payment_id": "pmt-race"});
    let starts = (0..20).map(|_| harness.post("/orders/race-1/start", body.clone()));
    let replies = futures::future::join_all(starts).await;
    let fresh = replies
        .iter()
        .filter(|response| response.body["already_started"] != true)
        .count();
    assert_eq!(fresh, 1);
    let runs: std::collections::BTreeSet<_> = replies
        .iter()
        .map(|response| response.body["run_id"].to_string())
        .collect();
    assert_eq!(runs.len(), 1, "{runs:?}");
    assert_eq!(
        harness.wait_for_end("race-1").await.status.as_str(),
        "delivered"
    );
    assert_eq!(harness.provider_movements("race-1").await, ["capture"]);
}

#[tokio::test]
async fn payment_id_pays_one_order() {
    let harness = Harness::start().await;
    let first = harness
        .post("/orders", order_with_payment("pmt-one"))
        .await
        .expect_started();
    assert_eq!(
        harness.wait_for_end(&first).await.status.as_str(),
        "delivered"
    );
    let second = harness
        .post("/orders", order_with_payment("pmt-one"))
        .await
        .expect_started();
    let view = harness.wait_for_end(&second).await;
    assert_eq!(
        (view.status.as_str(), view.failure.unwrap().code.as_str()),
        ("failed", "payment_id_in_use")
    );
    assert_eq!(harness.provider_movements(&second).await, [] as [&str; 0]);
    harness.assert_invariants().await;
}

#[tokio::test]
async fn last_item_goes_to_one_order() {
    let harness = Harness::start().await;
    let sku = domain::Sku::parse("LAST").unwrap();
    store::inventory::set_available(&harness.pool, &sku, 1)
        .await
        .unwrap();
    let order = |payment: &str| {
        let mut order = order_with_payment(payment);
        order["items"][0]["sku"] = json!("LAST");
        order
    };
    let (one, two) = futures::join!(
        harness.post("/orders", order("p-1")),
        harness.post("/orders", order("p-2"))
    );
    let views = [
        harness.wait_for_end(&one.expect_started()).await,
        harness.wait_for_end(&two.expect_started()).await,
    ];
    let delivered = views
        .iter()
        .filter(|view| view.status.as_str() == "delivered")
        .count();
    assert_eq!(delivered, 1, "{views:?}");
    let lost = views
        .iter()
        .find(|view| view.status.as_str() == "failed")
        .unwrap();
    assert_eq!(lost.failure.as_ref().unwrap().code.as_str(), "out_of_stock");
    assert_eq!(
        harness.provider_movements(lost.order_id.as_str()).await,
        [] as [&str; 0]
    );
    assert_eq!(
        store::inventory::read_stock(&harness.pool, &sku)
            .await
            .unwrap()
            .unwrap()
            .shipped,
        1
    );
    harness.assert_invariants().await;
}
