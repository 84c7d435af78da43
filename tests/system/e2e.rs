//! The programs that Lambda runs, under Lambda's own runtime API, with the events that API Gateway sends.
//!
//! [`lambda`] is Lambda, [`api_gateway`] what stands in front of it: a REST API with a stage, and an HTTP
//! API whose one route is `$default` and names no path parameters.

pub(crate) mod api_gateway;
pub(crate) mod lambda;

use std::{fs, path::Path};

use api_gateway::{ApiKind, Call, gateway_event};
use base64::{Engine, engine::general_purpose::STANDARD};
use lambda::{Ended, Lambda};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{api::order_with_payment, harness::Harness};
use domain::WebhookProvider;
use orderflow_http::Function;
use payment_webhooks::{Message, Secrets, Signing};

#[tokio::test]
async fn an_order_goes_from_its_start_to_delivered_through_the_functions() {
    let world = Harness::start_with(&[("REVIEW_THRESHOLD", "50")]).await;
    let lambda = Lambda::start(&world.environment).await;
    futures::join!(
        deliver(&world, &lambda, ApiKind::Rest),
        deliver(&world, &lambda, ApiKind::Http)
    );
    world.assert_invariants().await;
}

async fn deliver(world: &Harness, lambda: &Lambda, shape: ApiKind) {
    let send = async |call: Call| lambda.call(shape, &call).await;
    let order = order_with_payment(&format!("pmt-{shape:?}"));
    let key = format!("key-{shape:?}");
    let start = Call::post("/orders", &order).header("Idempotency-Key", &key);
    let id = send(start.clone()).await.expect_started();
    assert_eq!(send(start).await.expect_started(), id, "one key, one order");

    let status = async || {
        send(Call::get(&format!("/orders/{id}/status")))
            .await
            .expect_status(200)
    };
    let reviewed = |status: &Value| status["step"] == "manual_review";
    world
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

    let trail = async || {
        send(Call::get(&format!("/orders/{id}/events")))
            .await
            .expect_status(200)["events"]
            .clone()
    };
    let has_ended = |events: &Value| events.to_string().contains("delivered");
    let events = world
        .wait_until("the delivery in the trail", trail, has_ended)
        .await;
    let first = send(Call::get(&format!("/orders/{id}/events?limit=2&after=1")))
        .await
        .expect_status(200)["events"]
        .clone();
    assert_eq!(
        first.as_array().unwrap()[..],
        events.as_array().unwrap()[1..3],
        "parameters of the query arrive"
    );

    world.wait_for_end(&id).await;
    let path = format!("/orders/{id}?source=database");
    let order = send(Call::get(&path)).await.expect_status(200);
    assert_eq!(order["status"], "delivered");
    assert_eq!(
        order,
        world.get(&path).await.expect_status(200),
        "the local gateway says the same"
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
        let reply = send(call.header("If-None-Match", &tag)).await;
        assert_eq!(
            (reply.status.as_u16(), &reply.body),
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
async fn what_is_refused_is_refused_as_the_local_gateway_does() {
    let world = Harness::start().await;
    let lambda = Lambda::start(&world.environment).await;
    let json = Some("application/json");
    for (method, path, kind, body, status) in [
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
        // Base64 is a third longer, and does not count.
        (Method::POST, "/orders", json, &" ".repeat(256 << 10), 422),
        (
            Method::POST,
            "/orders",
            json,
            &" ".repeat((256 << 10) + 1),
            413,
        ),
    ] {
        let headers: Vec<_> = kind.iter().map(|kind| ("content-type", *kind)).collect();
        let sent = (!body.is_empty()).then(|| body.to_owned());
        let expected = world
            .send(method.clone(), path, &headers, sent.clone())
            .await;
        assert_eq!(
            expected.status, status,
            "{method} {path}: {:?}",
            expected.body
        );
        for shape in ApiKind::ALL {
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
                let reply = lambda.call(shape, &call).await;
                let seen = (
                    reply.status,
                    reply.header("allow"),
                    reply.header("content-type"),
                    &reply.body,
                );
                let mut problem = expected.body.clone();
                problem["instance"] = json!(format!(
                    "{}{}",
                    shape.prefix(),
                    problem["instance"].as_str().unwrap()
                ));
                let wanted = (
                    expected.status,
                    expected.header("allow"),
                    expected.header("content-type"),
                    &problem,
                );
                assert_eq!(
                    seen, wanted,
                    "{method} {path} as {shape:?}, base64 {base64}"
                );
            }
        }
    }
}

#[tokio::test]
async fn where_an_answer_points_a_caller_gets_from_behind_a_stage_and_a_base_path() {
    let world = Harness::start().await;
    let lambda = Lambda::start(&world.environment).await;
    for shape in ApiKind::ALL {
        let order = order_with_payment(&format!("pmt-pointed-{shape:?}"));
        let started = lambda.call(shape, &Call::post("/orders", &order)).await;
        let location = started.header("location").to_owned();
        let id = started.expect_started();
        assert_eq!(location, format!("{}/orders/{id}", shape.prefix()));
        // As API Gateway takes what is asked for there.
        let follow = async |target: &str| {
            let path = target.strip_prefix(shape.prefix()).unwrap();
            lambda.call(shape, &Call::get(path)).await
        };
        assert_eq!(
            follow(&location).await.expect_status(200)["order_id"],
            id.as_str()
        );
        world.wait_for_end(&id).await;
        let first = lambda
            .call(shape, &Call::get(&format!("/orders/{id}/events?limit=1")))
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
        let files = lambda.call(shape, &Call::get("/docs/begin.js")).await;
        assert_eq!(files.status, 200, "{shape:?}");
    }
}

#[tokio::test]
async fn a_panic_or_a_foreign_event_hangs_nobody() {
    let world = Harness::start().await;
    let lambda = Lambda::start(&world.environment).await;
    for shape in ApiKind::ALL {
        // What is no base64 makes the runtime itself panic, before any code of ours.
        let mut broken = gateway_event(shape, &Call::post("/orders", &json!({})));
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
    // The same process serves on.
    lambda
        .call(
            ApiKind::Http,
            &Call::post("/orders/after-the-panic/start", &json!({})),
        )
        .await
        .expect_started();
}

#[tokio::test]
async fn every_sample_event_is_answered() {
    // With this one the sample notifications are signed.
    let world = Harness::start_with(&[("WEBHOOK_SECRETS_CHECKOUT", "sample-secret")]).await;
    let lambda = Lambda::start(&world.environment).await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../localstack/events");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    // The order that others ask for comes first.
    files.sort_by_key(|path| (!path.ends_with("start-order.rest.json"), path.clone()));
    for path in files {
        let event: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let reply = api_gateway::parse_response(
            lambda
                .invoke(api_gateway::function_of(&event), &event)
                .await
                .unwrap(),
        );
        // In production's default profile the order moves on: what comes too late may be refused, and in words.
        assert!(
            reply.status.is_success() || reply.status == 409,
            "{}: {reply:?}",
            path.display()
        );
    }
}

#[tokio::test]
async fn a_signed_notification_passes_however_the_gateway_hands_it_over() {
    let secret = "marked-secret";
    let world = Harness::start_with(&[("WEBHOOK_SECRETS_CHECKOUT", secret)]).await;
    let lambda = Lambda::start(&world.environment).await;
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
    for (shape, name) in [(ApiKind::Rest, "rest"), (ApiKind::Http, "http")] {
        for base64 in [false, true] {
            let body = format!(
                "{{\"id\": \"evt_{name}_{base64}\", \"type\": \"dispute_evidence_required\",  \"é\": 1}}"
            );
            let signature = signed(body.as_bytes());
            let taken = lambda.call(shape, &call(&body, base64, &signature)).await;
            assert_eq!(
                (taken.status.as_u16(), &taken.body),
                (200, &json!("accepted")),
                "{name} {base64}"
            );
            let refused = lambda
                .call(shape, &call(&format!("{body} "), base64, &signature))
                .await;
            assert_eq!(
                refused.expect_problem(400, "webhook_rejected")["reason"],
                "signature"
            );
        }
        // What is no text comes as base64 alone.
        let bytes = [b"\xff\x00\xfe".as_slice(), name.as_bytes()].concat();
        let mut event = gateway_event(shape, &call("", true, &signed(&bytes)));
        event["body"] = json!(STANDARD.encode(&bytes));
        let taken =
            api_gateway::parse_response(lambda.invoke(Function::Webhook, &event).await.unwrap());
        assert_eq!(taken.status, 200, "{name}: {taken:?}");
    }
    let rows = async || {
        store::webhook_events::list(&world.pool, None, None, 100)
            .await
            .unwrap()
            .len()
    };
    world
        .wait_until("a row of each", rows, |count| *count == 6)
        .await;
}

#[tokio::test]
async fn a_secret_that_is_none_ends_the_function_and_is_not_shown() {
    let environment = [
        ("TEMPORAL_ADDRESS", "127.0.0.1:1"),
        ("API_AUTH", "none"),
        ("WEBHOOK_SECRETS_ADYEN", "marked-secret"),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let Ended { success, last_line } = Lambda::start_failing(Function::Webhook, &environment).await;
    let said =
        "error: WEBHOOK_SECRETS_ADYEN=…: secret 1 for adyen must be the hexadecimal HMAC key";
    assert!(
        !success && last_line.starts_with(said) && !last_line.contains("marked"),
        "{last_line}"
    );
}

#[tokio::test]
async fn a_function_without_a_setting_that_it_needs_ends_and_names_it() {
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
async fn a_function_that_was_not_told_who_may_call_does_not_start() {
    for function in Function::ALL {
        let environment = [("TEMPORAL_ADDRESS", "127.0.0.1:1"), ("API_AUTH", "")];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let Ended { success, last_line } = Lambda::start_failing(function, &environment).await;
        assert!(
            !success && last_line.starts_with("error: API_AUTH: not set, but required on Lambda"),
            "{last_line}"
        );
    }
}
