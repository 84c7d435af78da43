//! Authentication, scopes and visibility of orders on every route, over HTTP.

mod issuer;
mod public_texts;
mod quotes;
pub(crate) mod reservation_limits;
mod returns;

use std::process::Stdio;

use issuer::Issuer;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::{
    api::{ApiResponse, sample_order},
    harness::Harness,
};
use domain::WebhookProvider;
use orderflow_http::{Access, ROUTES, Scope, create_api_key};
use payment_webhooks::{Message, Secrets, Signing};

const PROGRAM: &str = env!("CARGO_BIN_EXE_orderflow-under-test");

/// The response of a route to another customer than the order's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Foreign {
    /// The order is unknown.
    Unknown,
    /// The id is in use.
    Conflict,
    /// The list lacks the order.
    Omitted,
    /// The call creates the caller's own order.
    Own,
    /// The route is for callers of the shop only.
    Forbidden,
    /// The response is not about an order.
    Unrelated,
    /// Only the signature of the body is checked.
    Signed,
}

/// Each route with its required scope and its response to another customer. A new route needs a
/// line here.
const TABLE: &[(&str, &str, Access, Foreign)] = &[
    (
        "POST",
        "/orders",
        Access::Requires(Scope::Write),
        Foreign::Own,
    ),
    (
        "POST",
        "/orders/{id}/start",
        Access::Requires(Scope::Write),
        Foreign::Conflict,
    ),
    (
        "POST",
        "/orders/{id}/signals/approve",
        Access::Requires(Scope::Operate),
        Foreign::Unknown,
    ),
    (
        "POST",
        "/orders/{id}/signals/reject",
        Access::Requires(Scope::Operate),
        Foreign::Unknown,
    ),
    (
        "POST",
        "/orders/{id}/signals/cancel",
        Access::Requires(Scope::Write),
        Foreign::Unknown,
    ),
    (
        "POST",
        "/orders/{id}/cancel",
        Access::Requires(Scope::Write),
        Foreign::Unknown,
    ),
    (
        "DELETE",
        "/orders/{id}",
        Access::Requires(Scope::Write),
        Foreign::Unknown,
    ),
    (
        "POST",
        "/orders/{id}/signals/update-address",
        Access::Requires(Scope::Write),
        Foreign::Unknown,
    ),
    (
        "POST",
        "/orders/{id}/signals/update-items",
        Access::Requires(Scope::Write),
        Foreign::Unknown,
    ),
    (
        "PATCH",
        "/orders/{id}",
        Access::Requires(Scope::Write),
        Foreign::Unknown,
    ),
    (
        "POST",
        "/orders/{id}/signals/cancel-payment",
        Access::Requires(Scope::Operate),
        Foreign::Unknown,
    ),
    (
        "POST",
        "/orders/{id}/signals/hold",
        Access::Requires(Scope::Operate),
        Foreign::Unknown,
    ),
    (
        "POST",
        "/orders/{id}/signals/release",
        Access::Requires(Scope::Operate),
        Foreign::Unknown,
    ),
    (
        "POST",
        "/orders/{id}/refunds",
        Access::Requires(Scope::Refund),
        Foreign::Forbidden,
    ),
    (
        "GET",
        "/orders/{id}/refunds",
        Access::Requires(Scope::Read),
        Foreign::Unknown,
    ),
    (
        "GET",
        "/orders/{id}/refunds/{refund_id}",
        Access::Requires(Scope::Read),
        Foreign::Unknown,
    ),
    (
        "POST",
        "/orders/{id}/returns",
        Access::Requires(Scope::Write),
        Foreign::Unknown,
    ),
    (
        "GET",
        "/orders/{id}/returns",
        Access::Requires(Scope::Read),
        Foreign::Unknown,
    ),
    (
        "GET",
        "/orders/{id}/returns/{return_id}",
        Access::Requires(Scope::Read),
        Foreign::Unknown,
    ),
    (
        "POST",
        "/orders/{id}/returns/{return_id}/approve",
        Access::Requires(Scope::Operate),
        Foreign::Forbidden,
    ),
    (
        "POST",
        "/orders/{id}/returns/{return_id}/reject",
        Access::Requires(Scope::Operate),
        Foreign::Forbidden,
    ),
    (
        "POST",
        "/orders/{id}/returns/{return_id}/receive",
        Access::Requires(Scope::Refund),
        Foreign::Forbidden,
    ),
    (
        "POST",
        "/orders/{id}/returns/{return_id}/cancel",
        Access::Requires(Scope::Write),
        Foreign::Unknown,
    ),
    (
        "POST",
        "/orders/{id}/payment",
        Access::Requires(Scope::Operate),
        Foreign::Unknown,
    ),
    (
        "POST",
        "/orders/{id}/signals/confirm-payment",
        Access::Requires(Scope::Operate),
        Foreign::Unknown,
    ),
    (
        "POST",
        "/orders/{id}/signals/confirm-delivery",
        Access::Requires(Scope::Operate),
        Foreign::Unknown,
    ),
    (
        "POST",
        "/webhooks/{provider}",
        Access::Public,
        Foreign::Signed,
    ),
    (
        "GET",
        "/orders/{id}",
        Access::Requires(Scope::Read),
        Foreign::Unknown,
    ),
    (
        "GET",
        "/orders/{id}/status",
        Access::Requires(Scope::Read),
        Foreign::Unknown,
    ),
    (
        "GET",
        "/orders/{id}/estimated-delivery",
        Access::Requires(Scope::Read),
        Foreign::Unknown,
    ),
    (
        "GET",
        "/orders/{id}/result",
        Access::Requires(Scope::Read),
        Foreign::Unknown,
    ),
    ("GET", "/health", Access::Public, Foreign::Unrelated),
    ("GET", "/", Access::Public, Foreign::Unrelated),
    (
        "GET",
        "/console/{path+}",
        Access::Public,
        Foreign::Unrelated,
    ),
    ("GET", "/openapi.json", Access::Public, Foreign::Unrelated),
    ("GET", "/docs", Access::Public, Foreign::Unrelated),
    ("GET", "/docs/{path+}", Access::Public, Foreign::Unrelated),
    ("GET", "/redoc", Access::Public, Foreign::Unrelated),
    ("GET", "/redoc/{path+}", Access::Public, Foreign::Unrelated),
    (
        "GET",
        "/orders",
        Access::Requires(Scope::Read),
        Foreign::Omitted,
    ),
    (
        "GET",
        "/orders/{id}/events",
        Access::Requires(Scope::Read),
        Foreign::Unknown,
    ),
    (
        "GET",
        "/payments/attention",
        Access::Requires(Scope::Operate),
        Foreign::Omitted,
    ),
    (
        "GET",
        "/stats",
        Access::Requires(Scope::Operate),
        Foreign::Omitted,
    ),
    (
        "GET",
        "/stock",
        Access::Requires(Scope::Read),
        Foreign::Forbidden,
    ),
    (
        "PUT",
        "/stock/{sku}",
        Access::Requires(Scope::StockWrite),
        Foreign::Forbidden,
    ),
    (
        "GET",
        "/stock/{sku}",
        Access::Requires(Scope::Read),
        Foreign::Forbidden,
    ),
    (
        "POST",
        "/webhook-endpoints",
        Access::Requires(Scope::EndpointsWrite),
        Foreign::Forbidden,
    ),
    (
        "GET",
        "/webhook-endpoints",
        Access::Requires(Scope::EndpointsWrite),
        Foreign::Forbidden,
    ),
    (
        "GET",
        "/webhook-endpoints/{id}",
        Access::Requires(Scope::EndpointsWrite),
        Foreign::Forbidden,
    ),
    (
        "PATCH",
        "/webhook-endpoints/{id}",
        Access::Requires(Scope::EndpointsWrite),
        Foreign::Forbidden,
    ),
    (
        "GET",
        "/webhook-endpoints/{id}/deliveries",
        Access::Requires(Scope::EndpointsWrite),
        Foreign::Forbidden,
    ),
    (
        "POST",
        "/webhook-endpoints/{id}/rotate-secret",
        Access::Requires(Scope::EndpointsWrite),
        Foreign::Forbidden,
    ),
    (
        "POST",
        "/webhook-endpoints/{id}/enable",
        Access::Requires(Scope::EndpointsWrite),
        Foreign::Forbidden,
    ),
    (
        "POST",
        "/webhook-endpoints/{id}/test",
        Access::Requires(Scope::EndpointsWrite),
        Foreign::Forbidden,
    ),
    (
        "POST",
        "/webhook-endpoints/{id}/deliveries/{delivery_id}/redeliver",
        Access::Requires(Scope::EndpointsWrite),
        Foreign::Forbidden,
    ),
    (
        "DELETE",
        "/webhook-endpoints/{id}",
        Access::Requires(Scope::EndpointsWrite),
        Foreign::Forbidden,
    ),
];

/// API keys and their settings, by the names of their callers.
struct Keys(Vec<(&'static str, String, String)>);

impl Keys {
    fn create() -> Self {
        let all = &Scope::ALL[..];
        let key = |(name, scopes, customer): (&'static str, &[Scope], Option<&str>)| {
            let made = create_api_key(name, scopes, customer, None).unwrap();
            (name, made.key, made.line)
        };
        let callers = [
            ("reader", &[Scope::Read][..], None),
            ("writer", &[Scope::Write], None),
            ("operator", &[Scope::Operate], None),
            ("cashier", &[Scope::Refund], None),
            ("warehouse", &[Scope::StockWrite], None),
            ("integrator", &[Scope::EndpointsWrite], None),
            ("everything", all, None),
            ("alice", all, Some("C-ALICE")),
            ("bob", all, Some("C-BOB")),
        ];
        Self(callers.map(key).into())
    }

    fn setting(&self) -> String {
        self.0
            .iter()
            .map(|(_, _, line)| format!("{line}\n"))
            .collect()
    }

    fn get(&self, name: &str) -> &str {
        &self
            .0
            .iter()
            .find(|(known, _, _)| *known == name)
            .unwrap()
            .1
    }
}

async fn start_with_keys(keys: &Keys, more: &[(&str, &str)]) -> Harness {
    let lines = keys.setting();
    let mut settings = vec![("API_AUTH", "api-key"), ("API_KEYS", lines.as_str())];
    settings.extend(more);
    Harness::start_with(&settings).await
}

impl Harness {
    async fn call(&self, key: &str, method: &str, path: &str, body: Option<Value>) -> ApiResponse {
        let mut headers = vec![("content-type", "application/json")];
        if !key.is_empty() {
            headers.push(("x-api-key", key));
        }
        self.send(
            method.parse().unwrap(),
            path,
            &headers,
            body.map(|body| body.to_string()),
        )
        .await
    }

    async fn get_with_token(&self, token: &str, path: &str) -> ApiResponse {
        self.send(
            Method::GET,
            path,
            &[("authorization", &format!("Bearer {token}"))],
            None,
        )
        .await
    }
}

/// An order without a customer that waits for its payment.
fn waiting_order() -> Value {
    let mut order = sample_order();
    order.as_object_mut().unwrap().remove("customer");
    order["profile"] = json!("checkout");
    order
}

fn body(method: &str, pattern: &str) -> Option<Value> {
    if method == "GET" {
        return None;
    }
    Some(match pattern {
        "/orders" => waiting_order(),
        "/stock/{sku}" => json!({"available": 7}),
        "/orders/{id}/refunds" => json!({"amount": 1}),
        "/orders/{id}/returns" => json!({"items": [{"sku": "ABC123", "quantity": 1}]}),
        "/webhook-endpoints" => json!({"url": "https://shop.example/hooks"}),
        "/orders/{id}/signals/update-address" => json!({"street": "2 Side St"}),
        "/orders/{id}/payment" | "/orders/{id}/signals/confirm-payment" => {
            json!({"transaction_id": "tx-1", "amount": 1, "payment_method": "card"})
        }
        _ => json!({}),
    })
}

#[test]
fn table_has_every_route() {
    let known: Vec<_> = TABLE
        .iter()
        .map(|(method, pattern, access, _)| (*method, *pattern, *access))
        .collect();
    for route in ROUTES {
        let line = (
            route.method.as_str(),
            route.pattern,
            route.operation.access(),
        );
        assert!(
            known.contains(&line),
            "{line:?} is not in the table of tests/system/auth.rs"
        );
    }
    assert_eq!(known.len(), ROUTES.len());
}

#[tokio::test]
async fn every_route_responds_as_the_table_states() {
    let keys = Keys::create();
    let harness = start_with_keys(&keys, &[("WEBHOOK_SECRETS_MOLLIE", "auth-table")]).await;
    let id = harness
        .call(keys.get("alice"), "POST", "/orders", Some(waiting_order()))
        .await
        .expect_started();
    let one = |name| match name {
        "reader" => Some(Scope::Read),
        "writer" => Some(Scope::Write),
        "operator" => Some(Scope::Operate),
        "cashier" => Some(Scope::Refund),
        "warehouse" => Some(Scope::StockWrite),
        "integrator" => Some(Scope::EndpointsWrite),
        _ => None,
    };
    for &(method, pattern, access, foreign) in TABLE {
        let file = if pattern.starts_with("/console") {
            "main.js"
        } else {
            "begin.js"
        };
        let path = pattern
            .replace("{id}", &id)
            .replace("{sku}", "ABC123")
            .replace("{refund_id}", "RF-UNKNOWN")
            .replace("{return_id}", "RT-UNKNOWN")
            .replace("{delivery_id}", "1")
            .replace("{path+}", file);
        let send = async |key: &str| {
            harness
                .call(key, method, &path, body(method, pattern))
                .await
        };
        if foreign == Foreign::Signed {
            assert_only_signature_counts(&harness, &keys).await;
            continue;
        }
        for stranger in ["", "ofk_made-up"] {
            let reply = send(stranger).await;
            if access == Access::Public {
                assert_eq!(reply.status, 200, "{method} {pattern}");
                continue;
            }
            let challenge = reply.header("www-authenticate").to_owned();
            assert!(
                challenge.starts_with("ApiKey realm="),
                "{method} {pattern}: {challenge}"
            );
            let shown = reply.expect_problem(401, "unauthenticated").to_string();
            assert!(
                !shown.contains("made-up") && !shown.contains("C-ALICE"),
                "{shown}"
            );
        }
        let mut callers = vec![
            "reader",
            "writer",
            "operator",
            "cashier",
            "warehouse",
            "warehouse",
            "integrator",
            "everything",
        ];
        if foreign != Foreign::Forbidden {
            callers.push("alice");
        }
        for name in callers {
            let reply = send(keys.get(name)).await;
            let lacks = match (access, one(name)) {
                (Access::Requires(needed), Some(only)) => needed != only,
                (Access::Requires(_) | Access::Public, _) => false,
            };
            if lacks {
                assert!(
                    reply
                        .header("www-authenticate")
                        .contains("insufficient_scope"),
                    "{name} {method} {pattern}"
                );
                reply.expect_problem(403, "insufficient_scope");
            } else if pattern.contains("{return_id}") {
                reply.expect_problem(404, "return_not_found");
            } else if pattern.contains("{refund_id}") {
                reply.expect_problem(404, "refund_not_found");
            } else {
                let seen = reply.status.as_u16();
                // The id in the path is that of an order.
                let is_missing = reply.body["code"] == "endpoint_not_found";
                assert!(
                    ![401, 403, 404, 405, 500].contains(&seen) || is_missing,
                    "{name} {method} {pattern}: {reply:?}"
                );
            }
        }
        let reply = send(keys.get("bob")).await;
        match foreign {
            Foreign::Unknown => drop(reply.expect_problem(404, "order_not_found")),
            Foreign::Conflict => drop(reply.expect_problem(409, "order_exists")),
            Foreign::Own => drop(reply.expect_started()),
            Foreign::Unrelated | Foreign::Signed => drop(reply.expect_status(200)),
            Foreign::Forbidden => drop(reply.expect_problem(403, "customer_caller")),
            Foreign::Omitted => assert!(!reply.expect_status(200).to_string().contains(&id)),
        }
    }
}

/// Asserts that a webhook event needs no API key, and that a key does not replace the signature.
async fn assert_only_signature_counts(harness: &Harness, keys: &Keys) {
    let event = json!({"resource": "event", "id": "event_auth_table", "type": "profile.verified"})
        .to_string();
    let secrets = Secrets::new(WebhookProvider::Mollie, ["auth-table"]).unwrap();
    let signing = Signing {
        now: 0,
        message_id: "-",
        notification_url: None,
    };
    let message = payment_webhooks::sign(&secrets, Message::new(event.clone()), &signing).unwrap();
    for key in [
        "",
        "ofk_made-up",
        keys.get("reader"),
        keys.get("everything"),
        keys.get("bob"),
    ] {
        let with_key = [("x-api-key", key)];
        let with_key = with_key.into_iter().filter(|_| !key.is_empty());
        let signed: Vec<_> = message
            .header_pairs()
            .into_iter()
            .chain(with_key.clone())
            .collect();
        // A provider sends an event again after a 503.
        let send = async || {
            harness
                .send(
                    Method::POST,
                    "/webhooks/mollie",
                    &signed,
                    Some(event.clone()),
                )
                .await
        };
        harness
            .wait_until("a response other than 503", send, |reply| {
                reply.status != 503
            })
            .await
            .expect_status(200);
        let unsigned: Vec<_> = with_key.collect();
        let reply = harness
            .send(
                Method::POST,
                "/webhooks/mollie",
                &unsigned,
                Some(event.clone()),
            )
            .await;
        reply.expect_problem(400, "webhook_rejected");
    }
}

#[tokio::test]
async fn customer_sees_only_its_own_orders() {
    let keys = Keys::create();
    let harness = start_with_keys(&keys, &[]).await;
    let (alice, bob) = (keys.get("alice"), keys.get("bob"));
    // Without a worker, the order has no row that names its customer.
    harness.worker.kill().await;
    let id = harness
        .call(
            alice,
            "POST",
            "/orders/alice-1/start",
            Some(waiting_order()),
        )
        .await
        .expect_started();
    let order = harness
        .call(alice, "GET", &format!("/orders/{id}"), None)
        .await
        .expect_status(200);
    assert_eq!(
        (&order["source"], &order["customer_id"]),
        (&json!("temporal"), &json!("C-ALICE"))
    );
    for path in [
        "/orders/alice-1",
        "/orders/alice-1/status",
        "/orders/alice-1/events",
        "/orders/alice-1?source=database",
    ] {
        harness
            .call(alice, "GET", path, None)
            .await
            .expect_status(200);
        let foreign = harness
            .call(bob, "GET", path, None)
            .await
            .expect_problem(404, "order_not_found")
            .to_string();
        let unknown = harness
            .call(bob, "GET", &path.replace("alice-1", "unknown-1"), None)
            .await;
        assert_eq!(
            foreign,
            unknown
                .expect_problem(404, "order_not_found")
                .to_string()
                .replace("unknown-1", "alice-1")
        );
    }
    harness.worker.restart().await.unwrap();
    let list = async |key: &str, query: &str| {
        harness
            .call(key, "GET", &format!("/orders{query}"), None)
            .await
            .expect_status(200)["orders"]
            .as_array()
            .unwrap()
            .len()
    };
    let listed = async || list(alice, "").await;
    harness
        .wait_until("the order in the list", listed, |count| *count == 1)
        .await;
    assert_eq!(list(alice, "?customer_id=C-ALICE").await, 1);
    for (key, query) in [
        (alice, "?customer_id=C-BOB"),
        (bob, ""),
        (bob, "?customer_id=C-ALICE"),
    ] {
        assert_eq!(list(key, query).await, 0, "{query}");
    }
    assert_eq!(list(keys.get("reader"), "?customer_id=C-ALICE").await, 1);
    // An order for another customer is rejected.
    let mut order = waiting_order();
    order["customer"] = json!({"id": "C-ALICE"});
    let problem = harness
        .call(bob, "POST", "/orders", Some(order.clone()))
        .await
        .expect_problem(422, "invalid_request");
    assert_eq!(problem["errors"][0]["pointer"], "/customer");
    harness
        .call(alice, "POST", "/orders", Some(order))
        .await
        .expect_started();
    harness
        .call(bob, "POST", "/orders/alice-1/start", Some(waiting_order()))
        .await
        .expect_problem(409, "order_exists");
    let again = harness
        .call(
            alice,
            "POST",
            "/orders/alice-1/start",
            Some(waiting_order()),
        )
        .await
        .expect_status(202);
    assert_eq!(again["already_started"], true);
    // The same idempotency key of two callers creates two orders.
    let mut ids = Vec::new();
    for key in [alice, bob, alice] {
        let headers = [
            ("content-type", "application/json"),
            ("x-api-key", key),
            ("idempotency-key", "k-1"),
        ];
        let reply = harness
            .send(
                Method::POST,
                "/orders",
                &headers,
                Some(waiting_order().to_string()),
            )
            .await;
        ids.push(reply.expect_started());
    }
    assert!(ids[0] == ids[2] && ids[0] != ids[1], "{ids:?}");
    // An error in the body must not reveal that the order exists.
    let path = format!("/orders/{id}/cancel");
    harness
        .call(bob, "POST", &path, Some(json!({"reason": 5})))
        .await
        .expect_problem(404, "order_not_found");
    harness
        .call(alice, "POST", &path, Some(json!({"reason": 5})))
        .await
        .expect_problem(422, "invalid_request");
    harness
        .call(alice, "POST", &path, Some(json!({})))
        .await
        .expect_status(200);
    assert_eq!(harness.wait_for_end(&id).await.status.as_str(), "cancelled");
    harness
        .call(bob, "POST", &path, Some(json!({})))
        .await
        .expect_problem(404, "order_not_found");
    let log = harness.read_log("api");
    assert!(
        log.contains("key:alice") && !log.contains(alice) && !log.contains(bob),
        "a key is in the log"
    );
}

#[tokio::test]
async fn tokens_are_verified_with_current_keys() {
    let issuer = Issuer::start().await;
    let url = issuer.url();
    let harness = Harness::start_with(&[
        ("API_AUTH", "jwt"),
        ("JWT_ISSUER", "https://issuer.example"),
        ("JWT_AUDIENCE", "orderflow"),
        ("JWT_JWKS_URL", &url),
        ("JWT_JWKS_PAUSE", "50ms"),
    ])
    .await;
    let reply = harness.get("/orders").await;
    assert_eq!(
        reply.header("www-authenticate"),
        "Bearer realm=\"orderflow\""
    );
    reply.expect_problem(401, "unauthenticated");
    let reader = issuer.token("1", json!({"scope": "orders:read"}));
    // Before the first fetch of keys succeeds, tokens cannot be verified.
    let reply = harness.get_with_token(&reader, "/orders").await;
    assert_eq!(reply.header("retry-after"), "5");
    reply.expect_problem(503, "auth_unavailable");
    issuer.publish(&["1"]);
    let listed = async || {
        harness
            .get_with_token(&reader, "/orders")
            .await
            .status
            .as_u16()
    };
    harness
        .wait_until("keys", listed, |status| *status == 200)
        .await;

    for (claims, why) in [
        (json!({"exp": 1}), "has expired"),
        (json!({"nbf": 9_999_999_999_u64}), "is not valid yet"),
        (json!({"aud": "others"}), "is for another audience"),
        (
            json!({"iss": "https://other.example"}),
            "is from another issuer",
        ),
    ] {
        let reply = harness
            .get_with_token(&issuer.token("1", claims), "/orders")
            .await;
        let challenge = reply.header("www-authenticate").to_owned();
        assert!(
            challenge.starts_with("Bearer ") && challenge.contains("error=\"invalid_token\""),
            "{challenge}"
        );
        let problem = reply.expect_problem(401, "unauthenticated");
        assert!(
            problem["detail"].as_str().unwrap().contains(why),
            "{problem}"
        );
    }
    let reply = harness
        .get_with_token(
            &issuer.token("1", json!({"scope": "orders:write"})),
            "/orders",
        )
        .await;
    assert!(
        reply
            .header("www-authenticate")
            .contains("scope=\"orders:read\""),
        "{:?}",
        reply.headers
    );
    reply.expect_problem(403, "insufficient_scope");

    // The issuer rotates its keys: tokens of the new key are accepted, tokens of the old key
    // rejected.
    let new = issuer.token("2", json!({"scope": "orders:read"}));
    harness
        .get_with_token(&new, "/orders")
        .await
        .expect_problem(401, "unauthenticated");
    issuer.publish(&["2"]);
    let listed = async || {
        harness
            .get_with_token(&new, "/orders")
            .await
            .status
            .as_u16()
    };
    harness
        .wait_until("the new key", listed, |status| *status == 200)
        .await;
    harness
        .get_with_token(&reader, "/orders")
        .await
        .expect_problem(401, "unauthenticated");
    // The issuer is unavailable: the known keys stay in use.
    issuer.publish(&[]);
    harness
        .get_with_token(
            &issuer.token("3", json!({"scope": "orders:read"})),
            "/orders",
        )
        .await
        .expect_problem(401, "unauthenticated");
    harness
        .get_with_token(&new, "/orders")
        .await
        .expect_status(200);

    let bound = issuer.token(
        "2",
        json!({"scope": "orders:read orders:write orders:price", "customer_id": "C-1"}),
    );
    let headers = [
        ("authorization", format!("Bearer {bound}")),
        ("content-type", "application/json".to_owned()),
    ];
    let headers = headers
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let id = harness
        .send(
            Method::POST,
            "/orders",
            &headers,
            Some(waiting_order().to_string()),
        )
        .await
        .expect_started();
    harness
        .get_with_token(&bound, &format!("/orders/{id}"))
        .await
        .expect_status(200);
    // SEC-07: the audit log names the caller without its subject.
    let actor = async || {
        let id = domain::OrderId::parse(&id).unwrap();
        let events = store::audit_events::list(&harness.pool, &id, 0, 1).await;
        let events = events.unwrap().unwrap_or_default();
        let actor = events.first().map(|event| &event.payload["actor"]);
        actor.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    harness
        .wait_until("the actor", actor, |actor| actor.starts_with("token:"))
        .await;
    let other = issuer.token("2", json!({"scope": "orders:read", "customer_id": "C-2"}));
    harness
        .get_with_token(&other, &format!("/orders/{id}"))
        .await
        .expect_problem(404, "order_not_found");
    let log = harness.read_log("api");
    assert!(
        !log.contains(&bound) && !log.contains("jane@example.com"),
        "a token or its subject is in the log"
    );
}

#[tokio::test]
async fn each_caller_has_its_own_rate_limit() {
    let keys = Keys::create();
    let harness = start_with_keys(&keys, &[("RATE_LIMIT", "1/h:3")]).await;
    for name in ["reader", "alice"] {
        for _ in 0..3 {
            harness
                .call(keys.get(name), "GET", "/orders", None)
                .await
                .expect_status(200);
        }
        let reply = harness.call(keys.get(name), "GET", "/orders", None).await;
        let wait: u32 = reply.header("retry-after").parse().unwrap();
        assert!((1..=3_600).contains(&wait), "{wait}");
        reply.expect_problem(429, "rate_limited");
    }
    // Calls with unknown keys are counted by their address.
    for _ in 0..3 {
        harness
            .call("ofk_guess", "GET", "/orders", None)
            .await
            .expect_problem(401, "unauthenticated");
    }
    harness
        .call("ofk_guess", "GET", "/orders", None)
        .await
        .expect_problem(429, "rate_limited");
    for _ in 0..5 {
        harness.get("/health").await.expect_status(200);
    }
}

#[tokio::test]
async fn command_line_creates_and_uses_a_key() {
    let made = Command::new(PROGRAM)
        .args([
            "api-key",
            "create",
            "--name",
            "script",
            "--scopes",
            "orders:read,orders:write",
            "--customer",
            "C-9",
        ])
        .output()
        .await
        .unwrap();
    let shown = String::from_utf8(made.stdout).unwrap();
    let indented: Vec<_> = shown
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .collect();
    let [key, line] = indented[..] else {
        panic!("{shown}")
    };
    assert!(
        line.starts_with("script ") && line.ends_with(" orders:read,orders:write customer=C-9"),
        "{line}"
    );
    let harness = Harness::start_with(&[("API_AUTH", "api-key"), ("API_KEYS", line)]).await;
    let run = async |key: &str| {
        let mut command = Command::new(PROGRAM);
        command
            .args(["start-order", "script-1", "--json"])
            .env("ORDERFLOW_URL", &harness.url);
        command
            .env("ORDERFLOW_API_KEY", key)
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap()
    };
    let rejected = run("").await;
    let message = String::from_utf8(rejected.stderr).unwrap();
    assert!(
        !rejected.status.success()
            && message.contains("ORDERFLOW_API_KEY")
            && message.lines().count() == 1,
        "{message}"
    );
    let started: Value = serde_json::from_slice(&run(key).await.stdout).unwrap();
    assert_eq!(started["order_id"], "script-1");
    assert_eq!(
        harness
            .wait_for_end("script-1")
            .await
            .customer_id
            .as_deref(),
        Some("C-9")
    );
}

#[tokio::test]
async fn bad_setting_stops_the_gateway_with_one_line() {
    for (name, value, message) in [
        (
            "API_AUTH",
            "basic",
            "API_AUTH=basic: unknown value; allowed: none, api-key, jwt",
        ),
        (
            "API_AUTH",
            "api-key",
            "API_KEYS: not set, but API_AUTH=api-key requires it",
        ),
        (
            "RATE_LIMIT",
            "fast",
            "RATE_LIMIT=fast: not a rate; allowed: off, or RATE/UNIT",
        ),
        (
            "LOG_FORMAT",
            "xml",
            "LOG_FORMAT=xml: unknown value; allowed: pretty, json",
        ),
    ] {
        let output = Command::new(PROGRAM)
            .args(["serve", "api"])
            .env("DATABASE_URL", "postgres://app:app@127.0.0.1:9/app")
            .env("ORDERFLOW_HTTP_ADDRESS", "127.0.0.1:0")
            .env(name, value)
            .output()
            .await
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), text.lines().count()),
            (Some(1), 1),
            "{text}"
        );
        assert!(text.starts_with(&format!("error: {message}")), "{text}");
    }
}
