//! Each example of the OpenAPI document is sent to the API unchanged.

use reqwest::Method;
use serde_json::{Value, json};

use super::read_file;
use crate::{
    api::{ApiResponse, sample_order},
    harness::Harness,
    schema::violations,
};

struct ExampleRequest {
    method: Method,
    path: String,
    operation: Value,
    name: String,
    body: Value,
}

/// Returns every request body example of the document with its route.
fn example_bodies(document: &Value) -> Vec<ExampleRequest> {
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let examples = &operation["requestBody"]["content"]["application/json"]["examples"];
            for (name, example) in examples.as_object().into_iter().flatten() {
                found.push(ExampleRequest {
                    method: method.to_uppercase().parse().unwrap(),
                    path: path.clone(),
                    operation: operation.clone(),
                    name: name.clone(),
                    body: example["value"].clone(),
                });
            }
        }
    }
    found
}

/// Asserts that the response is in the document and that its fields match the schema.
#[track_caller]
fn assert_response_documented(document: &Value, operation: &Value, response: &ApiResponse) {
    let answer = &operation["responses"][response.status.as_str()];
    assert!(
        answer.is_object(),
        "{}: {} is not in the document: {:?}",
        operation["operationId"],
        response.status,
        response.body
    );
    let kind = response.header("content-type");
    let schema = &answer["content"][kind]["schema"];
    assert!(
        schema.is_object(),
        "{}: {} {kind} is not in the document",
        operation["operationId"],
        response.status
    );
    assert_eq!(
        violations(document, schema, &response.body),
        [""; 0],
        "{}: {:?}",
        operation["operationId"],
        response.body
    );
    for (name, header) in answer["headers"].as_object().unwrap() {
        let required = resolve(document, header)["required"] == true;
        assert!(
            !required || response.headers.contains_key(name),
            "{}: {name} is missing",
            operation["operationId"]
        );
    }
}

fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    value["$ref"].as_str().map_or(value, |reference| {
        document.pointer(&reference[1..]).unwrap()
    })
}

#[tokio::test]
async fn each_documented_example_works_against_running_api() {
    // Only the example confirms a delivery, and a payment can be cancelled for one hour.
    let slow = [
        ("ORDER_PROFILE", "lifecycle"),
        ("SHIPPING_DELAY", "1h"),
        ("DELIVERY", "confirm"),
    ];
    let harness = Harness::start_with(&slow).await;
    let document: Value = serde_json::from_str(&read_file("docs/openapi.json")).unwrap();
    let bodies = example_bodies(&document);
    assert!(bodies.len() > 20, "{}", bodies.len());
    futures::future::join_all(bodies.into_iter().enumerate().map(|(number, sent)| {
        let (harness, document) = (&harness, &document);
        async move { check_example(harness, document, number, sent).await }
    }))
    .await;
    for (path, methods) in document["paths"].as_object().unwrap() {
        let Some(operation) = methods
            .get("get")
            .filter(|_| path.starts_with("/orders") || path == "/health")
        else {
            continue;
        };
        let path = path
            .replace("{id}", "example-0")
            .replace("{refund_id}", "RF-UNKNOWN")
            .replace("{return_id}", "RT-UNKNOWN");
        assert_response_documented(&document, operation, &harness.get(&path).await);
        if path != "/health" && path != "/orders" {
            assert_response_documented(
                &document,
                operation,
                &harness.get(&path.replace("example-0", "nobody")).await,
            );
        }
        if path != "/health" {
            assert_response_documented(
                &document,
                operation,
                &harness.get(&format!("{path}?limit=0&source=rumour")).await,
            );
        }
    }
    harness.assert_invariants().await;
}

async fn check_example(
    harness: &Harness,
    document: &Value,
    number: usize,
    ExampleRequest {
        method,
        path,
        operation,
        name,
        mut body,
    }: ExampleRequest,
) {
    let id = format!("example-{number}");
    prepare_order(harness, &path, &id).await;
    prepare_stock(harness, &path, &id).await;
    let path = path.replace("{sku}", &id);
    let path = prepare_endpoint(harness, path).await;
    let path = prepare_return(harness, path, &id).await;
    if body["transaction_id"].is_string() {
        // Each example uses a transaction of a different order.
        body["transaction_id"] = json!(format!("tx-{number}"));
    }
    if body["delivered_at"].is_string() {
        // A delivery is after the dispatch of its order.
        body["delivered_at"] = json!(chrono::Utc::now());
    }
    let headers = [
        ("content-type", "application/json"),
        ("idempotency-key", &*id),
    ];
    let sent = body.to_string();
    let send = async || {
        harness
            .send(
                method.clone(),
                &path.replace("{id}", &id),
                &headers,
                Some(sent.clone()),
            )
            .await
    };
    let is_refund = path.ends_with("/refunds");
    let expected = if path == "/webhook-endpoints" || path.ends_with("/returns") {
        201
    } else if path == "/orders" || path.ends_with("/start") || is_refund {
        202
    } else {
        200
    };
    // Repeats share one idempotency key. On a slow machine a signal can return 202 before its
    // decision.
    let decided = |response: &ApiResponse| {
        response.status != 503 && (response.status != 202 || expected == 202)
    };
    let response = harness
        .wait_until(
            &format!("a response to {method} {path}, {name}"),
            send,
            decided,
        )
        .await;
    assert_eq!(
        response.status, expected,
        "{method} {path}, {name}: {:?}",
        response.body
    );
    assert_response_documented(document, &operation, &response);
    let broken = harness
        .send(
            method.clone(),
            &path.replace("{id}", &id),
            &headers,
            Some("{".to_owned()),
        )
        .await;
    assert_response_documented(document, &operation, &broken);
    let unknown = harness
        .send(
            method,
            &path.replace("{id}", &id),
            &headers,
            Some("{\"colour\": 1}".to_owned()),
        )
        .await;
    assert_eq!(unknown.status, 422, "{path}");
    assert_response_documented(document, &operation, &unknown);
}

/// Sets the stock that an example changes.
async fn prepare_stock(harness: &Harness, path: &str, id: &str) {
    if path.contains("{sku}") {
        let sku = id.parse().unwrap();
        store::inventory::set_available(&harness.pool, &sku, 100)
            .await
            .unwrap();
    }
}

/// Creates the endpoint that an example changes, and returns the path with its id.
async fn prepare_endpoint(harness: &Harness, path: String) -> String {
    let Some(rest) = path.strip_prefix("/webhook-endpoints/{id}") else {
        return path;
    };
    let body = json!({"url": "https://shop.example/hooks"});
    let created = harness.post("/webhook-endpoints", body).await;
    let id = created.expect_status(201)["id"].clone();
    format!("/webhook-endpoints/{}{rest}", id.as_str().unwrap())
}

/// Requests the return that an example changes, and returns the path with its id.
async fn prepare_return(harness: &Harness, path: String, id: &str) -> String {
    let Some(change) = path.strip_prefix("/orders/{id}/returns/{return_id}") else {
        return path;
    };
    let returns = format!("/orders/{id}/returns");
    let body = json!({"items": [{"sku": "ABC123", "quantity": 1}]});
    let requested = harness.post(&returns, body).await.expect_status(201);
    let return_id = requested["return_id"].as_str().unwrap();
    if change == "/receive" {
        harness
            .post(&format!("{returns}/{return_id}/approve"), json!({}))
            .await
            .expect_status(200);
    }
    format!("/orders/{{id}}/returns/{return_id}{change}")
}

/// Brings an order to the state in which the route accepts the request.
async fn prepare_order(harness: &Harness, path: &str, id: &str) {
    let Some(signal) = path.strip_prefix("/orders/{id}") else {
        return;
    };
    let with_price = async |profile: &str, price: &str| {
        let mut order = sample_order();
        order["profile"] = json!(profile);
        order["items"][0]["unit_price"] = json!(price);
        harness
            .post(&format!("/orders/{id}/start"), order)
            .await
            .expect_started();
    };
    let with = async |profile: &str| with_price(profile, "99.99").await;
    let step = async |step: &str| {
        let read = async || harness.get(&format!("/orders/{id}/status")).await.body;
        harness
            .wait_until(&format!("{id} at {step}"), read, |status| {
                status["step"] == step
            })
            .await;
    };
    match signal {
        "/start" => {}
        _ if signal.starts_with("/returns") => {
            with("production").await;
            step("deliver").await;
            harness
                .post(&format!("/orders/{id}/signals/confirm-delivery"), json!({}))
                .await
                .expect_status(200);
            harness.wait_for_end(id).await;
        }
        "/signals/approve" | "/signals/reject" => {
            // An expensive order of this profile waits for a day, also on a slow machine.
            with_price("production", "20000").await;
            step("manual_review").await;
        }
        // Items of a refund are put back into stock.
        "/signals/confirm-delivery" | "/refunds" => {
            with("production").await;
            step("deliver").await;
        }
        "/signals/cancel-payment" => {
            with("lifecycle").await;
            let read = async || harness.get(&format!("/orders/{id}")).await.body;
            let paid = |order: &Value| order["payment_info"]["status"] == "captured";
            harness.wait_until(&format!("{id} paid"), read, paid).await;
        }
        _ => {
            with("checkout").await;
            step("pay").await;
        }
    }
}
