//! Invalid requests are rejected, and each response names the problem.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{api::sample_order, harness::Harness};

fn error_pointers(problem: &Value) -> Vec<&str> {
    problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn every_invalid_field_is_reported_together() {
    let harness = Harness::start().await;
    let bad = json!({
        "customer": {"email": "nobody"}, "currency": "DOLLARS", "colour": "red",
        "items": [{"sku": "A", "quantity": -7, "unit_price": "99,99"}, {"sku": "A"}],
        "shipping_address": {"city": "Anytown"},
    });
    let problem = harness
        .post("/orders", bad)
        .await
        .expect_problem(422, "invalid_request");
    let named = error_pointers(&problem);
    for pointer in [
        "/customer/email",
        "/currency",
        "/colour",
        "/items/0/quantity",
        "/items/0/unit_price",
        "/items/1/quantity",
        "/shipping_address",
    ] {
        assert!(named.contains(&pointer), "{pointer} is not in {named:?}");
    }
    for (change, pointer) in [
        (json!({"items": []}), "/items"),
        (json!({"items": null}), "/items"),
        (json!({"shipping_address": null}), "/shipping_address"),
        (json!({"profile": "fast"}), "/profile"),
        (
            json!({"payment": {"payment_id": "with space"}}),
            "/payment/payment_id",
        ),
    ] {
        let mut order = sample_order();
        order
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        let problem = harness
            .post("/orders", order)
            .await
            .expect_problem(422, "invalid_request");
        assert!(
            error_pointers(&problem)
                .iter()
                .any(|named| named.starts_with(pointer)),
            "{pointer} is not in {problem}"
        );
    }
}

#[tokio::test]
async fn errors_use_submitted_spelling_of_each_field() {
    let harness = Harness::start().await;
    for (bad, expected) in [
        (
            json!({"items": [{"sku": "", "qty": 1, "price": 1}], "shipping_address": {"street": "  "}}),
            &["/items/0/sku", "/shipping_address/street"][..],
        ),
        (
            json!({"items": [{"sku": "A", "qty": 1, "price": 1}], "discounts": [{"amount": 2}], "foo": 1}),
            &["/shipping_address", "/discounts", "/foo"],
        ),
        (
            json!({"items": [{"sku": "A", "qty": 2, "price": "9999999999999.99"}], "address": " ", "foo": 1}),
            &["/address", "/items", "/foo"],
        ),
        (
            json!({"items": [], "address": {"city": "Anytown"}}),
            &["/address", "/items"],
        ),
        (
            json!({"items": [{"sku": "A", "qty": 1, "price": 1, "unit_price": "1.01"}]}),
            &["/shipping_address", "/items/0/price"],
        ),
    ] {
        let problem = harness
            .post("/orders", bad)
            .await
            .expect_problem(422, "invalid_request");
        assert_eq!(error_pointers(&problem), expected);
    }
    let equal = json!({"items": [{"sku": "A", "qty": 1, "price": 1, "unit_price": "1.00"}], "address": "1 Main St"});
    harness.post("/orders", equal).await.expect_status(202);
}

#[tokio::test]
async fn malformed_requests_return_problem_documents() {
    let harness = Harness::start().await;
    let send = async |method: Method, path: &str, kind: &str, body: &str| {
        let headers: Vec<_> = (!kind.is_empty())
            .then_some(("content-type", kind))
            .into_iter()
            .collect();
        harness
            .send(method, path, &headers, Some(body.to_owned()))
            .await
    };
    let json = "application/json";
    let problem = send(Method::POST, "/orders", json, "{\n  \"items\": [,]}")
        .await
        .expect_problem(400, "malformed_json");
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("line 2, column 13"),
        "{problem}"
    );
    send(Method::POST, "/orders", "text/plain", "{}")
        .await
        .expect_problem(415, "unsupported_media_type");
    send(
        Method::POST,
        "/orders",
        "application/x-www-form-urlencoded",
        "a=b",
    )
    .await
    .expect_problem(415, "unsupported_media_type");
    send(
        Method::POST,
        "/orders",
        json,
        &format!("{{\"x\": \"{}\"}}", "x".repeat(300 << 10)),
    )
    .await
    .expect_problem(413, "body_too_large");
    send(Method::POST, "/orders", json, "[1, 2]")
        .await
        .expect_problem(422, "invalid_request");
    harness
        .get("/nowhere")
        .await
        .expect_problem(404, "route_not_found");
    let response = send(Method::PUT, "/orders/o-1", "", "").await;
    let allow = response.header("allow").to_owned();
    assert!(allow.contains("GET") && allow.contains("DELETE"), "{allow}");
    response.expect_problem(405, "method_not_allowed");
    harness
        .get("/orders/a%20b")
        .await
        .expect_problem(404, "order_not_found");
    harness
        .post("/orders/a%2Fb/start", json!({}))
        .await
        .expect_problem(422, "invalid_request");
    harness
        .get("/orders/nobody")
        .await
        .expect_problem(404, "order_not_found");
    harness
        .get("/orders/nobody/status")
        .await
        .expect_problem(404, "order_not_found");
    for key in ["", "two words", &"k".repeat(256)] {
        harness
            .post_with_headers("/orders", sample_order(), &[("idempotency-key", key)])
            .await
            .expect_problem(400, "invalid_idempotency_key");
    }
    let ids = [Vec::new(), vec![("x-request-id", "two words")]];
    for headers in ids {
        let response = harness.send(Method::GET, "/health", &headers, None).await;
        assert_eq!(response.header("x-request-id").len(), 32);
    }
}

#[tokio::test]
async fn ambiguous_json_bodies_are_rejected() {
    let harness = Harness::start().await;
    let send = async |body: Vec<u8>| {
        let request = harness
            .http
            .post(format!("{}/orders", harness.url))
            .header("content-type", "application/json");
        let answer = request.body(body).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json::<Value>().await.unwrap())
    };
    let order = sample_order().to_string();
    let with = |from: &str, to: &str| {
        assert!(order.contains(from), "{from} is not in {order}");
        order.replacen(from, to, 1).into_bytes()
    };
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    for (body, status, pointer) in [
        (
            with("\"quantity\":1", "\"quantity\":1,\"quantity\":7"),
            422,
            "/items/0/quantity",
        ),
        (
            with("\"quantity\":1", "\"quantity\":0"),
            422,
            "/items/0/quantity",
        ),
        (
            with("\"quantity\":1", "\"quantity\":-70455"),
            422,
            "/items/0/quantity",
        ),
        (
            with("\"quantity\":1", "\"quantity\":1e400"),
            422,
            "/items/0/quantity",
        ),
        (
            with("\"99.99\"", "99.99000000000001"),
            422,
            "/items/0/unit_price",
        ),
        (with("\"99.99\"", "1e400"), 422, "/items/0/unit_price"),
        (
            with("\"99.99\"", "9999999999999.99,\"qty\":2"),
            422,
            "/items/0/qty",
        ),
        (with("1,\"sku\"", "10000,\"sku\""), 202, ""),
        (
            with("\"99.99\"", "999999999999999"),
            422,
            "/items/0/unit_price",
        ),
        (with("John Doe", "John\\u0000Doe"), 422, "/customer/name"),
        (with("John Doe", "\\ud800"), 422, "/customer/name"),
        (with("John Doe", "John\u{0}Doe"), 400, ""),
        (with("\"John Doe\"", &deep), 422, "/customer/name"),
        (with("\"John Doe\"", &"[".repeat(200_000)), 400, ""),
        (
            with("{\"currency\"", "{\"action\":\"delete\",\"currency\""),
            422,
            "/action",
        ),
        (
            [with("John", "Jo\u{e9}"), vec![b' '; 200_000]].concat(),
            202,
            "",
        ),
        (vec![b' '; 256 << 10], 422, "/items"),
        (vec![b' '; (256 << 10) + 1], 413, ""),
        (
            order
                .replace("John", "Jo\u{e9}")
                .chars()
                .map(|c| u32::from(c).try_into().unwrap())
                .collect(),
            400,
            "",
        ),
    ] {
        let (seen, answer) = send(body.clone()).await;
        let shown: String = String::from_utf8_lossy(&body).chars().take(500).collect();
        assert_eq!(seen, status, "{shown}: {answer}");
        assert!(
            pointer.is_empty() || error_pointers(&answer).contains(&pointer),
            "{pointer} is not in {answer}"
        );
    }
}

#[tokio::test]
async fn prices_follow_decimals_of_their_currency() {
    let harness = Harness::start().await;
    for (currency, price, quantity, total) in [
        ("JPY", json!(500), 3, json!(1500)),
        ("KWD", json!("1.234"), 3, json!(3.702)),
        ("USD", json!(99.99), 3, json!(299.97)),
    ] {
        let mut order = sample_order();
        order["currency"] = json!(currency);
        order["items"] = json!([{"sku": "A", "quantity": quantity, "price": price}]);
        let response = harness.post("/orders", order).await;
        assert_eq!(
            (&response.body["total_amount"], &response.body["currency"]),
            (&total, &json!(currency))
        );
        let id = response.expect_started();
        let state = async || {
            harness
                .get(&format!("/orders/{id}"))
                .await
                .expect_status(200)
        };
        let state = harness
            .wait_until("the total", state, |state| !state["total_amount"].is_null())
            .await;
        assert_eq!(state["total_amount"], total);
    }
    for (currency, price) in [
        ("JPY", "0.5"),
        ("KWD", "1.2345"),
        ("USD", "99.999"),
        ("XAU", "1"),
        ("Usd", "1"),
    ] {
        let mut order = sample_order();
        order["currency"] = json!(currency);
        order["items"][0]["unit_price"] = json!(price);
        harness
            .post("/orders", order)
            .await
            .expect_problem(422, "invalid_request");
    }
}

#[tokio::test]
async fn invalid_signal_bodies_are_rejected_without_effect() {
    let harness = Harness::start().await;
    let mut order = sample_order();
    order["profile"] = json!("checkout");
    let id = harness.post("/orders", order).await.expect_started();
    for (signal, body, pointer) in [
        ("signals/cancel", json!({"why": "x"}), "/why"),
        ("signals/approve", json!({"reviewer": 5}), "/reviewer"),
        ("signals/update-address", json!({}), ""),
        (
            "signals/update-address",
            json!({"address": {"street": ""}}),
            "/address/street",
        ),
        (
            "signals/update-address",
            json!({"street": "", "city": "Anytown"}),
            "/street",
        ),
        (
            "signals/cancel",
            json!({"reason": "x".repeat(501)}),
            "/reason",
        ),
        ("signals/cancel", json!({"reason": "a\u{0}b"}), "/reason"),
        (
            "signals/update-address",
            json!({"street": "x".repeat(201)}),
            "/street",
        ),
        (
            "signals/update-address",
            json!({"street": "1 Main St", "floor": 2}),
            "/floor",
        ),
        (
            "payment",
            json!({"transaction_id": "t", "amount": -99.99}),
            "/amount",
        ),
        (
            "payment",
            json!({"transaction_id": "t", "amount": 0}),
            "/amount",
        ),
        (
            "payment",
            json!({"transaction_id": "t", "amount": 99.99, "currency": "dollar"}),
            "/currency",
        ),
        ("payment", json!({"amount": 1}), "/transaction_id"),
        (
            "payment",
            json!({"transaction_id": "t", "amount": "NaN"}),
            "/amount",
        ),
        (
            "signals/confirm-payment",
            json!({"transaction_id": "t", "amount": "1e3"}),
            "/amount",
        ),
        (
            "signals/confirm-delivery",
            json!({"delivered_at": "soon"}),
            "/delivered_at",
        ),
    ] {
        let problem = harness
            .post(&format!("/orders/{id}/{signal}"), body)
            .await
            .expect_problem(422, "invalid_request");
        assert!(
            error_pointers(&problem).contains(&pointer),
            "{pointer:?} is not in {problem}"
        );
    }
    for body in [
        "\"a\", \"reviewer\": \"b\"",
        "{\"reason\": \"a\"",
        "{\"reason\": \"a\"} x",
    ] {
        let path = format!("/orders/{id}/signals/reject");
        let headers = [("content-type", "application/json")];
        harness
            .send(Method::POST, &path, &headers, Some(body.to_owned()))
            .await
            .expect_problem(400, "malformed_json");
    }
    assert_eq!(
        harness
            .get(&format!("/orders/{id}/status"))
            .await
            .expect_status(200)["status"],
        "pending"
    );
    harness
        .post(&format!("/orders/{id}/cancel"), json!({}))
        .await
        .expect_status(200);
    harness.wait_for_end(&id).await;
}

#[tokio::test]
async fn production_settings_require_items_and_forbid_profile() {
    let harness =
        Harness::start_with(&[("SAMPLE_CART", "off"), ("ALLOW_PROFILE_OVERRIDE", "off")]).await;
    let problem = harness
        .post("/orders/strict-1/start", json!({"payment_id": "p"}))
        .await
        .expect_problem(422, "invalid_request");
    assert_eq!(error_pointers(&problem), ["/items"]);
    let mut order = sample_order();
    order["profile"] = json!("quick");
    let problem = harness
        .post("/orders", order)
        .await
        .expect_problem(422, "invalid_request");
    assert_eq!(error_pointers(&problem), ["/profile"]);
}

#[tokio::test]
async fn order_with_items_needs_an_address() {
    let harness = Harness::start().await;
    let mut order = sample_order();
    order["shipping_address"] = Value::Null;
    let problem = harness
        .post("/orders/no-address-1/start", order)
        .await
        .expect_problem(422, "invalid_request");
    assert_eq!(error_pointers(&problem), ["/shipping_address"]);
    harness
        .get("/orders/no-address-1")
        .await
        .expect_problem(404, "order_not_found");
    // The sample cart has its own address.
    harness
        .post("/orders/no-address-2/start", json!({}))
        .await
        .expect_status(202);
}

/// Returns the response to a request whose path no URL library has changed.
async fn start_at_raw_path(harness: &Harness, path: &str) -> String {
    let address = harness.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         content-length: 2\r\nconnection: close\r\n\r\n{{}}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response
}

#[tokio::test]
async fn order_id_is_no_relative_segment() {
    let harness = Harness::start().await;
    for id in ["%2e", "%2e%2e", ".", ".."] {
        let response = start_at_raw_path(&harness, &format!("/orders/{id}/start")).await;
        assert!(response.starts_with("HTTP/1.1 422 "), "{id}: {response}");
        assert!(response.contains("must not be"), "{id}: {response}");
    }
}
