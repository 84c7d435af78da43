//! Reports that belong together: events before the confirmation of their transaction, a session and
//! its intent, and confirmations that contradict the provider.

use serde_json::{Value, json};

use super::{
    Adyen, Entry, NOTHING, Standard, Stripe, TOTAL, audit_payloads, cancel, confirm,
    count_audit_events, create_order, expect_end, intent_of, ledger_of, list_audit_kinds,
    post_standard, post_stripe, report, run_cases, session_of, start_shop, wait_for_audit_event,
    wait_for_outcome, work_list_about, work_list_of,
};
use crate::{harness::Harness, settlements::WebhookSender};
use payment_webhooks::SampleKind::{
    Authorised, DisputeLost, Disputed, Paid, Refunded, Returned, Voided,
};

/// Sends an event of Stripe without a wait for its outcome.
async fn send_stripe(harness: &Harness, event_id: &str, event_type: &str, object: Value) {
    let body = json!({
        "id": event_id, "object": "event", "livemode": false, "type": event_type,
        "data": {"object": object},
    });
    let sender = WebhookSender::new(harness, Stripe);
    assert_eq!(sender.post_body(&body).await, 200);
}

#[tokio::test]
async fn loss_before_confirmation_cancels_order() {
    let harness = start_shop(&[("SHIPPING_DELAY", "60s")]).await;
    let lose = async |(provider, kind)| {
        let id = create_order(&harness).await;
        let name = format!("lost-{provider}-{kind:?}");
        let outcome = report(&harness, (provider, kind), &id, &name, TOTAL).await;
        assert_eq!(outcome, "recorded", "{name}");
        confirm(&harness, &id, &name, 50.0)
            .await
            .expect_problem(409, "payment_refunded");
        expect_end(&harness, &id, "cancelled").await;
        let [row] = ledger_of(&harness, &name).await.try_into().unwrap();
        assert_eq!(row.provider, provider.to_string(), "{name}");
        assert_eq!((row.captured, row.allocated), (5_000, 0), "{name}");
    };
    let cases = [
        (Stripe, Refunded),
        (Adyen, Refunded),
        (Stripe, DisputeLost),
        (Standard, Returned),
    ];
    run_cases(cases.map(lose)).await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn dispute_before_confirmation_holds_order() {
    let harness = start_shop(&[]).await;
    let dispute = async |provider| {
        let id = create_order(&harness).await;
        let name = format!("disputed-{provider}");
        report(&harness, (provider, Disputed), &id, &name, TOTAL).await;
        confirm(&harness, &id, &name, 50.0).await.expect_status(200);
        wait_for_audit_event(&harness, &id, "payment_held").await;
        assert_eq!(
            work_list_of(&harness, &id).await,
            [format!("dispute_open 50.00 {name}")]
        );
        cancel(&harness, &id).await;
    };
    run_cases([Stripe, Adyen, Standard].map(dispute)).await;
    // The event calls the payment by its intent, and the caller by its charge.
    let id = create_order(&harness).await;
    let charge = json!({
        "id": format!("ch_{id}"), "object": "charge", "payment_intent": format!("pi_{id}"),
        "amount": 5_000, "amount_captured": 5_000, "amount_refunded": 2_000, "refunded": false,
        "captured": true, "currency": "usd", "metadata": {"order_id": id},
    });
    post_stripe(&harness, &format!("evt-{id}"), "charge.refunded", charge).await;
    confirm(&harness, &id, &format!("ch_{id}"), 50.0)
        .await
        .expect_problem(422, "payment_mismatch");
    assert_eq!(
        ledger_of(&harness, &format!("pi_{id}")).await,
        [Entry::paid(Stripe, &id, 5_000).with_refunded(2_000)]
    );
    let order = harness.get(&format!("/orders/{id}")).await.body;
    assert_eq!(order["waiting_for"]["reason"], "payment_rest", "{order}");
    harness.assert_invariants().await;
}

/// Asserts that the order is delivered, and that its session and its intent are one payment.
async fn expect_one_payment(harness: &Harness, id: &str) {
    expect_end(harness, id, "delivered").await;
    for name in ["cs", "pi"] {
        assert_eq!(
            ledger_of(harness, &format!("{name}_{id}")).await,
            [Entry::paid(Stripe, id, 5_000)],
            "{name}"
        );
    }
    assert_eq!(work_list_of(harness, id).await, NOTHING);
    assert_eq!(work_list_about(harness, &format!("pi_{id}")).await, NOTHING);
    assert_eq!(
        count_audit_events(harness, id, "payment_confirmed").await,
        1
    );
}

#[tokio::test]
async fn confirmed_session_and_its_intent_are_one_payment() {
    let harness = start_shop(&[]).await;
    let pay = async |is_open: bool| {
        let id = create_order(&harness).await;
        let (cs, pi) = (format!("cs_{id}"), format!("pi_{id}"));
        confirm(&harness, &id, &cs, 50.0).await.expect_status(200);
        if !is_open {
            expect_end(&harness, &id, "delivered").await;
        }
        let [first, second] = ["pi", "cs"].map(|name| format!("evt-{name}-{id}"));
        let succeeded = intent_of(&id, &pi, 5_000);
        send_stripe(&harness, &first, "payment_intent.succeeded", succeeded).await;
        let completed = session_of(&id, &cs, json!(pi));
        send_stripe(&harness, &second, "checkout.session.completed", completed).await;
        assert_eq!(wait_for_outcome(&harness, &second).await, "known");
        assert_eq!(wait_for_outcome(&harness, &first).await, "known");
        expect_one_payment(&harness, &id).await;
        let kinds = list_audit_kinds(&harness, &id).await;
        assert!(!kinds.contains(&"request_refused".to_owned()), "{kinds:?}");
    };
    run_cases([true, false].map(pay)).await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn late_session_joins_the_payments_of_an_order() {
    let harness = start_shop(&[("SETTLEMENT_GRACE", "1s")]).await;
    let id = create_order(&harness).await;
    let (cs, pi) = (format!("cs_{id}"), format!("pi_{id}"));
    confirm(&harness, &id, &cs, 50.0).await.expect_status(200);
    let succeeded = intent_of(&id, &pi, 5_000);
    let event_id = format!("evt-pi-{id}");
    assert_eq!(
        post_stripe(&harness, &event_id, "payment_intent.succeeded", succeeded).await,
        "refund_due"
    );
    assert_eq!(
        work_list_of(&harness, &id).await,
        [format!("refund_due 50.00 {pi}")]
    );
    let event_id = format!("evt-cs-{id}");
    let completed = session_of(&id, &cs, json!(pi));
    assert_eq!(
        post_stripe(&harness, &event_id, "checkout.session.completed", completed).await,
        "known"
    );
    expect_one_payment(&harness, &id).await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn joined_payment_that_was_refunded_needs_an_operator() {
    let harness = start_shop(&[("SETTLEMENT_GRACE", "1s")]).await;
    let id = create_order(&harness).await;
    let (cs, pi) = (format!("cs_{id}"), format!("pi_{id}"));
    confirm(&harness, &id, &cs, 50.0).await.expect_status(200);
    expect_end(&harness, &id, "delivered").await;
    let event_id = format!("evt-pi-{id}");
    let succeeded = intent_of(&id, &pi, 5_000);
    post_stripe(&harness, &event_id, "payment_intent.succeeded", succeeded).await;
    report(&harness, (Stripe, Refunded), &id, &pi, TOTAL).await;
    let event_id = format!("evt-cs-{id}");
    let completed = session_of(&id, &cs, json!(pi));
    post_stripe(&harness, &event_id, "checkout.session.completed", completed).await;
    assert_eq!(
        ledger_of(&harness, &cs).await,
        [Entry::paid(Stripe, &id, 5_000).with_refunded(5_000)]
    );
    assert_eq!(
        work_list_of(&harness, &id).await,
        [format!("part_refunded 50.00 {pi}")]
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn session_without_intent_joins_the_orders_intent() {
    let harness = start_shop(&[]).await;
    let id = create_order(&harness).await;
    let event_id = format!("evt-cs-{id}");
    let completed = session_of(&id, &format!("cs_{id}"), Value::Null);
    assert_eq!(
        post_stripe(&harness, &event_id, "checkout.session.completed", completed).await,
        "applied"
    );
    let event_id = format!("evt-pi-{id}");
    let succeeded = intent_of(&id, &format!("pi_{id}"), 5_000);
    assert_eq!(
        post_stripe(&harness, &event_id, "payment_intent.succeeded", succeeded).await,
        "known"
    );
    expect_one_payment(&harness, &id).await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn confirmation_against_the_provider_is_refused() {
    let harness = start_shop(&[]).await;
    let refuse = async |(name, kinds, reported, confirmed, text): (
        &str,
        &[payment_webhooks::SampleKind],
        &str,
        f64,
        &str,
    )| {
        let id = create_order(&harness).await;
        for kind in kinds {
            report(&harness, (Stripe, *kind), &id, name, reported).await;
        }
        let refused = confirm(&harness, &id, name, confirmed).await;
        let detail = refused.body["detail"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert!(detail.contains(text), "{name}: {refused:?}");
        refused.expect_problem(422, "payment_mismatch");
        let status = harness.get(&format!("/orders/{id}/status")).await.body;
        assert_eq!(status["status"], "pending", "{name}");
        cancel(&harness, &id).await;
    };
    let cases: [(&str, &[_], &str, f64, &str); 4] = [
        ("pi_authorised", &[Authorised], TOTAL, 50.0, "not captured"),
        ("pi_voided", &[Authorised, Voided], TOTAL, 50.0, "ended"),
        ("pi_rest", &[Paid], "20.00", 30.0, "20.00 USD"),
        ("pi_sum", &[Paid], "20.00", 50.0, "20.00 USD"),
    ];
    run_cases(cases.map(refuse)).await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn refusal_states_the_missing_amount() {
    let harness = start_shop(&[]).await;
    let id = create_order(&harness).await;
    report(&harness, (Stripe, Paid), &id, "pi_part", "20.00").await;
    let refused = confirm(&harness, &id, "T-rest", 50.0).await;
    assert_eq!(
        refused.body["detail"],
        "30.00 USD of the order's total of 50.00 USD is missing."
    );
    refused.expect_problem(422, "payment_mismatch");
    // The order refused a payment in another currency, whose money is due.
    let data = json!({
        "transaction_id": "T-euro", "order_id": id, "amount": "30.00", "currency": "EUR",
    });
    post_standard(&harness, "evt-euro", "payment.succeeded", data).await;
    let refused = confirm(&harness, &id, "T-euro", 30.0).await;
    let detail = refused.body["detail"].as_str().unwrap().to_owned();
    assert!(!detail.contains("another order"), "{detail}");
    let refused = refused.expect_problem(409, "payment_refunded");
    assert_eq!(refused["payment_status"], "refund_due");
    let refusals = audit_payloads(&harness, &id, "request_refused").await;
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    cancel(&harness, &id).await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn captures_of_one_transaction_are_one_payment() {
    let harness = start_shop(&[("PAYMENT_PARTIAL", "refund")]).await;
    let id = create_order(&harness).await;
    for (number, amount) in [(1, "20.00"), (2, "30.00")] {
        let event_id = format!("evt-{number}-{id}");
        let data = json!({
            "transaction_id": "T-parts", "order_id": id, "amount": amount, "currency": "USD",
            "capture_id": format!("C{number}"),
        });
        post_standard(&harness, &event_id, "payment.captured", data).await;
    }
    expect_end(&harness, &id, "delivered").await;
    assert_eq!(
        ledger_of(&harness, "T-parts").await,
        [Entry::paid(Standard, &id, 5_000)]
    );
    assert_eq!(work_list_of(&harness, &id).await, NOTHING);
    // Without the rest, the part is refunded when the order ends.
    let id = create_order(&harness).await;
    let data = json!({
        "transaction_id": "T-part", "order_id": id, "amount": "20.00", "currency": "USD",
        "capture_id": "C3",
    });
    post_standard(&harness, "evt-part", "payment.captured", data).await;
    cancel(&harness, &id).await;
    assert_eq!(
        work_list_of(&harness, &id).await,
        ["refund_due 20.00 T-part"]
    );
    harness.assert_invariants().await;
}
