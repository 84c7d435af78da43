//! Webhook events that are not ours, unusual events, bursts, batches and large messages.

use std::time::{Duration, Instant};

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    PAYING,
    events::{
        Payer, Raw, TOTAL, adyen, orderflow_json, run_cases, stored_event, stripe, unique,
        wait_for_outcome,
    },
    start_shop, work_list_about,
};
use crate::{
    harness::Harness,
    webhooks::{sign_as, test_secrets},
};
use domain::WebhookProvider::{
    self, Adyen, Checkout, GoCardless, Mollie, Shopify, Square, Standard, Stripe,
};
use payment_webhooks::Message;

type Change = fn(&mut Value);

/// The changes that make an event foreign to the deployment of these tests, with a part of the
/// recorded reason.
const FOREIGN: &[(WebhookProvider, Change, &str)] = &[
    // PAY-34
    (
        Stripe,
        |body| body["livemode"] = json!(true),
        "livemode is true",
    ),
    (Adyen, |body| body["live"] = json!("true"), "live is true"),
    (Adyen, |body| body["live"] = json!(null), "live is neither"),
    // PAY-35
    (
        Stripe,
        |body| body["account"] = json!("acct_other"),
        "acct_other",
    ),
    (
        Stripe,
        |body| body["context"] = json!("org_1/acct_other"),
        "acct_other",
    ),
    (
        Adyen,
        |body| *account_of(body) = json!("OtherShop"),
        "OtherShop",
    ),
];

fn account_of(body: &mut Value) -> &mut Value {
    &mut body["notificationItems"][0]["NotificationRequestItem"]["merchantAccountCode"]
}

/// Returns the outcome of an event and its detail.
async fn send_foreign(payer: &Payer<'_>, mut raw: Raw, change: Change) -> (String, String) {
    change(&mut raw.body);
    let outcome = payer.send(&raw).await;
    let event = stored_event(payer.harness, &raw.event_id).await.unwrap();
    (outcome, event.detail.unwrap_or_default())
}

#[tokio::test]
async fn foreign_events_of_every_type_are_ignored() {
    let settings = [
        ("SHIPPING_DELAY", "10m"),
        ("STRIPE_ACCOUNTS", "acct_ours"),
        ("ADYEN_MERCHANT_ACCOUNTS", "Orderflow"),
    ];
    let harness = start_shop(&settings).await;
    run_cases(FOREIGN.iter(), async |(provider, change, reason)| {
        let payer = Payer::start(&harness, *provider).await;
        let before = payer.audit_kinds().await;
        let foreign = [payer.pays(), payer.ends(), payer.disputes(payer.opened())];
        for raw in foreign {
            let (outcome, detail) = send_foreign(&payer, raw, *change).await;
            assert_eq!(outcome, "ignored", "{reason}");
            assert!(detail.contains(reason), "{detail}");
        }
        assert_eq!(payer.books().await, "");
        let order = payer.order().await;
        assert_eq!(order["waiting_for"]["reason"], "payment", "{order}");
        assert_eq!(payer.audit_kinds().await, before);

        // A payment that is ours keeps its amounts.
        let payer = Payer::preparing(&harness, *provider).await;
        let foreign = [
            payer.refunds("all", TOTAL),
            payer.disputes(payer.lost()),
            payer.ends(),
        ];
        for raw in foreign {
            let (outcome, detail) = send_foreign(&payer, raw, *change).await;
            assert_eq!(outcome, "ignored", "{reason}");
            assert!(detail.contains(reason), "{detail}");
        }
        payer
            .wait_for_books("captured: captured=5000 allocated=5000")
            .await;
        payer.assert_status("preparing", "captured").await;
        payer.wait_for_attention(&[]).await;
    })
    .await;
    let ours: [Change; 2] = [
        |body| body["account"] = json!("acct_ours"),
        |body| body["context"] = json!("org_1/acct_ours"),
    ];
    for change in ours {
        let payer = Payer::start(&harness, Stripe).await;
        let (outcome, _) = send_foreign(&payer, payer.pays(), change).await;
        assert_eq!(outcome, "applied");
    }
    harness.assert_invariants().await;
}

/// PAY-34: a live deployment ignores test events. PAY-35: no setting names an account as ours.
#[tokio::test]
async fn live_shop_ignores_test_events() {
    let harness = start_shop(&[("WEBHOOK_ENVIRONMENT", "live"), ("SHIPPING_DELAY", "10m")]).await;
    let foreign: [(WebhookProvider, Change, &str); 4] = [
        (
            Stripe,
            |body| body["livemode"] = json!(false),
            "livemode is false",
        ),
        (Adyen, |body| body["live"] = json!("false"), "live is false"),
        (
            Stripe,
            |body| {
                body["livemode"] = json!(true);
                body["account"] = json!("acct_ours");
            },
            "acct_ours",
        ),
        (
            Stripe,
            |body| {
                body["livemode"] = json!(true);
                body["context"] = json!("acct_ours");
            },
            "acct_ours",
        ),
    ];
    for (provider, change, reason) in foreign {
        let payer = Payer::start(&harness, provider).await;
        let (outcome, detail) = send_foreign(&payer, payer.pays(), change).await;
        assert_eq!(outcome, "ignored", "{reason}");
        assert!(detail.contains(reason), "{detail}");
        assert_eq!(payer.books().await, "");
    }
    let ours: [(WebhookProvider, Change); 2] = [
        (Stripe, |body| body["livemode"] = json!(true)),
        (Adyen, |body| body["live"] = json!("true")),
    ];
    for (provider, change) in ours {
        let payer = Payer::start(&harness, provider).await;
        let (outcome, _) = send_foreign(&payer, payer.pays(), change).await;
        assert_eq!(outcome, "applied", "{provider}");
        payer.wait_for_status("preparing").await;
    }
    harness.assert_invariants().await;
}

/// PAY-40: a refund and a dispute that name only the transaction.
#[tokio::test]
async fn events_of_a_closed_order_are_listed_for_it() {
    let harness = start_shop(&[("DELIVERY", "auto:50ms")]).await;
    run_cases(PAYING, async |provider| {
        let payer = Payer::paid(&harness, provider).await;
        payer.wait_for_end("delivered").await;
        let mut about = [
            payer.refunds("part", 2_000),
            payer.disputes(payer.opened()),
            payer.disputes(payer.won()),
        ];
        // No event names the order.
        match provider {
            Adyen => {
                for raw in &mut about {
                    raw.body["notificationItems"][0]["NotificationRequestItem"]
                        ["merchantReference"] = json!("");
                }
            }
            Standard | Checkout => {
                for raw in &mut about {
                    let data = raw.body["data"].as_object_mut().unwrap();
                    data.remove("order_id");
                    data.remove("reference");
                }
            }
            Stripe | Square | Mollie | GoCardless | Shopify => {}
        }
        for raw in &about {
            assert_eq!(payer.send(raw).await, "recorded", "{}", raw.body);
        }
        let listed = orderflow_json(&harness, &["webhooks", "list", "--order", &payer.order]).await;
        let listed = listed.as_array().unwrap();
        for raw in &about {
            let found = listed.iter().find(|event| event["event_id"] == raw.event_id);
            let found = found.unwrap_or_else(|| panic!("{} is not in {listed:?}", raw.event_id));
            assert_eq!(found["order_id"], payer.order, "{found}");
        }
    })
    .await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn unusual_events_have_an_outcome_without_an_effect() {
    let harness = start_shop(&[("SETTLEMENT_GRACE", "0s"), ("SHIPPING_DELAY", "10m")]).await;
    let payer = Payer::start(&harness, Adyen).await;
    // PAY-42
    for date in ["2026-11-29T10:00:00+01:00", "2026-11-29T10:05:00+01:00"] {
        let item = json!({
            "pspReference": "test_AUTHORISATION_1", "merchantReference": "testMerchantRef1",
            "merchantAccountCode": "Orderflow", "amount": {"currency": "EUR", "value": 1_000},
            "eventCode": "AUTHORISATION", "success": "true", "eventDate": date,
        });
        let raw = Raw {
            event_id: format!("AUTHORISATION:test_AUTHORISATION_1:true:{date}"),
            ..adyen(item)
        };
        assert_eq!(payer.send(&raw).await, "ignored");
        let event = stored_event(&harness, &raw.event_id).await.unwrap();
        let detail = event.detail.unwrap();
        assert!(
            detail.contains("a test of Adyen's Customer Area"),
            "{detail}"
        );
    }
    assert!(
        work_list_about(&harness, "test_AUTHORISATION_1")
            .await
            .is_empty()
    );
    // PAY-43, PAY-44
    let others = [
        (
            "REPORT_AVAILABLE",
            "report_2026-11-29T10:00:00.csv",
            "true",
            "ignored",
        ),
        (
            "REPORT_AVAILABLE",
            "report_2026-11-30T10:00:00.csv",
            "",
            "ignored",
        ),
        ("A_CODE_OF_NEXT_YEAR", "PSP-NEXT", "", "ignored"),
        ("AUTHORISATION", "PSP-UNCLEAR", "", "unreadable"),
    ];
    for (code, psp, success, outcome) in others {
        let mut item = payer.adyen_item(code, success, 0);
        item["pspReference"] = json!(psp);
        item["originalReference"] = json!("");
        let raw = adyen(item);
        assert_eq!(payer.send(&raw).await, outcome, "{}", raw.event_id);
    }
    assert_eq!(payer.books().await, "");
    // PAY-46
    let payer = Payer::start(&harness, Stripe).await;
    for event_type in [
        "v1.payment_intent.succeeded",
        "v1.charge.refunded",
        "v1.checkout.session.completed",
    ] {
        let event_id = unique("evt");
        let body = json!({
            "id": event_id, "object": "v2.core.event", "livemode": false, "type": event_type,
            "related_object": {"id": payer.transaction, "type": "payment_intent", "url": "/v1/x"},
        });
        let raw = Raw { event_id, body };
        assert_eq!(payer.send(&raw).await, "unconfirmed", "{event_type}");
        let row = stored_event(&harness, &raw.event_id).await.unwrap();
        assert_eq!(
            row.transaction_id.as_deref(),
            Some(payer.transaction.as_str())
        );
        assert_eq!(row.detail.as_deref(), Some(event_type));
    }
    assert_eq!(payer.books().await, "");
    harness.assert_invariants().await;
}

/// PAY-45
#[tokio::test]
async fn charge_without_intent_pays_once() {
    let harness = start_shop(&[("DELIVERY", "auto:50ms")]).await;
    let charge = |payer: &Payer<'_>, captured: bool| {
        json!({
            "id": payer.transaction.replace("pi_", "ch_"), "object": "charge", "amount": TOTAL,
            "amount_captured": if captured { TOTAL } else { 0 }, "captured": captured,
            "currency": "usd", "payment_intent": null, "metadata": {"order_id": payer.order},
        })
    };
    for is_captured_later in [false, true] {
        let mut payer = Payer::start(&harness, Stripe).await;
        payer.transaction = payer.transaction.replace("pi_", "ch_");
        let succeeded = charge(&payer, !is_captured_later);
        payer.send(&stripe("charge.succeeded", succeeded)).await;
        payer
            .send(&stripe("charge.captured", charge(&payer, true)))
            .await;
        payer.wait_for_end("delivered").await;
        payer
            .wait_for_books("captured: captured=5000 allocated=5000")
            .await;
        payer.wait_for_attention(&[]).await;
    }
    harness.assert_invariants().await;
}

/// Sends a message once, and returns the status of the response, which can be 503.
async fn post_once(harness: &Harness, provider: WebhookProvider, message: &Message) -> u16 {
    let body = String::from_utf8(message.body.clone()).unwrap();
    let path = format!("/webhooks/{provider}");
    let headers = message.header_pairs();
    let response = harness
        .send(Method::POST, &path, &headers, Some(body))
        .await;
    response.status.as_u16()
}

fn signed(provider: WebhookProvider, raw: &Raw) -> Message {
    let now = chrono::Utc::now().timestamp();
    let message = Message::new(raw.body.to_string());
    sign_as(&test_secrets(provider), message, &raw.event_id, now)
}

/// PAY-47
#[tokio::test]
async fn burst_of_events_of_one_transaction_is_accepted() {
    const EVENTS: usize = 20;
    let harness = start_shop(&[
        ("DELIVERY", "auto:50ms"),
        ("RATE_LIMIT", "off"),
        ("SETTLEMENT_GRACE", "0s"),
    ])
    .await;
    let reports = |payer: &Payer<'_>| -> Vec<_> {
        let report = |number| match payer.provider {
            // Parts of the total, each with its own reference.
            Adyen => payer.adyen("CAPTURE", "true", TOTAL / 20),
            _ if number == 0 => payer.pays(),
            _ => payer.again(&payer.pays()),
        };
        (0..EVENTS).map(report).collect()
    };
    let burst = async |payer: &Payer<'_>, raws: Vec<Raw>| {
        let messages: Vec<_> = raws.iter().map(|raw| signed(payer.provider, raw)).collect();
        let sent = messages
            .iter()
            .map(|message| post_once(&harness, payer.provider, message));
        let statuses = join_all(sent).await;
        assert_eq!(statuses, [200; EVENTS], "{}", payer.provider);
        for raw in &raws {
            wait_for_outcome(&harness, &raw.event_id).await;
        }
    };
    for provider in PAYING {
        // The order waits for the payment.
        let payer = Payer::start(&harness, provider).await;
        burst(&payer, reports(&payer)).await;
        payer.wait_for_end("delivered").await;
        payer
            .wait_for_books("captured: captured=5000 allocated=5000")
            .await;
        // The order has ended, so settlements receive the events.
        let refunds = (0..EVENTS).map(|_| payer.refunds(&unique("part"), TOTAL / 20));
        burst(&payer, refunds.collect()).await;
        payer
            .wait_for_books("refunded: captured=5000 refunded=5000")
            .await;
        payer
            .wait_for_audit_count("payment_refund_reported", EVENTS)
            .await;
        payer.assert_status("delivered", "refunded").await;
        // The order does not exist.
        let payer = Payer::of_order(&harness, provider, "of-another-shop");
        burst(&payer, reports(&payer)).await;
        payer
            .wait_for_books("refund_due: captured=5000 due=5000")
            .await;
    }
    harness.assert_invariants().await;
}

/// PAY-48: a message with as many events as its provider sends.
#[tokio::test]
async fn batch_of_250_events_is_answered() {
    const EVENTS: usize = 250;
    let harness = start_shop(&[("RATE_LIMIT", "off"), ("SETTLEMENT_GRACE", "0s")]).await;
    let payer = Payer::start(&harness, GoCardless).await;
    let ids: Vec<_> = (0..EVENTS).map(|_| unique("EV")).collect();
    let events: Vec<_> = ids
        .iter()
        .map(|id| {
            json!({
                "id": id, "resource_type": "payments", "action": "confirmed",
                "links": {"payment": format!("PM-{id}")}, "details": {"origin": "gocardless"},
                "resource_metadata": {"order_id": payer.order},
            })
        })
        .collect();
    let raw = Raw {
        event_id: unique("batch"),
        body: json!({"events": events}),
    };
    let started = Instant::now();
    let status = post_once(&harness, GoCardless, &signed(GoCardless, &raw)).await;
    let elapsed = started.elapsed();
    assert_eq!(status, 204);
    println!("{EVENTS} events answered after {elapsed:?}");
    // GoCardless waits 10 s. This is a debug build on a busy machine.
    assert!(elapsed < Duration::from_secs(30), "{elapsed:?}");
    let read = async || {
        let rows = store::webhook_events::list(&harness.pool, None, Some(&payer.order), 1_000);
        let rows = rows.await.unwrap_or_default();
        rows.iter()
            .filter(|row| row.outcome == "unconfirmed")
            .count()
    };
    harness
        .wait_until("all events", read, |count| *count == EVENTS)
        .await;

    // Adyen sends batches, too.
    let payers = join_all((0..20).map(|_| Payer::start(&harness, Adyen))).await;
    let items: Vec<_> = payers
        .iter()
        .map(|payer| json!({"NotificationRequestItem": payer.adyen_item("AUTHORISATION", "true", TOTAL)}))
        .collect();
    let raw = Raw {
        event_id: unique("batch"),
        body: json!({"live": "false", "notificationItems": items}),
    };
    assert_eq!(post_once(&harness, Adyen, &signed(Adyen, &raw)).await, 200);
    run_cases(payers.iter(), async |payer| {
        payer.wait_for_end("delivered").await;
    })
    .await;
    harness.assert_invariants().await;
}

/// PAY-49
#[tokio::test]
async fn each_joined_signature_is_tried() {
    let harness = start_shop(&[("SHIPPING_DELAY", "10m")]).await;
    let bad = "v1,bm90IGEgc2lnbmF0dXJlIG9mIHRoaXMgbWVzc2FnZSE=";
    let joins: [fn(&str, &str) -> String; 5] = [
        |good, bad| format!("{good}, {bad}"),
        |good, bad| format!("{bad}, {good}"),
        |good, bad| format!("{good},{bad}"),
        |good, bad| format!("{good} {bad}"),
        |good, bad| format!("{bad} {good}"),
    ];
    for join in joins {
        let payer = Payer::start(&harness, Standard).await;
        let raw = payer.pays();
        let mut message = signed(Standard, &raw);
        let header = message
            .headers
            .iter_mut()
            .find(|(name, _)| *name == "webhook-signature");
        let (_, signature) = header.unwrap();
        *signature = join(signature, bad);
        let joined = signature.clone();
        assert_eq!(
            post_once(&harness, Standard, &message).await,
            200,
            "{joined}"
        );
        assert_eq!(wait_for_outcome(&harness, &raw.event_id).await, "applied");
    }
    let payer = Payer::start(&harness, Standard).await;
    let mut message = signed(Standard, &payer.pays());
    for (name, value) in &mut message.headers {
        if *name == "webhook-signature" {
            *value = format!("{bad}, {bad}");
        }
    }
    assert_eq!(post_once(&harness, Standard, &message).await, 400);
    harness.assert_invariants().await;
}

/// PAY-50
#[tokio::test]
async fn large_messages_are_accepted() {
    let harness = start_shop(&[("SHIPPING_DELAY", "10m")]).await;
    let order = super::create_order(&harness).await;
    for size in [300_000, 1_000_000] {
        let event_id = unique("shopify");
        let raw = Raw {
            event_id: event_id.clone(),
            body: json!({
                "id": size, "name": order, "total_price": "50.00", "currency": "USD",
                "note": "n".repeat(size),
            }),
        };
        let mut message = signed(Shopify, &raw);
        message
            .headers
            .push(("x-shopify-topic", "orders/paid".to_owned()));
        message
            .headers
            .push(("x-shopify-webhook-id", event_id.clone()));
        assert_eq!(post_once(&harness, Shopify, &message).await, 200, "{size}");
        assert_eq!(wait_for_outcome(&harness, &event_id).await, "unconfirmed");
    }
    for provider in [Stripe, Standard, Square, Checkout] {
        let payer = Payer::start(&harness, provider).await;
        let mut raw = payer.pays();
        raw.body["note"] = json!("n".repeat(300_000));
        assert_eq!(payer.send(&raw).await, "applied", "{provider}");
    }
    harness.assert_invariants().await;
}
