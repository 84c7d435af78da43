//! What is tried at the one open door, through the very program that serves it.

use std::fs;

use chrono::Utc;
use reqwest::Method;
use serde_json::{Value, json};

use super::{deliver, post, reply, request, secret, secrets, signed, signed_at, told, with, world};
use crate::{
    api::{Reply, paid_order},
    shared::shared,
    world::World,
};
use devstack::{Temporal, TemporalOptions};
use domain::WebhookProvider;
use payment_webhooks::{LARGEST_BATCH, Message, Secrets, made_up};

/// Which providers sign a time.
const TIMED: [WebhookProvider; 2] = [WebhookProvider::Stripe, WebhookProvider::Standard];

/// Starts an order of 99.99 USD that waits for somebody's word that it is paid.
async fn waiting(world: &World, id: &str) {
    let mut order = paid_order();
    order["profile"] = json!("checkout");
    world
        .post(&format!("/orders/{id}/start"), order)
        .await
        .started();
    let look = async || world.trail(id).await;
    let asked = |trail: &Vec<String>| trail.iter().any(|kind| kind == "payment_requested");
    world
        .eventually("the wait for the payment", look, asked)
        .await;
}

/// Changes what is signed, and nothing else.
fn tampered(provider: WebhookProvider, message: &Message) -> Message {
    let mut message = message.clone();
    match provider {
        // Its amount.
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
async fn what_is_forged_is_refused_for_its_reason_and_leaves_nothing() {
    let world = world().await;
    let now = Utc::now().timestamp();
    for &provider in WebhookProvider::ALL {
        let id = format!("fraud-{provider}");
        let good = signed(provider, told(provider, &id));
        post(&world.url, provider, &tampered(provider, &good))
            .await
            .refused(provider, "signature");

        let other = Secrets::parse(provider, &made_up(provider, &[9; 32])).unwrap();
        let forged = signed_at(&other, told(provider, &id), now);
        post(&world.url, provider, &forged)
            .await
            .refused(provider, "signature");

        post(&world.url, provider, &told(provider, &id))
            .await
            .refused(provider, "header");
        post(&world.url, provider, &Message::new(""))
            .await
            .refused(provider, "header");
        post(
            &world.url,
            provider,
            &Message::new(b"\xff\xfe\x00{".to_vec()),
        )
        .await
        .refused(provider, "header");

        // Whoever has another provider's secret has not this one's.
        for &foreign in WebhookProvider::ALL
            .iter()
            .filter(|foreign| **foreign != provider)
        {
            let message = signed(foreign, told(foreign, &id));
            let answer = post(&world.url, provider, &message).await;
            let reason = answer.body["reason"].clone();
            assert!(
                reason == "header" || reason == "signature",
                "{foreign} at {provider}: {answer:?}"
            );
            answer.refused(provider, reason.as_str().unwrap());
        }
    }
    for provider in TIMED {
        for away in [-100_000, -310, 310, 100_000] {
            let message = signed_at(&secrets(provider), told(provider, "fraud-late"), now + away);
            let problem = post(&world.url, provider, &message)
                .await
                .refused(provider, "timestamp");
            assert_eq!(
                problem["detail"], "The signature is too old, or from the future.",
                "{away}"
            );
        }
    }
    assert_eq!(world.deliveries().await, []);
    // The same door takes what is genuine.
    for &provider in WebhookProvider::ALL {
        deliver(&world, provider, &format!("fraud-{provider}")).await;
    }
    let taken = async || world.deliveries().await.len();
    world
        .eventually("one row of each", taken, |count| {
            *count == WebhookProvider::ALL.len()
        })
        .await;
    world.verify().await;
}

#[tokio::test]
async fn the_same_notification_many_times_pays_its_order_once() {
    let world = world().await;
    for (provider, id) in [
        (WebhookProvider::Stripe, "replay-stripe"),
        (WebhookProvider::Standard, "replay-standard"),
        (WebhookProvider::Adyen, "replay-adyen"),
        (WebhookProvider::Square, "replay-square"),
        (WebhookProvider::Checkout, "replay-checkout"),
    ] {
        waiting(&world, id).await;
        let first = signed(provider, told(provider, id));
        post(&world.url, provider, &first).await.taken(provider);
        post(&world.url, provider, &first).await.taken(provider);
        assert_eq!(
            world.ended(id).await.status.as_str(),
            "delivered",
            "{provider}"
        );
        // Long after, and signed afresh.
        let again = signed_at(
            &secrets(provider),
            told(provider, id),
            Utc::now().timestamp() - 5,
        );
        for message in [&first, &again] {
            post(&world.url, provider, message).await.taken(provider);
        }
        let trail = world.trail(id).await;
        assert_eq!(
            trail
                .iter()
                .filter(|kind| *kind == "payment_confirmed")
                .count(),
            1,
            "{trail:?}"
        );
    }
    // The last repeat has been looked at, too.
    let settled = async || world.deliveries().await;
    let rows = world
        .eventually("five rows", settled, |rows| rows.len() == 5)
        .await;
    assert!(
        rows.iter().all(|(_, outcome)| outcome == "applied"),
        "{rows:?}"
    );
    world.verify().await;
}

/// A batch of what each of these orders' payment says.
fn batch(ids: &[String]) -> Message {
    let item = |id: &String| {
        let body: Value = serde_json::from_slice(&told(WebhookProvider::Adyen, id).body).unwrap();
        body["notificationItems"][0].clone()
    };
    let items: Vec<_> = ids.iter().map(item).collect();
    Message::new(json!({"live": "false", "notificationItems": items}).to_string())
}

fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("{prefix}-{number}"))
        .collect()
}

#[tokio::test]
async fn a_batch_is_taken_whole_or_not_at_all() {
    const ADYEN: WebhookProvider = WebhookProvider::Adyen;
    let world = world().await;
    let ids = names("batch", 2);
    for id in &ids {
        waiting(&world, id).await;
    }
    let good = signed(ADYEN, batch(&ids));
    // One item is another's, or says something else, or is not signed.
    let mut body: Value = serde_json::from_slice(&good.body).unwrap();
    let last = "/notificationItems/1/NotificationRequestItem";
    let mut forged = body.clone();
    forged.pointer_mut(last).unwrap()["merchantReference"] = json!("batch-elsewhere");
    post(&world.url, ADYEN, &Message::new(forged.to_string()))
        .await
        .refused(ADYEN, "signature");
    let mut unsigned = body.clone();
    unsigned.pointer_mut(last).unwrap()["additionalData"] = json!({});
    post(&world.url, ADYEN, &Message::new(unsigned.to_string()))
        .await
        .refused(ADYEN, "header");
    let empty = json!({"live": "false", "notificationItems": []});
    post(&world.url, ADYEN, &Message::new(empty.to_string()))
        .await
        .refused(ADYEN, "header");
    for id in &ids {
        assert_eq!(
            world.get(&format!("/orders/{id}")).await.is(200)["status"],
            "pending",
            "{id}"
        );
    }
    assert_eq!(world.deliveries().await, []);
    // An item that is doubled is one event.
    let doubled = body["notificationItems"][0].clone();
    body["notificationItems"]
        .as_array_mut()
        .unwrap()
        .push(doubled);
    post(&world.url, ADYEN, &Message::new(body.to_string()))
        .await
        .taken(ADYEN);
    for id in &ids {
        assert_eq!(world.ended(id).await.status.as_str(), "delivered");
    }
    let rows = world.deliveries().await;
    assert!(
        rows.len() == 2 && rows.iter().all(|(_, outcome)| outcome == "applied"),
        "{rows:?}"
    );
    world.verify().await;
}

#[tokio::test]
async fn a_huge_batch_is_taken_whole_or_refused() {
    const ADYEN: WebhookProvider = WebhookProvider::Adyen;
    let world = world().await;
    let too_many = signed(ADYEN, batch(&names("huge", LARGEST_BATCH + 1)));
    post(&world.url, ADYEN, &too_many)
        .await
        .refused(ADYEN, "signature");
    let items = vec![json!({"NotificationRequestItem": {}}); 7_000];
    let nothing = Message::new(json!({"notificationItems": items}).to_string());
    post(&world.url, ADYEN, &nothing)
        .await
        .refused(ADYEN, "header");
    assert_eq!(world.deliveries().await, []);
    post(
        &world.url,
        ADYEN,
        &signed(ADYEN, batch(&names("huge", LARGEST_BATCH))),
    )
    .await
    .taken(ADYEN);
    let recorded = async || world.deliveries().await.len();
    world
        .eventually("a row of each", recorded, |count| *count == LARGEST_BATCH)
        .await;
}

/// The most memory that the API's process has had, in KiB.
async fn peak(world: &World) -> u64 {
    let status =
        fs::read_to_string(format!("/proc/{}/status", world.api.pid().await.unwrap())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim_end_matches("kB").trim().parse().unwrap()
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_and_not_kept() {
    const STRIPE: WebhookProvider = WebhookProvider::Stripe;
    let world = world().await;
    deliver(&world, STRIPE, "large").await;
    let before = peak(&world).await;
    for size in [(256 << 10) + 1, 10 << 20, (10 << 20) + 1, 12 << 20] {
        for _ in 0..4 {
            let message = signed(STRIPE, Message::new(vec![b'['; size]));
            post(&world.url, STRIPE, &message)
                .await
                .problem(413, "body_too_large");
        }
    }
    // One after the other: a few copies of one body at most, not of sixteen.
    let grown = peak(&world).await - before;
    assert!(grown < 120 << 10, "{grown} KiB more");
    // As deep as it gets within the limit: signed, so it must be out of the way.
    let deep = signed(STRIPE, Message::new(vec![b'['; 256 << 10]));
    post(&world.url, STRIPE, &deep).await.taken(STRIPE);
    let look = async || world.deliveries().await;
    let both = |rows: &Vec<(String, String)>| {
        rows.len() == 2 && rows.iter().any(|(_, outcome)| outcome == "unreadable")
    };
    world.eventually("the unreadable one", look, both).await;
}

#[tokio::test]
async fn what_is_signed_and_is_no_text_is_recorded_and_out_of_the_way() {
    let world = world().await;
    for &provider in WebhookProvider::ALL {
        // Another body for each: an event without an id goes by its bytes.
        let body = [b"\xff\xfe\x00".as_slice(), provider.as_str().as_bytes()].concat();
        post(&world.url, provider, &signed(provider, Message::new(body)))
            .await
            .taken(provider);
    }
    let look = async || world.deliveries().await;
    let all = |rows: &Vec<(String, String)>| {
        rows.len() == WebhookProvider::ALL.len()
            && rows.iter().all(|(_, outcome)| outcome == "unreadable")
    };
    world.eventually("a row of each", look, all).await;
}

#[tokio::test]
async fn a_provider_without_a_secret_is_not_there() {
    let world = with(&[("WEBHOOK_SECRETS_SHOPIFY", "")]).await;
    let shopify = WebhookProvider::Shopify;
    post(&world.url, shopify, &signed(shopify, told(shopify, "off")))
        .await
        .problem(404, "route_not_found");
    for unknown in ["paypal", "Stripe", "stripe%20", "%00", "stripe%2F"] {
        reply(request(&world.url, unknown, &[], b"{}".to_vec()))
            .await
            .problem(404, "route_not_found");
    }
    for (method, body) in [
        (Method::GET, None),
        (Method::PUT, Some("{}".to_owned())),
        (Method::DELETE, None),
    ] {
        let answer = world.send(method, "/webhooks/stripe", &[], body).await;
        assert_eq!(answer.header("allow"), "POST");
        answer.problem(405, "method_not_allowed");
    }
    deliver(&world, WebhookProvider::Stripe, "on").await;
}

#[tokio::test]
async fn without_a_worker_it_is_taken_and_without_temporal_it_must_come_again() {
    let temporal = Temporal::start(TemporalOptions::default()).await.unwrap();
    let database = shared()
        .await
        .database(&format!("db_webhooks_{}", std::process::id()))
        .await;
    let settings = super::environment();
    let settings: Vec<_> = settings
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let world = World::on(&database, &temporal.address, &settings).await;
    world.worker.kill().await;
    for &provider in WebhookProvider::ALL {
        deliver(&world, provider, &format!("no-worker-{provider}")).await;
    }
    assert_eq!(world.deliveries().await, []);
    world.worker.restart().await.unwrap();
    let taken = async || world.deliveries().await.len();
    world
        .eventually("one row of each", taken, |count| {
            *count == WebhookProvider::ALL.len()
        })
        .await;
    temporal.process.kill().await;
    for &provider in WebhookProvider::ALL {
        let id = format!("no-temporal-{provider}");
        let good = signed(provider, told(provider, &id));
        let answer: Reply = post(&world.url, provider, &good).await;
        assert_eq!(answer.header("retry-after"), "5");
        answer.problem(503, "temporal_unavailable");
        // Who is refused is refused all the same.
        post(&world.url, provider, &tampered(provider, &good))
            .await
            .refused(provider, "signature");
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

/// The same, with what providers put beside what we read.
fn talkative(provider: WebhookProvider, id: &str) -> Message {
    let mut message = told(provider, id);
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
async fn nothing_of_a_secret_a_card_or_an_address_is_seen_anywhere() {
    let world = with(&[("LOG_LEVEL", "debug")]).await;
    let mut seen = String::new();
    for &provider in WebhookProvider::ALL {
        let id = format!("marked-{provider}");
        let good = signed(provider, talkative(provider, &id));
        assert!(
            MARKS[..4]
                .iter()
                .all(|mark| String::from_utf8_lossy(&good.body).contains(mark)),
            "{provider}"
        );
        let mut answers = vec![post(&world.url, provider, &good).await];
        assert!(answers[0].status.is_success(), "{provider}: {answers:?}");
        answers.push(post(&world.url, provider, &tampered(provider, &good)).await);
        answers.push(post(&world.url, provider, &Message::new(good.body.clone())).await);
        // The secret itself where a signature belongs, and in the path.
        let secret = secret(provider);
        let headers: Vec<_> = good
            .header_pairs()
            .into_iter()
            .map(|(name, _)| (name, secret.as_str()))
            .collect();
        answers.push(
            reply(request(
                &world.url,
                provider.as_str(),
                &headers,
                good.body.clone(),
            ))
            .await,
        );
        answers.push(reply(request(&world.url, MARKS[5], &headers, good.body.clone())).await);
        seen.extend(
            answers
                .iter()
                .map(|answer| format!("{:?} {}\n", answer.headers, answer.body)),
        );
    }
    let look = async || world.deliveries().await;
    let decided = |rows: &Vec<(String, String)>| {
        rows.len() == WebhookProvider::ALL.len()
            && rows.iter().all(|(_, outcome)| outcome != "pending")
    };
    world.eventually("an outcome of each", look, decided).await;
    for row in store::deliveries::list(&world.pool, None, None, 100)
        .await
        .unwrap()
    {
        seen += &format!("{row:?}\n");
    }
    for url in &world.metrics_urls {
        seen += &world
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
        let log = world.log(program);
        assert!(
            log.lines().count() > 10 && log.contains("DEBUG"),
            "{program} logs nothing"
        );
        seen += &log;
    }
    // What was looked at is what it must be.
    assert!(
        seen.contains("/webhooks/{provider}") && seen.contains("evt_marked-stripe"),
        "{seen}"
    );
    let secrets: Vec<String> = WebhookProvider::ALL
        .iter()
        .map(|provider| secret(*provider))
        .collect();
    for mark in MARKS
        .iter()
        .copied()
        .chain(secrets.iter().map(String::as_str))
    {
        let line = seen.lines().find(|line| line.contains(mark));
        // The path of an unknown provider is the caller's own word, and told to nobody else.
        let line = line.filter(|line| !(mark == MARKS[5] && line.contains("\"instance\"")));
        assert_eq!(line, None, "{mark} is seen");
    }
}
