//! The functions' programs under an implementation of Lambda's runtime API, with API Gateway's
//! events.
//!
//! [`lambda`] implements Lambda, and [`api_gateway`] makes the events: of a REST API with a stage,
//! and of an HTTP API whose only route is `$default`, without path parameters.

pub(crate) mod api_gateway;
pub(crate) mod lambda;

use std::{fs, path::Path};

use api_gateway::{ApiKind, Call, gateway_event};
use data_encoding::BASE64;
use lambda::{Ended, Lambda};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{api::order_with_payment, harness::Harness};
use domain::WebhookProvider;
use orderflow_http::Function;
use payment_webhooks::{Message, Secrets, Signing};

#[tokio::test]
async fn order_is_delivered_through_the_functions() {
    let harness = Harness::start_with(&[("REVIEW_THRESHOLD", "50")]).await;
    let lambda = Lambda::start(&harness.environment).await;
    futures::join!(
        deliver(&harness, &lambda, ApiKind::Rest),
        deliver(&harness, &lambda, ApiKind::Http)
    );
    harness.assert_invariants().await;
}

async fn deliver(harness: &Harness, lambda: &Lambda, kind: ApiKind) {
    let send = async |call: Call| lambda.call(kind, &call).await;
    let order = order_with_payment(&format!("pmt-{kind:?}"));
    let key = format!("key-{kind:?}");
    let start = Call::post("/orders", &order).header("Idempotency-Key", &key);
    let id = send(start.clone()).await.expect_started();
    assert_eq!(send(start).await.expect_started(), id, "one key, one order");

    let status = async || {
        send(Call::get(&format!("/orders/{id}/status")))
            .await
            .expect_status(200)
    };
    let reviewed = |status: &Value| status["step"] == "manual_review";
    harness
        .wait_until("the wait for a review", status, reviewed)
        .await;
    let approve = Call::post(
        &format!("/orders/{id}/signals/approve"),
        &json!({"reviewer": "ann"}),
    );
    assert_eq!(
        send(approve.clone()).await.expect_status(200)["message"],
        "Order approved."
    );
    assert_eq!(send(approve).await.expect_status(200)["already"], true);

    let audit_log = async || {
        send(Call::get(&format!("/orders/{id}/events")))
            .await
            .expect_status(200)["events"]
            .clone()
    };
    let has_ended = |events: &Value| events.to_string().contains("delivered");
    let events = harness
        .wait_until("the delivery in the audit log", audit_log, has_ended)
        .await;
    let first = send(Call::get(&format!("/orders/{id}/events?limit=2&after=1")))
        .await
        .expect_status(200)["events"]
        .clone();
    assert_eq!(
        first.as_array().unwrap()[..],
        events.as_array().unwrap()[1..3],
        "query parameters reach the function"
    );

    harness.wait_for_end(&id).await;
    let path = format!("/orders/{id}?source=database");
    let order = send(Call::get(&path)).await.expect_status(200);
    assert_eq!(order["status"], "delivered");
    assert_eq!(
        order,
        harness.get(&path).await.expect_status(200),
        "the local gateway returns the same"
    );
    let list = send(Call::get("/orders?status=delivered&customer_id=CUST-001"))
        .await
        .expect_status(200)["orders"]
        .clone();
    assert!(
        list.as_array()
            .unwrap()
            .iter()
            .any(|order| order["order_id"] == id.as_str()),
        "{list}"
    );
    let tag = send(Call::get(&format!("/orders/{id}")))
        .await
        .header("etag")
        .to_owned();
    for rest in ["", "/status", "/estimated-delivery", "/result", "/events"] {
        let call = Call::get(&format!("/orders/{id}{rest}"));
        assert_eq!(send(call.clone()).await.header("etag"), tag, "{rest}");
        let response = send(call.header("If-None-Match", &tag)).await;
        assert_eq!(
            (response.status.as_u16(), &response.body),
            (304, &json!("")),
            "{rest}"
        );
    }
    let late = Call {
        method: Method::DELETE,
        ..Call::post(&format!("/orders/{id}"), &json!({"reason": "too late"}))
    };
    send(late).await.expect_problem(409, "already_shipped");
}

#[tokio::test]
async fn functions_return_the_local_gateways_problems() {
    let harness = Harness::start().await;
    let lambda = Lambda::start(&harness.environment).await;
    let json = Some("application/json");
    for (method, path, content_type, body, status) in [
        (Method::GET, "/orders/nobody", None, "", 404),
        (Method::GET, "/orders/nobody/events", None, "", 404),
        (Method::GET, "/orders/a%20b", None, "", 404),
        (Method::GET, "/nowhere", None, "", 404),
        (Method::PUT, "/orders/o-1", None, "", 405),
        (Method::PATCH, "/orders", json, "{}", 405),
        (
            Method::GET,
            "/orders?limit=0&status=lost%20one",
            None,
            "",
            422,
        ),
        (Method::POST, "/orders", json, "{\n  \"items\": [,]}", 400),
        (
            Method::POST,
            "/orders",
            json,
            "{\"items\": \"Ünïcödé\"}",
            422,
        ),
        (Method::POST, "/orders", Some("text/plain"), "{}", 415),
        (
            Method::DELETE,
            "/orders/nobody",
            json,
            "{\"reason\": 5}",
            422,
        ),
        (
            Method::POST,
            "/orders/nobody/signals/approve",
            None,
            "",
            404,
        ),
        (Method::POST, "/orders?dry_run=true", json, "{}", 422),
        (Method::GET, "/orders?limit=1&limit=2", None, "", 422),
        // The limit applies to the decoded body; base64 is a third longer.
        (Method::POST, "/orders", json, &" ".repeat(256 << 10), 422),
        (
            Method::POST,
            "/orders",
            json,
            &" ".repeat((256 << 10) + 1),
            413,
        ),
    ] {
        let headers: Vec<_> = content_type
            .iter()
            .map(|value| ("content-type", *value))
            .collect();
        let sent = (!body.is_empty()).then(|| body.to_owned());
        let expected = harness
            .send(method.clone(), path, &headers, sent.clone())
            .await;
        assert_eq!(
            expected.status, status,
            "{method} {path}: {:?}",
            expected.body
        );
        for kind in ApiKind::ALL {
            for base64 in [false, true] {
                let headers = headers
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect();
                let call = Call {
                    method: method.clone(),
                    path: path.to_owned(),
                    headers,
                    body: sent.clone(),
                    base64,
                };
                let response = lambda.call(kind, &call).await;
                let seen = (
                    response.status,
                    response.header("allow"),
                    response.header("content-type"),
                    &response.body,
                );
                let mut problem = expected.body.clone();
                problem["instance"] = json!(format!(
                    "{}{}",
                    kind.prefix(),
                    problem["instance"].as_str().unwrap()
                ));
                let wanted = (
                    expected.status,
                    expected.header("allow"),
                    expected.header("content-type"),
                    &problem,
                );
                assert_eq!(seen, wanted, "{method} {path} as {kind:?}, base64 {base64}");
            }
        }
    }
}

#[tokio::test]
async fn returned_links_work_behind_every_base_path() {
    let harness = Harness::start().await;
    let lambda = Lambda::start(&harness.environment).await;
    for kind in ApiKind::ALL {
        let order = order_with_payment(&format!("pmt-pointed-{kind:?}"));
        let started = lambda.call(kind, &Call::post("/orders", &order)).await;
        let location = started.header("location").to_owned();
        let id = started.expect_started();
        assert_eq!(location, format!("{}/orders/{id}", kind.prefix()));
        // API Gateway removes the base path from the requested path.
        let follow = async |target: &str| {
            let path = target.strip_prefix(kind.prefix()).unwrap();
            lambda.call(kind, &Call::get(path)).await
        };
        assert_eq!(
            follow(&location).await.expect_status(200)["order_id"],
            id.as_str()
        );
        harness.wait_for_end(&id).await;
        let first = lambda
            .call(kind, &Call::get(&format!("/orders/{id}/events?limit=1")))
            .await;
        let link = first.header("link").to_owned();
        let next = link
            .strip_prefix('<')
            .unwrap()
            .split_once(">; rel=\"next\"")
            .unwrap()
            .0;
        assert_eq!(
            follow(next).await.expect_status(200)["events"][0]["seq"],
            2,
            "{link}"
        );
        let files = lambda.call(kind, &Call::get("/docs/begin.js")).await;
        assert_eq!(files.status, 200, "{kind:?}");
    }
}

#[tokio::test]
async fn process_survives_panics_and_foreign_events() {
    let harness = Harness::start().await;
    let lambda = Lambda::start(&harness.environment).await;
    for kind in ApiKind::ALL {
        // Invalid base64 makes the runtime itself panic, before our code runs.
        let mut broken = gateway_event(kind, &Call::post("/orders", &json!({})));
        broken["body"] = json!("%");
        broken["isBase64Encoded"] = json!(true);
        let error = lambda.invoke(Function::Start, &broken).await.unwrap_err();
        assert!(
            error["errorMessage"].as_str().unwrap().contains("panicked"),
            "{error}"
        );
    }
    let error = lambda
        .invoke(Function::Start, &json!({"hello": "world"}))
        .await
        .unwrap_err();
    assert!(
        !error["errorMessage"].as_str().unwrap().is_empty(),
        "{error}"
    );
    // The same process handles the next event.
    lambda
        .call(
            ApiKind::Http,
            &Call::post("/orders/after-the-panic/start", &json!({})),
        )
        .await
        .expect_started();
}

#[tokio::test]
async fn every_sample_event_gets_a_response() {
    // The sample webhook events are signed with this secret.
    let harness = Harness::start_with(&[("WEBHOOK_SECRETS_CHECKOUT", "sample-secret")]).await;
    let lambda = Lambda::start(&harness.environment).await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../localstack/events");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    // The order that the other events refer to is started first.
    files.sort_by_key(|path| (!path.ends_with("start-order.rest.json"), path.clone()));
    for path in files {
        let event: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let response = api_gateway::parse_response(
            lambda
                .invoke(api_gateway::function_of(&event), &event)
                .await
                .unwrap(),
        );
        // The order continues on its own, so a command that arrives too late may be a 409. The endpoint,
        // the refund and the return of the samples do not exist.
        let unknown = ["endpoint_not_found", "refund_not_found", "return_not_found"];
        let code = response.body["code"].as_str().unwrap_or_default();
        assert!(
            response.status.is_success() || response.status == 409 || unknown.contains(&code),
            "{}: {response:?}",
            path.display()
        );
    }
}

#[tokio::test]
async fn signed_webhook_event_is_accepted_in_every_encoding() {
    let secret = "marked-secret";
    let harness = Harness::start_with(&[("WEBHOOK_SECRETS_CHECKOUT", secret)]).await;
    let lambda = Lambda::start(&harness.environment).await;
    let secrets = Secrets::new(WebhookProvider::Checkout, [secret]).unwrap();
    let signed = |body: &[u8]| {
        let signing = Signing {
            now: 0,
            message_id: "-",
            notification_url: None,
        };
        let message = payment_webhooks::sign(&secrets, Message::new(body), &signing).unwrap();
        message.headers[0].1.clone()
    };
    let call = |body: &str, base64: bool, signature: &str| Call {
        body: Some(body.to_owned()),
        base64,
        ..Call::post("/webhooks/checkout", &json!({})).header("Cko-Signature", signature)
    };
    for (kind, name) in [(ApiKind::Rest, "rest"), (ApiKind::Http, "http")] {
        for base64 in [false, true] {
            let body = format!(
                "{{\"id\": \"evt_{name}_{base64}\", \"type\": \"dispute_evidence_required\",  \"é\": 1}}"
            );
            let signature = signed(body.as_bytes());
            let taken = lambda.call(kind, &call(&body, base64, &signature)).await;
            assert_eq!(
                (taken.status.as_u16(), &taken.body),
                (200, &json!("accepted")),
                "{name} {base64}"
            );
            let refused = lambda
                .call(kind, &call(&format!("{body} "), base64, &signature))
                .await;
            assert_eq!(
                refused.expect_problem(400, "webhook_rejected")["reason"],
                "signature"
            );
        }
        // Bytes that are not text always arrive as base64.
        let bytes = [b"\xff\x00\xfe".as_slice(), name.as_bytes()].concat();
        let mut event = gateway_event(kind, &call("", true, &signed(&bytes)));
        event["body"] = json!(BASE64.encode(&bytes));
        let taken =
            api_gateway::parse_response(lambda.invoke(Function::Webhook, &event).await.unwrap());
        assert_eq!(taken.status, 200, "{name}: {taken:?}");
    }
    let rows = async || {
        store::webhook_events::list(&harness.pool, None, None, 100)
            .await
            .unwrap()
            .len()
    };
    harness
        .wait_until("one row per webhook event", rows, |count| *count == 6)
        .await;
}

#[tokio::test]
async fn invalid_secret_ends_the_function_and_stays_hidden() {
    let environment = [
        ("TEMPORAL_ADDRESS", "127.0.0.1:1"),
        ("API_AUTH", "none"),
        ("WEBHOOK_SECRETS_ADYEN", "marked-secret"),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let Ended { success, last_line } = Lambda::start_failing(Function::Webhook, &environment).await;
    let expected =
        "error: WEBHOOK_SECRETS_ADYEN=…: secret 1 for adyen must be the hexadecimal HMAC key";
    assert!(
        !success && last_line.starts_with(expected) && !last_line.contains("marked"),
        "{last_line}"
    );
}

#[tokio::test]
async fn missing_setting_ends_the_function() {
    let environment = [
        ("TEMPORAL_ADDRESS", "127.0.0.1:1"),
        ("DATABASE_URL", ""),
        ("API_AUTH", "none"),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let Ended { success, last_line } = Lambda::start_failing(Function::Events, &environment).await;
    assert!(
        !success && last_line.starts_with("error: DATABASE_URL: not set"),
        "{last_line}"
    );
}

#[tokio::test]
async fn function_without_api_auth_does_not_start() {
    // The other functions have public routes only.
    for function in [
        Function::Start,
        Function::Signal,
        Function::Query,
        Function::Events,
    ] {
        let environment = [("TEMPORAL_ADDRESS", "127.0.0.1:1"), ("API_AUTH", "")];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let Ended { success, last_line } = Lambda::start_failing(function, &environment).await;
        assert!(
            !success && last_line.starts_with("error: API_AUTH: not set, but required on Lambda"),
            "{last_line}"
        );
    }
}

/// Lambda runs one call at a time in a process, so one process is a concurrency limit of one.
#[tokio::test]
async fn health_responds_while_calls_wait() {
    let harness = Harness::start_with(&[("REVIEW_THRESHOLD", "50")]).await;
    let lambda = Lambda::start(&harness.environment).await;
    let id = start_reviewed_order(&harness, &lambda).await;
    let result = Call::get(&format!("/orders/{id}/result")).header("Prefer", "wait=20");
    let wait = lambda.call(ApiKind::Rest, &result);
    let health = async {
        harness
            .wait_until(
                "the waiting call in the function",
                async || lambda.in_progress_count(Function::Query),
                |count| *count == 1,
            )
            .await;
        for _ in 0..3 {
            let response = lambda.call(ApiKind::Rest, &Call::get("/health")).await;
            assert_eq!(response.expect_status(200)["status"], "ok");
        }
        assert_eq!(lambda.in_progress_count(Function::Query), 1);
        let cancel = Call::post(&format!("/orders/{id}/cancel"), &json!({}));
        lambda.call(ApiKind::Rest, &cancel).await.expect_status(200);
    };
    let (response, ()) = futures::join!(wait, health);
    assert_eq!(response.expect_status(200)["status"], "cancelled");
}

#[tokio::test]
async fn disabled_long_poll_ignores_the_preference() {
    let settings = [("REVIEW_THRESHOLD", "50"), ("LONG_POLLING", "off")];
    let harness = Harness::start_with(&settings).await;
    let lambda = Lambda::start(&harness.environment).await;
    let id = start_reviewed_order(&harness, &lambda).await;
    for path in ["result", "events"] {
        let mut call = Call::get(&format!("/orders/{id}/{path}")).header("Prefer", "wait=20");
        if path == "events" {
            let response = lambda.call(ApiKind::Rest, &call).await;
            call = call.header("If-None-Match", response.header("etag"));
        }
        let response = lambda.call(ApiKind::Rest, &call).await;
        assert_eq!(response.header("preference-applied"), "", "{path}");
    }
}

/// Starts an order that waits for its review.
async fn start_reviewed_order(harness: &Harness, lambda: &Lambda) -> String {
    let start = Call::post("/orders", &order_with_payment("pmt-waits"));
    let id = lambda.call(ApiKind::Rest, &start).await.expect_started();
    let status = async || {
        let call = Call::get(&format!("/orders/{id}/status"));
        lambda.call(ApiKind::Rest, &call).await.expect_status(200)["step"].clone()
    };
    harness
        .wait_until("the wait for a review", status, |step| {
            *step == "manual_review"
        })
        .await;
    id
}
