//! Payment attempts: attempts end, are slow or are not reported, and the order still takes its
//! money.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{
    Adyen, Checkout, Entry, NOTHING, PAYING, Square, Standard, Stripe, TOTAL, audit_payloads,
    cancel, count_audit_events, create_order,
    events::{orderflow, orderflow_json},
    expect_end, intent_of, ledger_of, order_of, post_event, post_stripe, report, run_cases,
    start_order, start_shop, wait_for_audit_event, work_list_of,
};
use crate::{
    harness::Harness,
    stripe::localstripe::{API_KEY, Localstripe},
};
use domain::{HoldLimits, Profile, Span, WebhookProvider};
use payment_webhooks::SampleKind::{Authorised, Paid};

/// Returns an event of the provider about one attempt to pay the order, and its id.
fn attempt_event(
    provider: WebhookProvider,
    event_type: &str,
    id: &str,
    attempt: &str,
) -> (String, Value) {
    let event_id = format!("evt-{attempt}");
    let body = match provider {
        Stripe => {
            let mut object = json!({
                "id": attempt, "amount": 5_000, "amount_received": 0, "currency": "usd",
                "cancellation_reason": "abandoned", "metadata": {"order_id": id},
                "payment_method_types": ["sepa_debit"],
            });
            if event_type.starts_with("checkout.session.") {
                object = json!({
                    "id": attempt, "client_reference_id": id, "payment_status": "unpaid",
                    "amount_total": 5_000, "currency": "usd",
                });
            }
            json!({"id": event_id, "type": event_type, "data": {"object": object}})
        }
        Adyen => {
            // The code and the success.
            let (code, success) = event_type.split_once(' ').unwrap();
            let mut item = json!({
                "eventCode": code, "success": success, "pspReference": attempt,
                "merchantReference": id, "merchantAccountCode": "Orderflow",
                "amount": {"currency": "USD", "value": 5_000}, "additionalData": {},
            });
            let own = match code {
                "AUTHORISATION" | "PENDING" => attempt.to_owned(),
                _ => {
                    item["originalReference"] = json!(attempt);
                    item["pspReference"] = json!(format!("{attempt}-end"));
                    format!("{attempt}-end")
                }
            };
            let body = json!({
                "live": "false", "notificationItems": [{"NotificationRequestItem": item}],
            });
            return (format!("{code}:{own}:{success}"), body);
        }
        Checkout => json!({"id": event_id, "type": event_type, "data": {
            "id": attempt, "action_id": format!("act_{attempt}"), "amount": 5_000,
            "currency": "USD", "reference": id,
        }}),
        Square => {
            json!({"event_id": event_id, "type": "payment.updated", "data": {"object": {"payment": {
                "id": attempt, "status": event_type, "reference_id": id,
                "amount_money": {"amount": 5_000, "currency": "USD"},
            }}}})
        }
        _ => json!({"id": event_id, "type": event_type, "data": {
            "transaction_id": attempt, "order_id": id, "amount": "50.00", "currency": "USD",
        }}),
    };
    (event_id, body)
}

async fn read_order(harness: &Harness, id: &str) -> Value {
    harness
        .get(&format!("/orders/{id}"))
        .await
        .expect_status(200)
}

// PAY-19, PAY-20, PAY-21
#[tokio::test]
async fn end_of_one_attempt_keeps_order_waiting() {
    let harness = start_shop(&[]).await;
    let table = [
        (Stripe, "checkout.session.expired"),
        (Stripe, "checkout.session.async_payment_failed"),
        (Stripe, "payment_intent.canceled"),
        (Stripe, "payment_intent.payment_failed"),
        (Adyen, "AUTHORISATION false"),
        (Adyen, "CANCELLATION true"),
        (Adyen, "TECHNICAL_CANCEL true"),
        (Adyen, "EXPIRE true"),
        (Adyen, "OFFER_CLOSED true"),
        (Checkout, "payment_expired"),
        (Checkout, "payment_canceled"),
        (Checkout, "payment_voided"),
        (Checkout, "payment_declined"),
        (Checkout, "payment_authentication_failed"),
        (Square, "CANCELED"),
        (Square, "FAILED"),
        (Standard, "payment.expired"),
        (Standard, "payment.canceled"),
        (Standard, "payment.voided"),
        (Standard, "payment.failed"),
    ];
    let attempt = async |(number, (provider, event_type)): (usize, (WebhookProvider, &str))| {
        let id = create_order(&harness).await;
        let first = format!("first-{number}-{provider}");
        let (event_id, body) = attempt_event(provider, event_type, &id, &first);
        assert_eq!(
            post_event(&harness, provider, &event_id, &body).await,
            "recorded",
            "{provider} {event_type}"
        );
        let order = read_order(&harness, &id).await;
        assert_eq!(order["status"], "pending", "{provider} {event_type}");
        assert_eq!(order["waiting_for"]["reason"], "payment", "{order}");
        let failures = audit_payloads(&harness, &id, "payment_attempt_failed").await;
        assert_eq!(failures.len(), 1, "{provider} {event_type}: {failures:?}");
        assert_eq!(failures[0]["transaction_id"], first);
        let second = format!("second-{number}-{provider}");
        assert_eq!(
            report(&harness, (provider, Paid), &id, &second, TOTAL).await,
            "applied",
            "{provider} {event_type}"
        );
        expect_end(&harness, &id, "delivered").await;
        assert_eq!(
            ledger_of(&harness, &second).await,
            [Entry::paid(provider, &id, 5_000)]
        );
        assert_eq!(ledger_of(&harness, &first).await, []);
        assert_eq!(work_list_of(&harness, &id).await, NOTHING);
    };
    run_cases(table.into_iter().enumerate().map(attempt)).await;
    // The end of an authorisation that the order has accepted is the end of this attempt only.
    let authorised = async |(provider, event_type): (WebhookProvider, &str)| {
        let id = create_order(&harness).await;
        let first = format!("authorised-{provider}");
        report(&harness, (provider, Authorised), &id, &first, TOTAL).await;
        let (event_id, body) = attempt_event(provider, event_type, &id, &first);
        post_event(&harness, provider, &event_id, &body).await;
        assert_eq!(read_order(&harness, &id).await["status"], "pending");
        let second = format!("after-{provider}");
        report(&harness, (provider, Paid), &id, &second, TOTAL).await;
        expect_end(&harness, &id, "delivered").await;
        assert_eq!(
            ledger_of(&harness, &second).await,
            [Entry::paid(provider, &id, 5_000)]
        );
        assert_eq!(work_list_of(&harness, &id).await, NOTHING, "{provider}");
    };
    let table = [
        (Stripe, "payment_intent.canceled"),
        (Checkout, "payment_expired"),
        (Square, "CANCELED"),
        (Standard, "payment.voided"),
    ];
    run_cases(table.map(authorised)).await;
    harness.assert_invariants().await;
}

// PAY-22
#[tokio::test]
async fn slow_payment_extends_the_timeout() {
    let settings = [
        ("PAYMENT_TIMEOUT", "20s"),
        ("PAYMENT_PROCESSING_TIMEOUT", "14d"),
    ];
    let harness = start_shop(&settings).await;
    let table = [
        (Stripe, "payment_intent.processing"),
        (Stripe, "checkout.session.completed"),
        (Adyen, "PENDING true"),
        (Checkout, "payment_pending"),
        (Square, "PENDING"),
        (Standard, "payment.processing"),
    ];
    let mut waiting = Vec::new();
    for (number, (provider, event_type)) in table.into_iter().enumerate() {
        let id = create_order(&harness).await;
        let slow = format!("slow-{number}-{provider}");
        let (event_id, body) = attempt_event(provider, event_type, &id, &slow);
        assert_eq!(
            post_event(&harness, provider, &event_id, &body).await,
            "recorded",
            "{provider} {event_type}"
        );
        let order = read_order(&harness, &id).await;
        assert_eq!(
            order["waiting_for"]["reason"], "payment_processing",
            "{provider} {event_type}: {order}"
        );
        let until: DateTime<Utc> =
            serde_json::from_value(order["waiting_for"]["until"].clone()).unwrap();
        let left = (until - Utc::now()).to_std().unwrap();
        assert!(left > Duration::from_hours(13 * 24), "{provider}: {until}");
        assert_eq!(
            count_audit_events(&harness, &id, "payment_processing").await,
            1
        );
        waiting.push((id, provider, slow));
    }
    // The time-out of this order passes after the time-outs of the others would have passed.
    let control = create_order(&harness).await;
    expect_end(&harness, &control, "cancelled").await;
    let pay = async |(id, provider, slow): &(String, WebhookProvider, String)| {
        assert_eq!(
            read_order(&harness, id).await["status"],
            "pending",
            "{provider}"
        );
        report(&harness, (*provider, Paid), id, slow, TOTAL).await;
        expect_end(&harness, id, "delivered").await;
        assert_eq!(
            ledger_of(&harness, slow).await,
            [Entry::paid(provider, id, 5_000)]
        );
        assert_eq!(work_list_of(&harness, id).await, NOTHING, "{provider}");
    };
    run_cases(waiting.iter().map(pay)).await;
    harness.assert_invariants().await;
}

/// A slow payment also keeps the stock of an order of a customer's caller.
#[tokio::test]
async fn slow_payment_extends_the_reservation() {
    let harness = start_shop(&[]).await;
    let mut policy = Profile::Checkout.policy();
    policy.hold_limits = Some(HoldLimits {
        per_order: 100,
        per_customer: 200,
        timeout: Span::from_secs(30),
    });
    let [slow, control] = ["slow-hold", "control-hold"];
    let start = async |id: &str| {
        let order = order_of(TOTAL, "USD");
        harness.start_with_policy(id, order, policy.clone()).await;
        wait_for_audit_event(&harness, id, "payment_requested").await;
    };
    start(slow).await;
    let event_type = "payment.processing";
    let (event_id, body) = attempt_event(Standard, event_type, slow, "slow-hold-1");
    let posted = post_event(&harness, Standard, &event_id, &body).await;
    assert_eq!(posted, "recorded");
    // The reservation of this order ends after that of the other would have ended.
    start(control).await;
    wait_for_audit_event(&harness, control, "inventory_released").await;
    let released = "inventory_released";
    assert_eq!(count_audit_events(&harness, slow, released).await, 0);
    report(&harness, (Standard, Paid), slow, "slow-hold-1", TOTAL).await;
    expect_end(&harness, slow, "delivered").await;
    assert_eq!(count_audit_events(&harness, slow, released).await, 0);
    cancel(&harness, control).await;
    harness.assert_invariants().await;
}

/// Starts localstripe, and a shop that charges and refunds there.
async fn start_stripe_shop(settings: &[(&str, &str)]) -> Option<(Localstripe, Harness)> {
    let books = Localstripe::start().await?;
    let stripe = [
        ("PAYMENT_PROVIDER", "stripe"),
        ("STRIPE_API_KEY", API_KEY),
        ("STRIPE_API_BASE", books.url.as_str()),
    ];
    let harness = start_shop(&[&stripe, settings].concat()).await;
    Some((books, harness))
}

// PAY-23
#[tokio::test]
async fn payment_without_event_is_found_before_timeout() {
    let settings = [("PAYMENT_TIMEOUT", "8s")];
    let Some((books, harness)) = start_stripe_shop(&settings).await else {
        return;
    };
    let whole = async {
        let id = create_order(&harness).await;
        let intent = books.create_paid_intent(5_000, "usd", &id).await;
        expect_end(&harness, &id, "delivered").await;
        let expected = Entry::paid(Stripe, &id, 5_000);
        assert_eq!(
            ledger_of(&harness, &intent).await,
            std::slice::from_ref(&expected)
        );
        let confirmed = audit_payloads(&harness, &id, "payment_confirmed").await;
        assert_eq!(confirmed.len(), 1, "{confirmed:?}");
        assert_eq!(confirmed[0]["source"], "lookup");
        assert_eq!(work_list_of(&harness, &id).await, NOTHING);
        // The lost event arrives after all.
        let event_id = format!("evt-lost-{id}");
        let succeeded = intent_of(&id, &intent, 5_000);
        assert_eq!(
            post_stripe(&harness, &event_id, "payment_intent.succeeded", succeeded).await,
            "known"
        );
        assert_eq!(ledger_of(&harness, &intent).await, [expected]);
    };
    // Only the event of the second part is lost.
    let part = async {
        let id = create_order(&harness).await;
        let first = books.create_paid_intent(2_000, "usd", &id).await;
        let second = books.create_paid_intent(3_000, "usd", &id).await;
        let event_id = format!("evt-part-{id}");
        let succeeded = intent_of(&id, &first, 2_000);
        post_stripe(&harness, &event_id, "payment_intent.succeeded", succeeded).await;
        expect_end(&harness, &id, "delivered").await;
        for (intent, amount) in [(first, 2_000), (second, 3_000)] {
            assert_eq!(
                ledger_of(&harness, &intent).await,
                [Entry::paid(Stripe, &id, amount)]
            );
        }
    };
    // A part is found, and the rest never arrives. The part is refunded.
    let rest_is_missing = async {
        let id = create_order(&harness).await;
        let intent = books.create_paid_intent(2_000, "usd", &id).await;
        expect_end(&harness, &id, "cancelled").await;
        assert_eq!(
            ledger_of(&harness, &intent).await,
            [Entry::paid(Stripe, &id, 2_000).with_refunded(2_000)]
        );
        // The customer gets no mail about a part.
        let parts = audit_payloads(&harness, &id, "payment_part_received").await;
        assert_eq!(parts.len(), 1, "{parts:?}");
        assert_eq!(
            count_audit_events(&harness, &id, "payment_confirmed").await,
            0
        );
        assert_eq!(work_list_of(&harness, &id).await, NOTHING);
    };
    let unpaid = async {
        let id = create_order(&harness).await;
        expect_end(&harness, &id, "cancelled").await;
        assert_eq!(
            count_audit_events(&harness, &id, "payment_timed_out").await,
            1
        );
    };
    futures::join!(whole, part, rest_is_missing, unpaid);
    harness.assert_invariants().await;
}

// PAY-24
#[tokio::test]
async fn end_of_old_attempt_keeps_later_wait() {
    let settings = [
        ("PAYMENT_TIMEOUT", "10s"),
        ("SHIPPING_DELAY", "60s"),
        ("ORDER_PROFILE", "production"),
    ];
    let Some((books, harness)) = start_stripe_shop(&settings).await else {
        return;
    };
    let mut order = order_of(TOTAL, "USD");
    let method = books.create_card("4000002500003155").await;
    order["payment"] = json!({"payment_id": "pmt-requires-action", "method": method});
    let id = start_order(&harness, order).await;
    let requested = audit_payloads(&harness, &id, "payment_requested").await;
    let intents = books.list_intents().await;
    let intent = intents
        .iter()
        .find(|intent| intent["id"] == requested[0]["transaction_id"])
        .unwrap();
    books.authenticate(intent).await;
    // The last look-up before the time-out finds the captured payment.
    harness.wait_for_status(&id, "preparing").await;
    let (event_id, body) = attempt_event(Stripe, "payment_intent.canceled", &id, "pi_old");
    assert_eq!(
        post_event(&harness, Stripe, &event_id, &body).await,
        "recorded"
    );
    wait_for_audit_event(&harness, &id, "payment_attempt_failed").await;
    let before = Utc::now();
    harness
        .post(&format!("/orders/{id}/signals/cancel-payment"), json!({}))
        .await
        .expect_status(200);
    wait_for_audit_event(&harness, &id, "payment_refunded").await;
    let read = async || read_order(&harness, &id).await;
    let waiting = harness
        .wait_until("the wait for the next payment", read, |order| {
            order["waiting_for"]["reason"] == "payment" || order["is_running"] == false
        })
        .await;
    assert_eq!(waiting["status"], "pending", "{waiting}");
    let until: DateTime<Utc> =
        serde_json::from_value(waiting["waiting_for"]["until"].clone()).unwrap();
    // The wait is a new one with the full time-out.
    assert!(
        until - before >= chrono::TimeDelta::seconds(10),
        "{before} {until}"
    );
    // The order is not failed by the old attempt. It ends by the time-out of its second wait.
    let view = expect_end(&harness, &id, "cancelled").await;
    assert_eq!(
        view.cancellation_reason.as_deref(),
        Some("no payment within 10s")
    );
    assert_eq!(books.list_refunds().await.len(), 1);
    assert_eq!(work_list_of(&harness, &id).await, NOTHING);
    harness.assert_invariants().await;
}

/// A cancelled order does not end by the events of its attempts, and no attempt blocks the cancel.
#[tokio::test]
async fn cancelled_slow_payment_is_due_when_it_arrives() {
    let harness = start_shop(&[]).await;
    let pay = async |provider| {
        let event_type = match provider {
            Stripe => "payment_intent.processing",
            Adyen => "PENDING true",
            Checkout => "payment_pending",
            Square => "PENDING",
            _ => "payment.processing",
        };
        let id = create_order(&harness).await;
        let slow = format!("slow-{provider}");
        let (event_id, body) = attempt_event(provider, event_type, &id, &slow);
        post_event(&harness, provider, &event_id, &body).await;
        cancel(&harness, &id).await;
        assert_eq!(
            report(&harness, (provider, Paid), &id, &slow, TOTAL).await,
            "refund_due",
            "{provider}"
        );
        assert_eq!(
            ledger_of(&harness, &slow).await,
            [Entry::paid(provider, &id, 5_000).with_due(5_000)]
        );
        assert_eq!(
            work_list_of(&harness, &id).await,
            [format!("refund_due 50.00 {slow}")]
        );
    };
    run_cases(PAYING.map(pay)).await;
    harness.assert_invariants().await;
}

/// Runs `orderflow money reconcile`, and returns the report.
async fn reconcile(harness: &Harness) -> Value {
    let command = [
        "money",
        "reconcile",
        "--provider",
        "stripe",
        "--since",
        "24h",
    ];
    orderflow_json(harness, &command).await
}

#[tokio::test]
async fn reconciliation_repairs_lost_events() {
    let Some((books, harness)) = start_stripe_shop(&[]).await else {
        return;
    };
    let waiting = create_order(&harness).await;
    let lost = books.create_paid_intent(5_000, "usd", &waiting).await;
    let refunded_order = create_order(&harness).await;
    let refunded = books
        .create_paid_intent(5_000, "usd", &refunded_order)
        .await;
    let event_id = format!("evt-known-{refunded_order}");
    let succeeded = intent_of(&refunded_order, &refunded, 5_000);
    post_stripe(&harness, &event_id, "payment_intent.succeeded", succeeded).await;
    expect_end(&harness, &refunded_order, "delivered").await;
    books.refund(&refunded, 2_000).await;
    let closed = create_order(&harness).await;
    cancel(&harness, &closed).await;
    let late = books.create_paid_intent(5_000, "usd", &closed).await;
    // The events of younger payments can be on their way.
    let report = reconcile(&harness).await;
    assert_eq!(report, json!({"checked": 0, "differences": []}));
    books.age_intents();
    let report = reconcile(&harness).await;
    assert_eq!(report["checked"], 3, "{report}");
    let differences = report["differences"].as_array().unwrap();
    let mut found: Vec<_> = differences
        .iter()
        .map(|one| {
            let text = |name: &str| one[name].as_str().unwrap_or("none");
            let names = ["transaction_id", "field", "ours", "theirs"];
            names.map(text).join(" ")
        })
        .collect();
    found.sort();
    let mut expected = [
        format!("{lost} payment none 50.00 USD"),
        format!("{refunded} refunded 0.00 USD 20.00 USD"),
        format!("{late} payment none 50.00 USD"),
    ];
    expected.sort();
    assert_eq!(found, expected);
    expect_end(&harness, &waiting, "delivered").await;
    let entries = [
        (&lost, Entry::paid(Stripe, &waiting, 5_000)),
        (
            &refunded,
            Entry::paid(Stripe, &refunded_order, 5_000).with_refunded(2_000),
        ),
        (
            &late,
            Entry::paid(Stripe, &closed, 5_000).with_refunded(5_000),
        ),
    ];
    for (transaction_id, entry) in entries {
        let ledger = async || ledger_of(&harness, transaction_id).await;
        let is_repaired = |rows: &Vec<Entry>| rows == std::slice::from_ref(&entry);
        harness
            .wait_until("the repaired ledger", ledger, is_repaired)
            .await;
    }
    let command = ["money", "reconcile", "--provider", "stripe"];
    let output = orderflow(&harness, &command).await.unwrap();
    assert_eq!(
        output.trim(),
        "3 payments of stripe compared: 0 differences"
    );
    harness.assert_invariants().await;
}
