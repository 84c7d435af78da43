//! Reports that contradict each other: a claim of a caller and the reports of the provider, one id in
//! two payments, and money that returns after another payment has replaced it.

use serde_json::{Value, json};

use super::{
    Adyen, Checkout, Entry, NOTHING, PAYING, Standard, Stripe, TOTAL, audit_payloads, confirm,
    create_order, expect_end, intent_of, ledger_of, post_adyen, post_checkout, post_standard,
    post_stripe, report, run_cases, session_of, start_shop, wait_for_audit_event, work_list_about,
    work_list_of,
};
use crate::harness::Harness;
use payment_webhooks::SampleKind::{Authorised, Disputed, Paid, Refunded, Voided};

/// Orders wait before their dispatch, so that each report arrives in time.
const SLOW: (&str, &str) = ("SHIPPING_DELAY", "10m");

async fn wait_for_work(harness: &Harness, id: &str, expected: &[&str]) {
    let entries = async || {
        let mut entries = work_list_of(harness, id).await;
        entries.sort();
        entries
    };
    harness
        .wait_until(&format!("the work list of {id}"), entries, |entries| {
            entries == expected
        })
        .await;
}

/// A session that names no intent took the intent of another tab. Its own intent is a second payment.
#[tokio::test]
async fn two_intents_of_one_session_are_two_payments() {
    let harness = start_shop(&[("SETTLEMENT_GRACE", "1s")]).await;
    let id = create_order(&harness).await;
    let [cs, other, own] = ["cs", "pi_other", "pi_own"].map(|name| format!("{name}_{id}"));
    let completed = "checkout.session.completed";
    let session = session_of(&id, &cs, Value::Null);
    post_stripe(&harness, &format!("evt-1-{id}"), completed, session).await;
    let succeeded = "payment_intent.succeeded";
    let intent = intent_of(&id, &other, 5_000);
    post_stripe(&harness, &format!("evt-2-{id}"), succeeded, intent).await;
    let session = session_of(&id, &cs, json!(own));
    post_stripe(&harness, &format!("evt-3-{id}"), completed, session).await;
    let intent = intent_of(&id, &own, 5_000);
    post_stripe(&harness, &format!("evt-4-{id}"), succeeded, intent).await;
    expect_end(&harness, &id, "delivered").await;
    assert_eq!(
        ledger_of(&harness, &other).await,
        [Entry::paid(Stripe, &id, 5_000)]
    );
    for name in [&own, &cs] {
        assert_eq!(
            ledger_of(&harness, name).await,
            [Entry::paid(Stripe, &id, 5_000).with_due(5_000)]
        );
    }
    wait_for_work(&harness, &id, &[&format!("refund_due 50.00 {own}")]).await;
    harness.assert_invariants().await;
}

/// A caller claims the session of A for B. The session's event shows whose money it is.
#[tokio::test]
async fn claim_of_another_orders_session_is_refuted() {
    let harness = start_shop(&[("DELIVERY", "confirm"), SLOW]).await;
    let shipped = start_shop(&[("DELIVERY", "confirm")]).await;
    let claim = async |harness: &Harness, is_shipped: bool| {
        let [a, b] = [create_order(harness).await, create_order(harness).await];
        let [cs, pi] = ["cs", "pi"].map(|name| format!("{name}_{a}"));
        confirm(harness, &b, &cs, TOTAL).await.expect_status(200);
        let status = if is_shipped { "shipped" } else { "preparing" };
        harness.wait_for_status(&b, status).await;
        let intent = intent_of(&a, &pi, 5_000);
        let event_id = format!("evt-pi-{a}");
        post_stripe(harness, &event_id, "payment_intent.succeeded", intent).await;
        let session = session_of(&a, &cs, json!(pi));
        let event_id = format!("evt-cs-{a}");
        post_stripe(harness, &event_id, "checkout.session.completed", session).await;
        wait_for_work(harness, &b, &[&format!("capture_refused 50.00 {cs}")]).await;
        assert_eq!(
            ledger_of(harness, &pi).await,
            [Entry::paid(Stripe, &a, 5_000)]
        );
        assert_eq!(work_list_of(harness, &a).await, NOTHING);
        if !is_shipped {
            wait_for_audit_event(harness, &b, "payment_held").await;
        }
        // Another payment replaces the money.
        report(harness, (Standard, Paid), &b, &format!("T-{b}"), TOTAL).await;
        wait_for_work(harness, &b, &[]).await;
        harness.assert_invariants().await;
    };
    futures::join!(claim(&harness, false), claim(&shipped, true));
}

/// The provider reports less than the caller, another currency, or the end of the attempt.
#[tokio::test]
async fn report_of_the_provider_replaces_a_claim() {
    let harness = start_shop(&[SLOW]).await;
    let less = async |provider| {
        let id = create_order(&harness).await;
        let name = format!("less-{provider}");
        confirm(&harness, &id, &name, TOTAL)
            .await
            .expect_status(200);
        report(&harness, (provider, Paid), &id, &name, "30.00").await;
        wait_for_audit_event(&harness, &id, "payment_held").await;
        assert_eq!(
            ledger_of(&harness, &name).await,
            [Entry::paid(provider, &id, 3_000)],
            "{provider}"
        );
        wait_for_work(&harness, &id, &[&format!("capture_short 20.00 {name}")]).await;
    };
    let currency = async {
        let id = create_order(&harness).await;
        confirm(&harness, &id, "T-euro", TOTAL)
            .await
            .expect_status(200);
        harness.wait_for_status(&id, "preparing").await;
        let paid = json!({
            "order_id": id, "transaction_id": "T-euro", "amount": TOTAL, "currency": "EUR",
        });
        post_standard(&harness, "evt-euro", "payment.succeeded", paid).await;
        wait_for_audit_event(&harness, &id, "payment_held").await;
        wait_for_work(
            &harness,
            &id,
            &["capture_refused 50.00 T-euro", "refund_due 50.00 T-euro"],
        )
        .await;
    };
    let ended = async {
        let id = create_order(&harness).await;
        confirm(&harness, &id, "pi_ended", TOTAL)
            .await
            .expect_status(200);
        report(&harness, (Stripe, Voided), &id, "pi_ended", TOTAL).await;
        expect_end(&harness, &id, "cancelled").await;
        let [row] = ledger_of(&harness, "pi_ended").await.try_into().unwrap();
        assert_eq!((row.status.as_str(), row.captured), ("declined", 0));
    };
    futures::join!(run_cases(PAYING.map(less)), currency, ended);
    harness.assert_invariants().await;
}

#[tokio::test]
async fn refund_that_fails_after_a_replacement_leaves_an_excess() {
    let harness = start_shop(&[]).await;
    let hold = start_shop(&[SLOW]).await;
    // The refund fails while the order is open.
    let open = async {
        let id = create_order(&hold).await;
        report(&hold, (Stripe, Paid), &id, "pi_open", TOTAL).await;
        hold.wait_for_status(&id, "preparing").await;
        let refund = |status: &str| {
            json!({
                "id": "re_open", "object": "refund", "payment_intent": "pi_open", "amount": 2_000,
                "currency": "usd", "status": status,
            })
        };
        post_stripe(&hold, "evt-re-1", "refund.created", refund("succeeded")).await;
        wait_for_audit_event(&hold, &id, "payment_held").await;
        report(&hold, (Checkout, Paid), &id, "pay_open", "20.00").await;
        wait_for_audit_event(&hold, &id, "payment_released").await;
        post_stripe(&hold, "evt-re-2", "refund.failed", refund("failed")).await;
        wait_for_work(&hold, &id, &["refund_due 20.00 pay_open"]).await;
    };
    // A lost dispute is won after the order has ended and another payment has replaced the money.
    let ended = async {
        let id = create_order(&harness).await;
        post_adyen(&harness, ("AUTHORISATION", None), &id, "PSP-won", 5_000).await;
        expect_end(&harness, &id, "delivered").await;
        let lost = ("SECOND_CHARGEBACK", Some("PSP-won-lost"));
        post_adyen(&harness, lost, &id, "PSP-won", 5_000).await;
        wait_for_work(&harness, &id, &["dispute_lost 50.00 PSP-won"]).await;
        report(&harness, (Standard, Paid), &id, "T-won", TOTAL).await;
        wait_for_work(&harness, &id, &[]).await;
        let won = ("PREARBITRATION_WON", Some("PSP-won-again"));
        post_adyen(&harness, won, &id, "PSP-won", 5_000).await;
        wait_for_work(&harness, &id, &["refund_due 50.00 T-won"]).await;
        wait_for_audit_event(&harness, &id, "stray_payment_refund_due").await;
    };
    futures::join!(open, ended);
    for harness in [harness, hold] {
        harness.assert_invariants().await;
    }
}

#[tokio::test]
async fn dispute_won_after_a_cancel_leaves_money_to_refund() {
    let harness = start_shop(&[SLOW]).await;
    let id = create_order(&harness).await;
    post_adyen(&harness, ("AUTHORISATION", None), &id, "PSP-back", 5_000).await;
    harness.wait_for_status(&id, "preparing").await;
    let lost = ("SECOND_CHARGEBACK", Some("PSP-back-lost"));
    post_adyen(&harness, lost, &id, "PSP-back", 5_000).await;
    expect_end(&harness, &id, "cancelled").await;
    let won = ("PREARBITRATION_WON", Some("PSP-back-won"));
    post_adyen(&harness, won, &id, "PSP-back", 5_000).await;
    wait_for_work(&harness, &id, &["refund_due 50.00 PSP-back"]).await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn part_of_an_authorisation_holds_the_order() {
    let settings = [
        ("CAPTURE", "on_dispatch"),
        ("ADYEN_CAPTURE", "manual"),
        SLOW,
    ];
    let harness = start_shop(&settings).await;
    let capture = async |is_stripe: bool| {
        let id = create_order(&harness).await;
        let name = format!("pi_part-{is_stripe}");
        if is_stripe {
            report(&harness, (Stripe, Authorised), &id, &name, TOTAL).await;
            harness.wait_for_status(&id, "preparing").await;
            let mut intent = intent_of(&id, &name, 2_000);
            intent["amount"] = json!(5_000);
            post_stripe(&harness, "evt-part", "payment_intent.succeeded", intent).await;
        } else {
            post_adyen(&harness, ("AUTHORISATION", None), &id, &name, 5_000).await;
            harness.wait_for_status(&id, "preparing").await;
            let captured = ("CAPTURE", Some("PSP-part"));
            post_adyen(&harness, captured, &id, &name, 2_000).await;
        }
        wait_for_audit_event(&harness, &id, "payment_held").await;
        let hold = audit_payloads(&harness, &id, "payment_held").await;
        assert_eq!(hold[0]["missing"].as_f64(), Some(30.0), "{hold:?}");
        wait_for_work(&harness, &id, &[&format!("capture_short 30.00 {name}")]).await;
        report(
            &harness,
            (Standard, Paid),
            &id,
            &format!("T-{name}"),
            "30.00",
        )
        .await;
        wait_for_audit_event(&harness, &id, "payment_released").await;
        wait_for_work(&harness, &id, &[]).await;
    };
    run_cases([true, false].map(capture)).await;
    harness.assert_invariants().await;
}

/// A cancelled payment pays nothing, also if its authorisation is captured later.
#[tokio::test]
async fn cancelled_authorisation_is_left_to_an_operator() {
    let settings = [
        ("CAPTURE", "on_dispatch"),
        ("ADYEN_CAPTURE", "manual"),
        SLOW,
    ];
    let harness = start_shop(&settings).await;
    let pay = async |provider| {
        let id = create_order(&harness).await;
        let name = format!("reserved-{provider}");
        report(&harness, (provider, Authorised), &id, &name, TOTAL).await;
        harness.wait_for_status(&id, "preparing").await;
        let path = format!("/orders/{id}/signals/cancel-payment");
        harness.post(&path, json!({})).await.expect_status(200);
        wait_for_work(
            &harness,
            &id,
            &[&format!("authorisation_open 50.00 {name}")],
        )
        .await;
        // It can be captured all the same.
        match provider {
            Adyen => {
                let captured = ("CAPTURE", Some("PSP-reserved"));
                post_adyen(&harness, captured, &id, &name, 5_000).await;
            }
            _ => {
                report(&harness, (provider, Paid), &id, &name, TOTAL).await;
            }
        }
        wait_for_work(&harness, &id, &[&format!("refund_due 50.00 {name}")]).await;
        let order = harness
            .get(&format!("/orders/{id}"))
            .await
            .expect_status(200);
        assert_eq!(order["status"], "pending", "{provider}: {order}");
    };
    run_cases(PAYING.map(pay)).await;
    harness.assert_invariants().await;
}

/// The events of one attempt arrive back to back, also before the order waits.
#[tokio::test]
async fn ended_attempt_keeps_the_order_waiting() {
    let harness = start_shop(&[]).await;
    let attempt = async |provider| {
        let id = create_order(&harness).await;
        let name = format!("attempt-{provider}");
        let events =
            [Authorised, Voided].map(|kind| report(&harness, (provider, kind), &id, &name, TOTAL));
        futures::future::join_all(events).await;
        assert_eq!(work_list_of(&harness, &id).await, NOTHING, "{provider}");
        let order = harness
            .get(&format!("/orders/{id}"))
            .await
            .expect_status(200);
        assert_eq!(order["status"], "pending", "{provider}: {order}");
        let paid = format!("paid-{provider}");
        report(&harness, (provider, Paid), &id, &paid, TOTAL).await;
        expect_end(&harness, &id, "delivered").await;
    };
    let providers = PAYING.into_iter().filter(|provider| *provider != Adyen);
    run_cases(providers.map(attempt)).await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn dispute_of_a_refunded_payment_is_listed() {
    let harness = start_shop(&[]).await;
    let dispute = async |provider| {
        let id = create_order(&harness).await;
        let name = format!("twice-{provider}");
        report(&harness, (provider, Paid), &id, &name, TOTAL).await;
        expect_end(&harness, &id, "delivered").await;
        report(&harness, (provider, Refunded), &id, &name, TOTAL).await;
        report(&harness, (provider, Disputed), &id, &name, TOTAL).await;
        wait_for_work(&harness, &id, &[&format!("dispute_open 50.00 {name}")]).await;
    };
    run_cases(PAYING.map(dispute)).await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn payment_of_a_held_order_can_be_cancelled() {
    let harness = start_shop(&[SLOW]).await;
    let id = create_order(&harness).await;
    report(&harness, (Standard, Paid), &id, "T-held", TOTAL).await;
    harness.wait_for_status(&id, "preparing").await;
    report(&harness, (Standard, Refunded), &id, "T-held", "20.00").await;
    wait_for_audit_event(&harness, &id, "payment_held").await;
    let path = format!("/orders/{id}/signals/cancel-payment");
    let cancelled = harness.post(&path, json!({})).await.expect_status(200);
    let message = cancelled["message"].as_str().unwrap_or_default();
    assert!(message.contains("An operator must refund"), "{cancelled}");
    wait_for_work(&harness, &id, &["refund_due 30.00 T-held"]).await;
    // The cancelled payment is not a new one.
    let again = confirm(&harness, &id, "T-held", TOTAL)
        .await
        .expect_status(200);
    assert_eq!(again["already"], true, "{again}");
    post_checkout(
        &harness,
        ("payment_captured", "act_new"),
        &id,
        "pay_new",
        5_000,
    )
    .await;
    harness.wait_for_status(&id, "preparing").await;
    assert_eq!(work_list_about(&harness, "pay_new").await, NOTHING);
    harness.assert_invariants().await;
}
