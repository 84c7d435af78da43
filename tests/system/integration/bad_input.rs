//! What is refused, and that each refusal says what is wrong.

use crate::{api::paid_order, world::World};
use reqwest::Method;
use serde_json::{Value, json};

fn pointers(problem: &Value) -> Vec<&str> {
    problem["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn every_bad_field_is_named_at_once() {
    let world = World::start().await;
    let bad = json!({
        "customer": {"email": "nobody"}, "currency": "DOLLARS", "colour": "red",
        "items": [{"sku": "A", "quantity": -7, "unit_price": "99.999"}, {"sku": "A"}],
        "shipping_address": {"city": "Anytown"},
    });
    let problem = world.post("/orders", bad).await.problem(422, "invalid_request");
    let named = pointers(&problem);
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
        (json!({"payment": {"payment_id": "with space"}}), "/payment/payment_id"),
    ] {
        let mut order = paid_order();
        order.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let problem = world.post("/orders", order).await.problem(422, "invalid_request");
        assert!(pointers(&problem).iter().any(|named| named.starts_with(pointer)), "{pointer} is not in {problem}");
    }
}

#[tokio::test]
async fn what_is_not_a_request_is_a_problem() {
    let world = World::start().await;
    let send = async |method: Method, path: &str, kind: &str, body: &str| {
        let headers: Vec<_> = (!kind.is_empty()).then_some(("content-type", kind)).into_iter().collect();
        world.send(method, path, &headers, Some(body.to_owned())).await
    };
    let json = "application/json";
    let problem = send(Method::POST, "/orders", json, "{\n  \"items\": [,]}").await.problem(400, "malformed_json");
    assert!(problem["detail"].as_str().unwrap().contains("line 2, column 13"), "{problem}");
    send(Method::POST, "/orders", "text/plain", "{}").await.problem(415, "unsupported_media_type");
    send(Method::POST, "/orders", "application/x-www-form-urlencoded", "a=b")
        .await
        .problem(415, "unsupported_media_type");
    send(Method::POST, "/orders", json, &format!("{{\"x\": \"{}\"}}", "x".repeat(300 << 10)))
        .await
        .problem(413, "body_too_large");
    send(Method::POST, "/orders", json, "[1, 2]").await.problem(422, "invalid_request");
    world.get("/nowhere").await.problem(404, "route_not_found");
    let reply = send(Method::PUT, "/orders/o-1", "", "").await;
    let allow = reply.header("allow").to_owned();
    assert!(allow.contains("GET") && allow.contains("DELETE"), "{allow}");
    reply.problem(405, "method_not_allowed");
    world.get("/orders/a%20b").await.problem(404, "order_not_found");
    world.post("/orders/a%2Fb/start", json!({})).await.problem(422, "invalid_request");
    world.get("/orders/nobody").await.problem(404, "order_not_found");
    world.get("/orders/nobody/status").await.problem(404, "order_not_found");
    for key in ["", "two words", &"k".repeat(256)] {
        world
            .post_with("/orders", paid_order(), &[("idempotency-key", key)])
            .await
            .problem(400, "invalid_idempotency_key");
    }
    let reply = world.send(Method::GET, "/health", &[("x-request-id", "abc-123")], None).await;
    assert_eq!(reply.header("x-request-id"), "abc-123");
    assert!(!world.get("/health").await.header("x-request-id").is_empty());
}

#[tokio::test]
async fn bad_bodies_of_signals_are_refused_and_change_nothing() {
    let world = World::start().await;
    let mut order = paid_order();
    order["profile"] = json!("checkout");
    let id = world.post("/orders", order).await.started();
    for (signal, body, pointer) in [
        ("signals/cancel", json!({"why": "x"}), "/why"),
        ("signals/approve", json!({"reviewer": 5}), "/reviewer"),
        ("signals/update-address", json!({}), ""),
        ("signals/update-address", json!({"address": {"street": ""}}), ""),
        ("payment", json!({"amount": 1}), "/transaction_id"),
        ("payment", json!({"transaction_id": "t", "amount": "NaN"}), "/amount"),
        ("signals/confirm-payment", json!({"transaction_id": "t", "amount": "1e3"}), "/amount"),
        ("signals/confirm-delivery", json!({"delivered_at": "soon"}), "/delivered_at"),
    ] {
        let problem = world.post(&format!("/orders/{id}/{signal}"), body).await.problem(422, "invalid_request");
        assert!(pointers(&problem).contains(&pointer), "{pointer:?} is not in {problem}");
    }
    assert_eq!(world.get(&format!("/orders/{id}/status")).await.is(200)["status"], "pending");
    world.post(&format!("/orders/{id}/cancel"), json!({})).await.is(200);
    world.ended(&id).await;
}

#[tokio::test]
async fn outside_the_local_stack_orders_need_items_and_their_own_profile() {
    let world = World::with(&[("SAMPLE_CART", "off"), ("ALLOW_PROFILE_OVERRIDE", "off")]).await;
    let problem =
        world.post("/orders/strict-1/start", json!({"payment_id": "p"})).await.problem(422, "invalid_request");
    assert_eq!(pointers(&problem), ["/items"]);
    let mut order = paid_order();
    order["profile"] = json!("quick");
    let problem = world.post("/orders", order).await.problem(422, "invalid_request");
    assert_eq!(pointers(&problem), ["/profile"]);
}
