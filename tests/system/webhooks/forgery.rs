//! Attacks on the only route without authentication, through the real program.

use std::fs;

use chrono::Utc;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    deliver_genuine_event, post_webhook, sample_event, send_request, sign_at, sign_now,
    start_harness, start_with_webhooks, test_secret, test_secrets, webhook_request,
};
use crate::{
    api::{ApiResponse, sample_order},
    harness::Harness,
    shared_servers::shared_servers,
};
use devstack::{Temporal, TemporalOptions};
use domain::WebhookProvider;
use payment_webhooks::{LARGEST_BATCH, Message, Secrets, made_up};

/// Providers that sign a time stamp.
const TIMED: [WebhookProvider; 2] = [WebhookProvider::Stripe, WebhookProvider::Standard];

/// Starts an order of 99.99 USD that waits for a payment event.
async fn create_waiting_order(harness: &Harness, id: &str) {
    let mut order = sample_order();
    order["profile"] = json!("checkout");
    harness
        .post(&format!("/orders/{id}/start"), order)
        .await
        .expect_started();
    let read = async || harness.audit_event_types(id).await;
    let is_requested = |trail: &Vec<String>| trail.iter().any(|kind| kind == "payment_requested");
    harness
        .wait_until("the wait for the payment", read, is_requested)
        .await;
}

/// Changes the signed part of a message, and nothing else.
fn tamper(provider: WebhookProvider, message: &Message) -> Message {
    let mut message = message.clone();
    match provider {
        // The amount.
        WebhookProvider::Adyen => {
            let body = String::from_utf8(message.body).unwrap();
            assert!(body.contains("9999"));
            message.body = body.replace("9999", "9998").into_bytes();
        }
        WebhookProvider::Stripe
        | WebhookProvider::Standard
        | WebhookProvider::Square
        | WebhookProvider::Mollie
        | WebhookProvider::GoCardless
        | WebhookProvider::Checkout
        | WebhookProvider::Shopify => message.body.push(b' '),
    }
    message
}

#[tokio::test]
async fn forged_event_is_rejected_and_not_stored() {
    let harness = start_harness().await;
    let now = Utc::now().timestamp();
    for &provider in WebhookProvider::ALL {
        let id = format!("fraud-{provider}");
        let good = sign_now(provider, sample_event(provider, &id));
        post_webhook(&harness.url, provider, &tamper(provider, &good))
            .await
            .expect_rejected(provider, "signature");

        let other = Secrets::parse(provider, &made_up(provider, &[9; 32])).unwrap();
        let forged = sign_at(&other, sample_event(provider, &id), now);
        post_webhook(&harness.url, provider, &forged)
            .await
            .expect_rejected(provider, "signature");

        post_webhook(&harness.url, provider, &sample_event(provider, &id))
            .await
            .expect_rejected(provider, "header");
        post_webhook(&harness.url, provider, &Message::new(""))
            .await
            .expect_rejected(provider, "header");
        post_webhook(
            &harness.url,
            provider,
            &Message::new(b"\xff\xfe\x00{".to_vec()),
        )
        .await
        .expect_rejected(provider, "header");

        // A secret of another provider is not valid here.
        for &foreign in WebhookProvider::ALL
            .iter()
            .filter(|foreign| **foreign != provider)
        {
            let message = sign_now(foreign, sample_event(foreign, &id));
            let response = post_webhook(&harness.url, provider, &message).await;
            let reason = response.body["reason"].clone();
            assert!(
                reason == "header" || reason == "signature",
                "{foreign} at {provider}: {response:?}"
            );
            response.expect_rejected(provider, reason.as_str().unwrap());
        }
    }
    for provider in TIMED {
        for offset in [-100_000, -310, 310, 100_000] {
            let message = sign_at(
                &test_secrets(provider),
                sample_event(provider, "fraud-late"),
                Utc::now().timestamp() + offset,
            );
            let problem = post_webhook(&harness.url, provider, &message)
                .await
                .expect_rejected(provider, "timestamp");
            assert_eq!(
                problem["detail"], "The signature's time is too far in the past or in the future.",
                "{offset}"
            );
        }
    }
    assert_eq!(harness.webhook_outcomes().await, []);
    // The same route accepts genuine events.
    for &provider in WebhookProvider::ALL {
        deliver_genuine_event(&harness, provider, &format!("fraud-{provider}")).await;
    }
    let row_count = async || harness.webhook_outcomes().await.len();
    harness
        .wait_until("one row of each provider", row_count, |count| {
            *count == WebhookProvider::ALL.len()
        })
        .await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn repeated_webhook_event_pays_order_once() {
    let harness = start_harness().await;
    for (provider, id) in [
        (WebhookProvider::Stripe, "replay-stripe"),
        (WebhookProvider::Standard, "replay-standard"),
        (WebhookProvider::Adyen, "replay-adyen"),
        (WebhookProvider::Square, "replay-square"),
        (WebhookProvider::Checkout, "replay-checkout"),
    ] {
        create_waiting_order(&harness, id).await;
        let first = sign_now(provider, sample_event(provider, id));
        post_webhook(&harness.url, provider, &first)
            .await
            .expect_accepted(provider);
        post_webhook(&harness.url, provider, &first)
            .await
            .expect_accepted(provider);
        assert_eq!(
            harness.wait_for_end(id).await.status.as_str(),
            "delivered",
            "{provider}"
        );
        // An event that is signed again later.
        let again = sign_at(
            &test_secrets(provider),
            sample_event(provider, id),
            Utc::now().timestamp() - 5,
        );
        for message in [&first, &again] {
            post_webhook(&harness.url, provider, message)
                .await
                .expect_accepted(provider);
        }
        let trail = harness.audit_event_types(id).await;
        assert_eq!(
            trail
                .iter()
                .filter(|kind| *kind == "payment_confirmed")
                .count(),
            1,
            "{trail:?}"
        );
    }
    // The last repeated event has an outcome, too.
    let settled = async || harness.webhook_outcomes().await;
    let rows = harness
        .wait_until("five rows", settled, |rows| rows.len() == 5)
        .await;
    assert!(
        rows.iter().all(|(_, outcome)| outcome == "applied"),
        "{rows:?}"
    );
    harness.assert_invariants().await;
}

/// Returns one batch with the payment event of each order.
fn adyen_batch(ids: &[String]) -> Message {
    let item = |id: &String| {
        let body: Value =
            serde_json::from_slice(&sample_event(WebhookProvider::Adyen, id).body).unwrap();
        body["notificationItems"][0].clone()
    };
    let items: Vec<_> = ids.iter().map(item).collect();
    Message::new(json!({"live": "false", "notificationItems": items}).to_string())
}

fn numbered_ids(prefix: &str, count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("{prefix}-{number}"))
        .collect()
}

#[tokio::test]
async fn batch_is_accepted_entirely_or_rejected() {
    const ADYEN: WebhookProvider = WebhookProvider::Adyen;
    let harness = start_harness().await;
    let ids = numbered_ids("batch", 2);
    for id in &ids {
        create_waiting_order(&harness, id).await;
    }
    let good = sign_now(ADYEN, adyen_batch(&ids));
    // One item belongs to another order, or has no signature.
    let mut body: Value = serde_json::from_slice(&good.body).unwrap();
    let last = "/notificationItems/1/NotificationRequestItem";
    let mut forged = body.clone();
    forged.pointer_mut(last).unwrap()["merchantReference"] = json!("batch-elsewhere");
    post_webhook(&harness.url, ADYEN, &Message::new(forged.to_string()))
        .await
        .expect_rejected(ADYEN, "signature");
    let mut unsigned = body.clone();
    unsigned.pointer_mut(last).unwrap()["additionalData"] = json!({});
    post_webhook(&harness.url, ADYEN, &Message::new(unsigned.to_string()))
        .await
        .expect_rejected(ADYEN, "header");
    let empty = json!({"live": "false", "notificationItems": []});
    post_webhook(&harness.url, ADYEN, &Message::new(empty.to_string()))
        .await
        .expect_rejected(ADYEN, "header");
    for id in &ids {
        assert_eq!(
            harness
                .get(&format!("/orders/{id}"))
                .await
                .expect_status(200)["status"],
            "pending",
            "{id}"
        );
    }
    assert_eq!(harness.webhook_outcomes().await, []);
    // A repeated item is one event.
    let doubled = body["notificationItems"][0].clone();
    body["notificationItems"]
        .as_array_mut()
        .unwrap()
        .push(doubled);
    post_webhook(&harness.url, ADYEN, &Message::new(body.to_string()))
        .await
        .expect_accepted(ADYEN);
    for id in &ids {
        assert_eq!(harness.wait_for_end(id).await.status.as_str(), "delivered");
    }
    let rows = harness.webhook_outcomes().await;
    assert!(
        rows.len() == 2 && rows.iter().all(|(_, outcome)| outcome == "applied"),
        "{rows:?}"
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn oversized_batch_is_rejected() {
    const ADYEN: WebhookProvider = WebhookProvider::Adyen;
    let harness = start_harness().await;
    let too_many = sign_now(ADYEN, adyen_batch(&numbered_ids("huge", LARGEST_BATCH + 1)));
    post_webhook(&harness.url, ADYEN, &too_many)
        .await
        .expect_rejected(ADYEN, "signature");
    let items = vec![json!({"NotificationRequestItem": {}}); 7_000];
    let nothing = Message::new(json!({"notificationItems": items}).to_string());
    post_webhook(&harness.url, ADYEN, &nothing)
        .await
        .expect_rejected(ADYEN, "header");
    assert_eq!(harness.webhook_outcomes().await, []);
    post_webhook(
        &harness.url,
        ADYEN,
        &sign_now(ADYEN, adyen_batch(&numbered_ids("huge", LARGEST_BATCH))),
    )
    .await
    .expect_accepted(ADYEN);
    let recorded = async || harness.webhook_outcomes().await.len();
    harness
        .wait_until("a row of each event", recorded, |count| {
            *count == LARGEST_BATCH
        })
        .await;
}

/// Returns the peak memory of the API process, in KiB.
async fn peak_memory_kib(harness: &Harness) -> u64 {
    let status =
        fs::read_to_string(format!("/proc/{}/status", harness.api.pid().await.unwrap())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim_end_matches("kB").trim().parse().unwrap()
}

#[tokio::test]
async fn oversized_webhook_body_is_rejected_and_not_stored() {
    const STRIPE: WebhookProvider = WebhookProvider::Stripe;
    let harness = start_harness().await;
    deliver_genuine_event(&harness, STRIPE, "large").await;
    let before = peak_memory_kib(&harness).await;
    for size in [(1 << 20) + 1, 10 << 20, (10 << 20) + 1, 12 << 20] {
        for _ in 0..4 {
            let message = sign_now(STRIPE, Message::new(vec![b'['; size]));
            post_webhook(&harness.url, STRIPE, &message)
                .await
                .expect_problem(413, "body_too_large");
        }
    }
    // The requests are sequential: memory for a few copies of one body, not of sixteen.
    let grown = peak_memory_kib(&harness).await - before;
    assert!(grown < 120 << 10, "{grown} KiB more");
    // The deepest nesting within the size limit: it is signed, so it must be acknowledged.
    let deep = sign_now(STRIPE, Message::new(vec![b'['; 1 << 20]));
    post_webhook(&harness.url, STRIPE, &deep)
        .await
        .expect_accepted(STRIPE);
    let read = async || harness.webhook_outcomes().await;
    let both = |rows: &Vec<(String, String)>| {
        rows.len() == 2 && rows.iter().any(|(_, outcome)| outcome == "unreadable")
    };
    harness.wait_until("the unreadable event", read, both).await;
}

#[tokio::test]
async fn signed_binary_body_is_recorded_and_acknowledged() {
    let harness = start_harness().await;
    for &provider in WebhookProvider::ALL {
        // Each body is different, because an event without an id is identified by its bytes.
        let body = [b"\xff\xfe\x00".as_slice(), provider.as_str().as_bytes()].concat();
        post_webhook(
            &harness.url,
            provider,
            &sign_now(provider, Message::new(body)),
        )
        .await
        .expect_accepted(provider);
    }
    let read = async || harness.webhook_outcomes().await;
    let all = |rows: &Vec<(String, String)>| {
        rows.len() == WebhookProvider::ALL.len()
            && rows.iter().all(|(_, outcome)| outcome == "unreadable")
    };
    harness.wait_until("a row of each event", read, all).await;
}

#[tokio::test]
async fn provider_without_secret_is_404() {
    let harness = start_with_webhooks(&[("WEBHOOK_SECRETS_SHOPIFY", "")]).await;
    let shopify = WebhookProvider::Shopify;
    post_webhook(
        &harness.url,
        shopify,
        &sign_now(shopify, sample_event(shopify, "off")),
    )
    .await
    .expect_problem(404, "route_not_found");
    for unknown in ["paypal", "Stripe", "stripe%20", "%00", "stripe%2F"] {
        send_request(webhook_request(&harness.url, unknown, &[], b"{}".to_vec()))
            .await
            .expect_problem(404, "route_not_found");
    }
    for (method, body) in [
        (Method::GET, None),
        (Method::PUT, Some("{}".to_owned())),
        (Method::DELETE, None),
    ] {
        let response = harness.send(method, "/webhooks/stripe", &[], body).await;
        assert_eq!(response.header("allow"), "POST");
        response.expect_problem(405, "method_not_allowed");
    }
    deliver_genuine_event(&harness, WebhookProvider::Stripe, "on").await;
}

#[tokio::test]
async fn event_is_accepted_without_worker_but_needs_temporal() {
    let temporal = Temporal::start(TemporalOptions::default()).await.unwrap();
    let database = shared_servers()
        .await
        .create_database(&format!("db_webhooks_{}", std::process::id()))
        .await;
    let settings = super::webhook_settings();
    let settings: Vec<_> = settings
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let harness = Harness::start_on(&database, &temporal.address, &settings).await;
    harness.worker.kill().await;
    for &provider in WebhookProvider::ALL {
        deliver_genuine_event(&harness, provider, &format!("no-worker-{provider}")).await;
    }
    assert_eq!(harness.webhook_outcomes().await, []);
    harness.worker.restart().await.unwrap();
    let row_count = async || harness.webhook_outcomes().await.len();
    harness
        .wait_until("one row of each provider", row_count, |count| {
            *count == WebhookProvider::ALL.len()
        })
        .await;
    temporal.process.kill().await;
    for &provider in WebhookProvider::ALL {
        let id = format!("no-temporal-{provider}");
        let good = sign_now(provider, sample_event(provider, &id));
        let response: ApiResponse = post_webhook(&harness.url, provider, &good).await;
        assert_eq!(response.header("retry-after"), "5");
        response.expect_problem(503, "temporal_unavailable");
        // A forged event is still rejected.
        post_webhook(&harness.url, provider, &tamper(provider, &good))
            .await
            .expect_rejected(provider, "signature");
    }
}

const MARKS: [&str; 6] = [
    "4242424242424242",
    "marked@example.com",
    "Marked Person",
    "7 Marked Street",
    "marked-secret",
    "MARKEDTOKEN",
];

/// Returns the same event with additional personal fields that providers send.
fn event_with_personal_data(provider: WebhookProvider, id: &str) -> Message {
    let mut message = sample_event(provider, id);
    let mut body: Value = serde_json::from_slice(&message.body).unwrap();
    let marks = json!({
        "number": MARKS[0], "receipt_email": MARKS[1], "name": MARKS[2], "address": {"line1": MARKS[3]}, "token": MARKS[5],
    });
    for place in [
        "",
        "/data",
        "/data/object",
        "/data/object/payment",
        "/notificationItems/0/NotificationRequestItem",
        "/events/0",
    ] {
        if let Some(object) = body.pointer_mut(place).and_then(Value::as_object_mut) {
            for name in [
                "billing_details",
                "card",
                "customer",
                "shopperEmail",
                "description",
                "reason",
                "paymentMethod",
            ] {
                object.insert(name.to_owned(), marks.clone());
            }
        }
    }
    message.body = body.to_string().into_bytes();
    message
}

#[tokio::test]
async fn secrets_and_personal_data_are_never_logged() {
    let harness = start_with_webhooks(&[("LOG_LEVEL", "debug")]).await;
    let mut seen = String::new();
    for &provider in WebhookProvider::ALL {
        let id = format!("marked-{provider}");
        let good = sign_now(provider, event_with_personal_data(provider, &id));
        assert!(
            MARKS[..4]
                .iter()
                .all(|mark| String::from_utf8_lossy(&good.body).contains(mark)),
            "{provider}"
        );
        let mut answers = vec![post_webhook(&harness.url, provider, &good).await];
        assert!(answers[0].status.is_success(), "{provider}: {answers:?}");
        answers.push(post_webhook(&harness.url, provider, &tamper(provider, &good)).await);
        answers.push(post_webhook(&harness.url, provider, &Message::new(good.body.clone())).await);
        // The secret itself in place of a signature, and a token in the path.
        let secret = test_secret(provider);
        let headers: Vec<_> = good
            .header_pairs()
            .into_iter()
            .map(|(name, _)| (name, secret.as_str()))
            .collect();
        answers.push(
            send_request(webhook_request(
                &harness.url,
                provider.as_str(),
                &headers,
                good.body.clone(),
            ))
            .await,
        );
        answers.push(
            send_request(webhook_request(
                &harness.url,
                MARKS[5],
                &headers,
                good.body.clone(),
            ))
            .await,
        );
        seen.extend(
            answers
                .iter()
                .map(|response| format!("{:?} {}\n", response.headers, response.body)),
        );
    }
    let read = async || harness.webhook_outcomes().await;
    let decided = |rows: &Vec<(String, String)>| {
        rows.len() == WebhookProvider::ALL.len()
            && rows.iter().all(|(_, outcome)| outcome != "pending")
    };
    harness
        .wait_until("an outcome of each event", read, decided)
        .await;
    for row in store::webhook_events::list(&harness.pool, None, None, 100)
        .await
        .unwrap()
    {
        seen += &format!("{row:?}\n");
    }
    for url in &harness.metrics_urls {
        seen += &harness
            .http
            .get(url)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
    }
    for program in ["api", "worker"] {
        let log = harness.read_log(program);
        assert!(
            log.lines().count() > 10 && log.contains("DEBUG"),
            "{program} logs nothing"
        );
        seen += &log;
    }
    // The searched text contains the expected parts.
    assert!(
        seen.contains("/webhooks/{provider}") && seen.contains("evt_marked-stripe"),
        "{seen}"
    );
    let secrets: Vec<String> = WebhookProvider::ALL
        .iter()
        .map(|provider| test_secret(*provider))
        .collect();
    for mark in MARKS
        .iter()
        .copied()
        .chain(secrets.iter().map(String::as_str))
    {
        let line = seen.lines().find(|line| line.contains(mark));
        // The path of an unknown provider is the client's own input, and only the response repeats
        // it.
        let line = line.filter(|line| !(mark == MARKS[5] && line.contains("\"instance\"")));
        assert_eq!(line, None, "{mark} appears");
    }
}
