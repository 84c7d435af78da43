//! Amounts: units of currencies, parts, sums, excesses, and checkouts that take no money.

use futures::future::join_all;
use serde_json::{Value, json};
use temporalio_client::{UntypedSignal, WorkflowSignalOptions};
use temporalio_common::{data_converters::RawValue, protos::temporal::api::common::v1::Payload};

use super::{
    Adyen, Checkout, Entry, NOTHING, PAYING, Square, Standard, Stripe, TOTAL, audit_payloads,
    cancel, count_audit_events, create_order, expect_end, intent_of, ledger_of, order_of,
    post_adyen, post_checkout, post_event, post_standard, post_stripe, report, run_cases,
    start_order, start_shop, wait_for_audit_event, work_list_of,
};
use crate::harness::Harness;
use domain::WebhookProvider;
use payment_webhooks::SampleKind::{Authorised, Paid, Refunded};

async fn read_order(harness: &Harness, id: &str) -> Value {
    harness
        .get(&format!("/orders/{id}"))
        .await
        .expect_status(200)
}

/// Asserts that the order waits for the rest of its total, and has this captured amount.
async fn expect_wait_for_rest(harness: &Harness, id: &str, captured: f64) {
    let order = read_order(harness, id).await;
    assert_eq!(order["status"], "pending", "{order}");
    assert_eq!(order["waiting_for"]["reason"], "payment_rest", "{order}");
    let shown = order["payment_info"]["captured"].as_f64();
    assert_eq!(shown, Some(captured), "{order}");
    // The part is kept for the order.
    let actions = order["actions"].as_array().unwrap();
    assert!(!actions.contains(&json!("refunds")), "{order}");
}

/// Waits until the order is held before its dispatch, and returns the payload of the hold.
async fn wait_for_hold(harness: &Harness, id: &str) -> Value {
    let read = async || read_order(harness, id).await;
    harness
        .wait_until("the hold", read, |order| {
            order["waiting_for"]["reason"] == "payment_hold"
        })
        .await;
    wait_for_audit_event(harness, id, "payment_held").await;
    audit_payloads(harness, id, "payment_held").await.remove(0)
}

// PAY-09
#[tokio::test]
async fn amounts_follow_decimals_of_the_provider() {
    let harness = start_shop(&[]).await;
    // Provider, currency, the order's total, and the amount as the provider writes it.
    let table = [
        (Stripe, "UGX", "5000", json!(500_000), 5_000),
        (Stripe, "ISK", "500", json!(50_000), 500),
        (Stripe, "JPY", "5000", json!(5_000), 5_000),
        (Stripe, "CLP", "5000", json!(5_000), 5_000),
        (Stripe, "KWD", "50.010", json!(50_010), 50_010),
        (Adyen, "ISK", "500", json!(50_000), 500),
        (Adyen, "CLP", "5000", json!(500_000), 5_000),
        (Adyen, "UGX", "5000", json!(5_000), 5_000),
        (Adyen, "JPY", "5000", json!(5_000), 5_000),
        (Adyen, "KWD", "50.001", json!(50_001), 50_001),
        (Checkout, "CLP", "5000", json!(500_000), 5_000),
        (Checkout, "UGX", "5000", json!(5_000), 5_000),
        (Checkout, "KWD", "50.001", json!(50_001), 50_001),
        (Square, "JPY", "5000", json!(5_000), 5_000),
        (Square, "ISK", "500", json!(500), 500),
        (Standard, "UGX", "5000", json!("5000"), 5_000),
        (Standard, "KWD", "50.001", json!("50.001"), 50_001),
    ];
    let pay = async |(provider, currency, total, units, minor): (_, &str, _, Value, _)| {
        let id = start_order(&harness, order_of(total, currency)).await;
        let name = format!("{provider}-{currency}");
        let event_id = format!("evt-{name}");
        let (event_id, body) = match provider {
            Stripe => {
                let mut intent = intent_of(&id, &name, units.as_i64().unwrap());
                intent["currency"] = json!(currency.to_lowercase());
                let event_type = "payment_intent.succeeded";
                let body = json!({"id": event_id, "type": event_type, "data": {"object": intent}});
                (event_id, body)
            }
            Adyen => {
                let item = json!({
                    "eventCode": "AUTHORISATION", "success": "true", "pspReference": name,
                    "merchantReference": id, "merchantAccountCode": "Orderflow",
                    "amount": {"currency": currency, "value": units}, "additionalData": {},
                });
                let body = json!({
                    "live": "false", "notificationItems": [{"NotificationRequestItem": item}],
                });
                (format!("AUTHORISATION:{name}:true"), body)
            }
            Checkout => {
                let data = json!({
                    "id": name, "action_id": format!("act_{name}"), "amount": units,
                    "currency": currency, "reference": id,
                });
                let body = json!({"id": event_id, "type": "payment_captured", "data": data});
                (event_id, body)
            }
            Square => {
                let payment = json!({
                    "id": name, "status": "COMPLETED", "reference_id": id,
                    "amount_money": {"amount": units, "currency": currency},
                });
                let body = json!({
                    "event_id": event_id, "type": "payment.updated",
                    "data": {"object": {"payment": payment}},
                });
                (event_id, body)
            }
            _ => {
                let data = json!({
                    "transaction_id": name, "order_id": id, "amount": units, "currency": currency,
                });
                let body = json!({"id": event_id, "type": "payment.succeeded", "data": data});
                (event_id, body)
            }
        };
        assert_eq!(
            post_event(&harness, provider, &event_id, &body).await,
            "applied",
            "{name}"
        );
        expect_end(&harness, &id, "delivered").await;
        assert_eq!(
            ledger_of(&harness, &name).await,
            [Entry::paid(provider, &id, minor)]
        );
        assert_eq!(work_list_of(&harness, &id).await, NOTHING, "{name}");
    };
    run_cases(table.map(pay)).await;
    // Stripe writes two decimals for these currencies, and they are always zero.
    let id = start_order(&harness, order_of("5000", "UGX")).await;
    let mut intent = intent_of(&id, "pi_inexact", 500_050);
    intent["currency"] = json!("ugx");
    assert_eq!(
        post_stripe(&harness, "evt-inexact", "payment_intent.succeeded", intent).await,
        "unreadable"
    );
    assert_eq!(read_order(&harness, &id).await["status"], "pending");
    cancel(&harness, &id).await;
    harness.assert_invariants().await;
}

/// Reports one transaction twice, first with 49.99 and then with 50.00, in the provider's bodies.
async fn report_two_amounts(harness: &Harness, provider: WebhookProvider, id: &str, name: &str) {
    for (number, minor, decimal) in [(1, 4_999, "49.99"), (2, 5_000, "50.00")] {
        let event_id = format!("evt-{number}-{name}");
        match provider {
            Stripe => {
                let intent = intent_of(id, name, minor);
                post_stripe(harness, &event_id, "payment_intent.succeeded", intent).await;
            }
            Adyen if number == 1 => {
                post_adyen(harness, ("AUTHORISATION", None), id, name, minor).await;
            }
            Adyen => {
                let capture = format!("{name}-capture");
                post_adyen(harness, ("CAPTURE", Some(&capture)), id, name, minor).await;
            }
            Checkout => {
                let body = json!({"id": event_id, "type": "payment_captured", "data": {
                    "id": name, "action_id": format!("act_{name}"), "amount": minor,
                    "currency": "USD", "reference": id,
                }});
                post_event(harness, Checkout, &event_id, &body).await;
            }
            Square => {
                let payment = json!({
                    "id": name, "status": "COMPLETED", "reference_id": id,
                    "amount_money": {"amount": minor, "currency": "USD"},
                });
                let body = json!({
                    "event_id": event_id, "type": "payment.updated",
                    "data": {"object": {"payment": payment}},
                });
                post_event(harness, Square, &event_id, &body).await;
            }
            _ => {
                let data = json!({
                    "transaction_id": name, "order_id": id, "amount": decimal, "currency": "USD",
                });
                post_standard(harness, &event_id, "payment.succeeded", data).await;
            }
        }
        if number == 1 {
            assert_eq!(read_order(harness, id).await["status"], "pending", "{name}");
        }
    }
}

// PAY-10
#[tokio::test]
async fn transaction_with_two_amounts_is_paid_or_due() {
    let collects = start_shop(&[]);
    let refunds = start_shop(&[("PAYMENT_PARTIAL", "refund")]);
    let (collects, refunds) = futures::join!(collects, refunds);
    let kept = async |provider| {
        let id = create_order(&collects).await;
        let name = format!("two-{provider}");
        report_two_amounts(&collects, provider, &id, &name).await;
        expect_end(&collects, &id, "delivered").await;
        assert_eq!(
            ledger_of(&collects, &name).await,
            [Entry::paid(provider, &id, 5_000)]
        );
        assert_eq!(work_list_of(&collects, &id).await, NOTHING, "{provider}");
    };
    let returned = async |provider| {
        let id = create_order(&refunds).await;
        let name = format!("two-{provider}");
        report_two_amounts(&refunds, provider, &id, &name).await;
        let order = read_order(&refunds, &id).await;
        assert_eq!(order["status"], "pending", "{provider}: {order}");
        assert_eq!(
            ledger_of(&refunds, &name).await,
            [Entry::paid(provider, &id, 5_000).with_due(5_000)]
        );
        assert_eq!(
            work_list_of(&refunds, &id).await,
            [format!("refund_due 50.00 {name}")]
        );
        // The order still takes the next payment.
        let next = format!("next-{provider}");
        assert_eq!(
            report(&refunds, (provider, Paid), &id, &next, TOTAL).await,
            "applied"
        );
        expect_end(&refunds, &id, "delivered").await;
    };
    run_cases(PAYING.map(kept)).await;
    // A capture with an id is a part of its transaction, and the rest can follow.
    let captured = async {
        let id = create_order(&refunds).await;
        report_two_amounts(&refunds, Checkout, &id, "two-captured").await;
        expect_end(&refunds, &id, "delivered").await;
        assert_eq!(
            ledger_of(&refunds, "two-captured").await,
            [Entry::paid(Checkout, &id, 5_000)]
        );
    };
    run_cases([Stripe, Adyen, Standard, Square].map(returned)).await;
    captured.await;
    collects.assert_invariants().await;
    refunds.assert_invariants().await;
}

// PAY-11, PAY-12, PAY-13
#[tokio::test]
async fn captures_add_up_in_any_order() {
    let harness = start_shop(&[]).await;
    let adyen_backwards = async {
        let id = create_order(&harness).await;
        let capture = ("CAPTURE", Some("PSP11-CAPTURE-1"));
        assert_eq!(
            post_adyen(&harness, capture, &id, "PSP11", 2_000).await,
            "applied"
        );
        expect_wait_for_rest(&harness, &id, 20.0).await;
        // The part is kept for the order, and cannot be refunded.
        let path = format!("/orders/{id}/refunds");
        let headers = [("idempotency-key", "early")];
        harness
            .post_with_headers(&path, json!({"amount": 1}), &headers)
            .await
            .expect_problem(409, "not_paid");
        let authorisation = ("AUTHORISATION", None);
        assert_eq!(
            post_adyen(&harness, authorisation, &id, "PSP11", 5_000).await,
            "known"
        );
        expect_wait_for_rest(&harness, &id, 20.0).await;
        assert_eq!(
            ledger_of(&harness, "PSP11").await,
            [Entry::paid(Adyen, &id, 2_000)]
        );
        assert_eq!(
            work_list_of(&harness, &id).await,
            ["capture_short 30.00 PSP11"]
        );
        let capture = ("CAPTURE", Some("PSP11-CAPTURE-2"));
        post_adyen(&harness, capture, &id, "PSP11", 3_000).await;
        expect_end(&harness, &id, "delivered").await;
        assert_eq!(
            ledger_of(&harness, "PSP11").await,
            [Entry::paid(Adyen, &id, 5_000)]
        );
        assert_eq!(work_list_of(&harness, &id).await, NOTHING);
    };
    let in_parts = async |provider| {
        let id = create_order(&harness).await;
        let name = format!("parts-{provider}");
        let capture = async |number: u8, minor: i64| {
            let action = format!("{name}-{number}");
            match provider {
                Adyen => post_adyen(&harness, ("CAPTURE", Some(&action)), &id, &name, minor).await,
                Checkout => {
                    let event = ("payment_captured", action.as_str());
                    post_checkout(&harness, event, &id, &name, minor).await
                }
                _ => {
                    let data = json!({
                        "transaction_id": name, "order_id": id, "amount": minor / 100,
                        "currency": "USD", "capture_id": action,
                    });
                    post_standard(&harness, &action, "payment.captured", data).await
                }
            }
        };
        assert_eq!(capture(1, 2_000).await, "applied", "{provider}");
        expect_wait_for_rest(&harness, &id, 20.0).await;
        capture(2, 3_000).await;
        expect_end(&harness, &id, "delivered").await;
        assert_eq!(
            ledger_of(&harness, &name).await,
            [Entry::paid(provider, &id, 5_000)]
        );
        assert_eq!(
            count_audit_events(&harness, &id, "payment_mismatch").await,
            0
        );
        assert_eq!(work_list_of(&harness, &id).await, NOTHING, "{provider}");
        // A refund of the first capture leaves the rest of the money.
        assert_eq!(
            report(&harness, (provider, Refunded), &id, &name, "20.00").await,
            "recorded",
            "{provider}"
        );
        assert_eq!(
            ledger_of(&harness, &name).await,
            [Entry::paid(provider, &id, 5_000).with_refunded(2_000)]
        );
        assert_eq!(work_list_of(&harness, &id).await, NOTHING, "{provider}");
    };
    let tables = run_cases([Adyen, Checkout, Standard].map(in_parts));
    futures::join!(adyen_backwards, tables);
    harness.assert_invariants().await;
}

// PAY-13, PAY-14 before dispatch
#[tokio::test]
async fn missing_money_holds_order_before_dispatch() {
    let harness = start_shop(&[("SHIPPING_DELAY", "60s")]).await;
    let captured_short = async {
        let id = create_order(&harness).await;
        let authorisation = ("AUTHORISATION", None);
        assert_eq!(
            post_adyen(&harness, authorisation, &id, "PSP14", 5_000).await,
            "applied"
        );
        harness.wait_for_status(&id, "preparing").await;
        let capture = ("CAPTURE", Some("PSP14-CAPTURE"));
        post_adyen(&harness, capture, &id, "PSP14", 2_000).await;
        let hold = wait_for_hold(&harness, &id).await;
        assert_eq!(hold["missing"].as_f64(), Some(30.0));
        assert_eq!(
            ledger_of(&harness, "PSP14").await,
            [Entry::paid(Adyen, &id, 2_000)]
        );
        assert_eq!(
            work_list_of(&harness, &id).await,
            ["capture_short 30.00 PSP14"]
        );
        // The rest of the captures ends the hold.
        let capture = ("CAPTURE", Some("PSP14-CAPTURE-2"));
        post_adyen(&harness, capture, &id, "PSP14", 3_000).await;
        wait_for_audit_event(&harness, &id, "payment_released").await;
        assert_eq!(work_list_of(&harness, &id).await, NOTHING);
        cancel(&harness, &id).await;
        assert_eq!(
            ledger_of(&harness, "PSP14").await,
            [Entry::paid(Adyen, &id, 5_000).with_due(5_000)]
        );
    };
    // A part of the money is refunded at the provider. The order is cancelled, so the rest is due.
    let refunded = async |provider| {
        let id = create_order(&harness).await;
        let name = format!("hold-{provider}");
        report(&harness, (provider, Paid), &id, &name, TOTAL).await;
        harness.wait_for_status(&id, "preparing").await;
        assert_eq!(
            report(&harness, (provider, Refunded), &id, &name, "20.00").await,
            "recorded",
            "{provider}"
        );
        let hold = wait_for_hold(&harness, &id).await;
        assert_eq!(hold["missing"].as_f64(), Some(20.0), "{provider}");
        assert_eq!(
            ledger_of(&harness, &name).await,
            [Entry::paid(provider, &id, 5_000).with_refunded(2_000)]
        );
        assert_eq!(
            work_list_of(&harness, &id).await,
            [format!("part_refunded 20.00 {name}")]
        );
        cancel(&harness, &id).await;
        let rest = Entry::paid(provider, &id, 5_000).with_refunded(2_000);
        assert_eq!(ledger_of(&harness, &name).await, [rest.with_due(3_000)]);
        assert_eq!(
            work_list_of(&harness, &id).await,
            [format!("refund_due 30.00 {name}")]
        );
    };
    // An operator approves the order, or the refund fails.
    let decided = async |refund_fails: bool| {
        let id = create_order(&harness).await;
        let name = format!("decided-{refund_fails}");
        report(&harness, (Stripe, Paid), &id, &name, TOTAL).await;
        harness.wait_for_status(&id, "preparing").await;
        report(&harness, (Stripe, Refunded), &id, &name, "20.00").await;
        wait_for_hold(&harness, &id).await;
        let entries = async || work_list_of(&harness, &id).await;
        assert_eq!(entries().await, [format!("part_refunded 20.00 {name}")]);
        if refund_fails {
            let reported = sqlx::query_scalar::<_, String>(
                "select reference from payment_movements join payments using (payment_id)
                 where transaction_id = $1 and kind = 'refunded'",
            );
            let refund = reported.bind(&name).fetch_one(&harness.pool).await.unwrap();
            let failed = json!({
                "id": refund, "amount": 2_000, "currency": "usd", "payment_intent": name,
                "status": "failed",
            });
            let event_id = format!("evt-failed-{id}");
            post_stripe(&harness, &event_id, "refund.failed", failed).await;
        } else {
            let path = format!("/orders/{id}/signals/approve");
            harness.post(&path, json!({})).await.expect_status(200);
        }
        wait_for_audit_event(&harness, &id, "payment_released").await;
        harness
            .wait_until("no entry", entries, |entries| entries.is_empty())
            .await;
    };
    // An authorisation that is not captured yet does not pay an order.
    let authorised = async |provider| {
        let id = create_order(&harness).await;
        let name = format!("authorised-{provider}");
        report(&harness, (provider, Authorised), &id, &name, TOTAL).await;
        let order = read_order(&harness, &id).await;
        assert_eq!(order["status"], "pending", "{provider}: {order}");
        let short = report(&harness, (provider, Paid), &id, &name, "20.00").await;
        assert_eq!(short, "known", "{provider}");
        assert_eq!(
            ledger_of(&harness, &name).await,
            [Entry::paid(provider, &id, 2_000)]
        );
        assert_eq!(
            work_list_of(&harness, &id).await,
            [format!("capture_short 30.00 {name}")]
        );
        expect_wait_for_rest(&harness, &id, 20.0).await;
        cancel(&harness, &id).await;
        assert_eq!(
            work_list_of(&harness, &id).await,
            [format!("refund_due 20.00 {name}")]
        );
    };
    futures::join!(captured_short, run_cases(PAYING.map(refunded)));
    run_cases([true, false].map(decided)).await;
    run_cases([Stripe, Standard, Square, Checkout].map(authorised)).await;
    harness.assert_invariants().await;
}

// PAY-14 after dispatch
#[tokio::test]
async fn missing_money_after_dispatch_is_listed() {
    let harness = start_shop(&[]).await;
    let id = create_order(&harness).await;
    post_adyen(&harness, ("AUTHORISATION", None), &id, "PSP14", 5_000).await;
    expect_end(&harness, &id, "delivered").await;
    let capture = ("CAPTURE", Some("PSP14-CAPTURE"));
    assert_eq!(
        post_adyen(&harness, capture, &id, "PSP14", 2_000).await,
        "known"
    );
    assert_eq!(
        ledger_of(&harness, "PSP14").await,
        [Entry::paid(Adyen, &id, 2_000)]
    );
    assert_eq!(
        work_list_of(&harness, &id).await,
        ["capture_short 30.00 PSP14"]
    );
    let capture = ("CAPTURE", Some("PSP14-CAPTURE-2"));
    post_adyen(&harness, capture, &id, "PSP14", 3_000).await;
    assert_eq!(work_list_of(&harness, &id).await, NOTHING);
    harness.assert_invariants().await;
}

// PAY-15, PAY-16
#[tokio::test]
async fn checkout_without_payment_is_shown_to_operators() {
    let harness = start_shop(&[]).await;
    let complete = async |(name, total, reason, amount): (&str, i64, &str, f64)| {
        let id = create_order(&harness).await;
        let event_id = format!("evt-{name}");
        let outcome = if reason == "invoice_without_payment" {
            let invoice = json!({
                "id": format!("in_{name}"), "amount_paid": total, "currency": "usd",
                "metadata": {"order_id": id},
            });
            post_stripe(&harness, &event_id, "invoice.paid", invoice).await
        } else {
            let session = json!({
                "id": format!("cs_{name}"), "payment_status": reason, "amount_total": total,
                "currency": "usd", "payment_intent": null, "mode": "subscription",
                "client_reference_id": id,
            });
            post_stripe(&harness, &event_id, "checkout.session.completed", session).await
        };
        assert_eq!(outcome, "recorded", "{name}");
        assert_eq!(read_order(&harness, &id).await["status"], "pending");
        let entries = audit_payloads(&harness, &id, "checkout_completed_unpaid").await;
        assert_eq!(entries.len(), 1, "{name}: {entries:?}");
        assert_eq!(entries[0]["reason"], reason);
        assert_eq!(entries[0]["amount"].as_f64(), Some(amount));
        let listed = work_list_of(&harness, &id).await;
        assert_eq!(listed.len(), 1, "{name}: {listed:?}");
        assert!(
            listed[0].starts_with(&format!("completed_unpaid {amount:.2} ")),
            "{listed:?}"
        );
        // The entry closes with the payment.
        let paid = format!("pi_{name}");
        report(&harness, (Stripe, Paid), &id, &paid, TOTAL).await;
        expect_end(&harness, &id, "delivered").await;
        assert_eq!(work_list_of(&harness, &id).await, NOTHING, "{name}");
    };
    let table = [
        ("trial", 5_000, "no_payment_required", 50.0),
        ("promotion", 0, "no_payment_required", 0.0),
        ("credit", 0, "invoice_without_payment", 0.0),
    ];
    run_cases(table.map(complete)).await;
    harness.assert_invariants().await;
}

// PAY-17
#[tokio::test]
async fn part_is_kept_until_order_ends() {
    let harness = start_shop(&[("PAYMENT_TIMEOUT", "20s")]).await;
    // A discount in the checkout makes the payment smaller than the order.
    let discounted = async |ends_by: &str| {
        let id = create_order(&harness).await;
        let intent = format!("pi_discount_{ends_by}");
        let session = json!({
            "id": format!("cs_discount_{ends_by}"), "payment_status": "paid", "payment_intent": intent,
            "amount_total": 4_500, "total_details": {"amount_discount": 500}, "currency": "usd",
            "client_reference_id": id,
        });
        let event_id = format!("evt-discount-{ends_by}");
        assert_eq!(
            post_stripe(&harness, &event_id, "checkout.session.completed", session).await,
            "applied"
        );
        expect_wait_for_rest(&harness, &id, 45.0).await;
        assert_eq!(
            ledger_of(&harness, &intent).await,
            [Entry::paid(Stripe, &id, 4_500)]
        );
        assert_eq!(work_list_of(&harness, &id).await, NOTHING);
        match ends_by {
            "cancel" => cancel(&harness, &id).await,
            "rest" => {
                let rest = report(&harness, (Stripe, Paid), &id, "pi_rest", "5.00").await;
                assert_eq!(rest, "applied");
                expect_end(&harness, &id, "delivered").await;
                assert_eq!(work_list_of(&harness, &id).await, NOTHING);
                return;
            }
            _ => {
                expect_end(&harness, &id, "cancelled").await;
                let timed_out = count_audit_events(&harness, &id, "payment_timed_out").await;
                assert_eq!(timed_out, 1);
            }
        }
        assert_eq!(
            ledger_of(&harness, &intent).await,
            [Entry::paid(Stripe, &id, 4_500).with_due(4_500)]
        );
        assert_eq!(
            work_list_of(&harness, &id).await,
            [format!("refund_due 45.00 {intent}")]
        );
    };
    // Two parts of another provider each. Both are due when the time-out passes.
    let timed_out = async |provider| {
        let id = create_order(&harness).await;
        let parts = ["first", "second"].map(|name| format!("{name}-{provider}"));
        for part in &parts {
            let outcome = report(&harness, (provider, Paid), &id, part, "20.00").await;
            assert_eq!(outcome, "applied", "{provider}");
        }
        expect_wait_for_rest(&harness, &id, 40.0).await;
        expect_end(&harness, &id, "cancelled").await;
        for part in &parts {
            assert_eq!(
                ledger_of(&harness, part).await,
                [Entry::paid(provider, &id, 2_000).with_due(2_000)]
            );
        }
        let mut listed = work_list_of(&harness, &id).await;
        listed.sort();
        assert_eq!(listed, parts.map(|part| format!("refund_due 20.00 {part}")));
    };
    let by_end = run_cases(["cancel", "rest", "timeout"].map(discounted));
    futures::join!(by_end, run_cases(PAYING.map(timed_out)));
    harness.assert_invariants().await;
}

/// Several transactions of several providers pay one order, and an excess is refunded.
#[tokio::test]
async fn transactions_add_up_and_excess_is_due() {
    let harness = start_shop(&[]).await;
    // A gift card and a card.
    let split = async |(first, second): (WebhookProvider, WebhookProvider)| {
        let id = create_order(&harness).await;
        let names = ["one", "two"].map(|part| format!("split-{first}-{second}-{part}"));
        report(&harness, (first, Paid), &id, &names[0], "20.00").await;
        expect_wait_for_rest(&harness, &id, 20.0).await;
        report(&harness, (second, Paid), &id, &names[1], "30.00").await;
        expect_end(&harness, &id, "delivered").await;
        assert_eq!(
            ledger_of(&harness, &names[0]).await,
            [Entry::paid(first, &id, 2_000)]
        );
        assert_eq!(
            ledger_of(&harness, &names[1]).await,
            [Entry::paid(second, &id, 3_000)]
        );
        assert_eq!(work_list_of(&harness, &id).await, NOTHING);
    };
    // The second payment exceeds the rest, or the only payment exceeds the total.
    let excess = async |provider| {
        let id = create_order(&harness).await;
        let names = ["first", "second"].map(|name| format!("excess-{name}-{provider}"));
        report(&harness, (provider, Paid), &id, &names[0], "30.00").await;
        report(&harness, (provider, Paid), &id, &names[1], "30.00").await;
        expect_end(&harness, &id, "delivered").await;
        assert_eq!(
            ledger_of(&harness, &names[0]).await,
            [Entry::paid(provider, &id, 3_000)]
        );
        assert_eq!(
            ledger_of(&harness, &names[1]).await,
            [Entry::paid(provider, &id, 3_000).with_due(1_000)]
        );
        assert_eq!(
            work_list_of(&harness, &id).await,
            [format!("refund_due 10.00 {}", names[1])]
        );
        let payloads = audit_payloads(&harness, &id, "payment_excess").await;
        assert_eq!(payloads.len(), 1, "{provider}: {payloads:?}");
        assert_eq!(payloads[0]["amount"].as_f64(), Some(10.0), "{provider}");
        // The operator refunds it, and the entry closes.
        report(&harness, (provider, Refunded), &id, &names[1], "10.00").await;
        assert_eq!(
            ledger_of(&harness, &names[1]).await,
            [Entry::paid(provider, &id, 3_000).with_refunded(1_000)]
        );
        assert_eq!(work_list_of(&harness, &id).await, NOTHING, "{provider}");

        let id = create_order(&harness).await;
        let name = format!("excess-only-{provider}");
        report(&harness, (provider, Paid), &id, &name, "60.00").await;
        expect_end(&harness, &id, "delivered").await;
        assert_eq!(
            ledger_of(&harness, &name).await,
            [Entry::paid(provider, &id, 6_000).with_due(1_000)]
        );
        assert_eq!(
            work_list_of(&harness, &id).await,
            [format!("refund_due 10.00 {name}")]
        );
    };
    let pairs = [
        (Adyen, Adyen),
        (Stripe, Adyen),
        (Standard, Stripe),
        (Square, Checkout),
    ];
    let tables = (join_all(pairs.map(split)), join_all(PAYING.map(excess)));
    futures::join!(tables.0, tables.1);
    harness.assert_invariants().await;
}

// PAY-18
#[tokio::test]
async fn negative_amount_in_signal_is_refused_once() {
    let harness = start_shop(&[]).await;
    let id = create_order(&harness).await;
    let client = harness.connect_to_temporal().await;
    let order = client.get_workflow_handle::<workflows::OrderWorkflow>(format!("order-{id}"));
    let money = |minor: i64| json!({"minor": minor, "currency": "USD"});
    let bad = [
        json!({"kind": "paid", "amount": money(-5)}),
        json!({"kind": "authorised", "amount": money(-5)}),
        json!({"kind": "refunded", "amount": money(-5)}),
        json!({"kind": "returned", "amount": money(-5)}),
    ];
    for (number, kind) in bad.iter().enumerate() {
        let mut event = json!({
            "provider": "standard", "event_id": format!("negative-{number}"),
            "transaction_id": "negative", "order_id": id,
        });
        let fields = kind.as_object().unwrap().clone();
        event.as_object_mut().unwrap().extend(fields);
        let signal = json!({"event": event, "declined": false});
        let payload = Payload {
            metadata: [("encoding".to_owned(), b"json/plain".to_vec())].into(),
            data: signal.to_string().into_bytes(),
            ..Payload::default()
        };
        order
            .signal(
                UntypedSignal::new("payment_event"),
                RawValue::new(vec![payload]),
                WorkflowSignalOptions::default(),
            )
            .await
            .unwrap();
    }
    let read = async || count_audit_events(&harness, &id, "request_refused").await;
    harness
        .wait_until("a refusal of each signal", read, |refused| *refused == 4)
        .await;
    for refusal in audit_payloads(&harness, &id, "request_refused").await {
        assert_eq!(refusal["request"], "payment_event", "{refusal}");
    }
    assert_eq!(ledger_of(&harness, "negative").await, []);
    // The order goes on.
    report(&harness, (Standard, Paid), &id, "positive", TOTAL).await;
    expect_end(&harness, &id, "delivered").await;
    assert_eq!(read().await, 4);
    harness.assert_invariants().await;
}

/// Returns the types of the audit events that caused the order's mails about its payment.
async fn causes_of_payment_mails(harness: &Harness, id: &str) -> Vec<String> {
    sqlx::query_scalar(
        "select type from notifications join events using (order_id, seq)
         where order_id = $1 and notifications.kind = 'payment_confirmed'",
    )
    .bind(id)
    .fetch_all(&harness.pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn payment_mail_waits_for_the_total() {
    let harness = start_shop(&[]).await;
    // The authorisation and the first capture of one transaction are below the total.
    let captures = async {
        let id = create_order(&harness).await;
        for (event, minor) in [
            (("payment_approved", "mail-authorisation"), 5_000),
            (("payment_captured", "mail-capture-1"), 2_000),
        ] {
            post_checkout(&harness, event, &id, "mail-captures", minor).await;
        }
        expect_wait_for_rest(&harness, &id, 20.0).await;
        let parts = audit_payloads(&harness, &id, "payment_part_received").await;
        let missing: Vec<_> = parts.iter().map(|part| part["missing"].as_f64()).collect();
        assert_eq!(missing, [Some(50.0), Some(30.0)]);
        assert_eq!(causes_of_payment_mails(&harness, &id).await, NOTHING);
        let event = ("payment_captured", "mail-capture-2");
        post_checkout(&harness, event, &id, "mail-captures", 3_000).await;
        expect_end(&harness, &id, "delivered").await;
        assert_eq!(
            causes_of_payment_mails(&harness, &id).await,
            ["payment_captured"]
        );
    };
    let transactions = async {
        let id = create_order(&harness).await;
        let kind = (Stripe, Paid);
        report(&harness, kind, &id, "mail-transaction-1", "20.00").await;
        expect_wait_for_rest(&harness, &id, 20.0).await;
        assert_eq!(causes_of_payment_mails(&harness, &id).await, NOTHING);
        report(&harness, kind, &id, "mail-transaction-2", "30.00").await;
        expect_end(&harness, &id, "delivered").await;
        assert_eq!(
            causes_of_payment_mails(&harness, &id).await,
            ["payment_confirmed"]
        );
    };
    futures::join!(captures, transactions);
    harness.assert_invariants().await;
}
