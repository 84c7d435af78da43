//! Money that is missing after an order was paid, and the payment that replaces it.

use serde_json::json;

use super::{
    Adyen, Entry, NOTHING, PAYING, Stripe, TOTAL, audit_payloads, cancel, confirm,
    count_audit_events, create_order, expect_end, ledger_of, post_adyen, report, run_cases,
    start_shop, wait_for_audit_event, work_list_of,
};
use crate::harness::Harness;
use domain::WebhookProvider;
use payment_webhooks::SampleKind::{Paid, Refunded};

/// Pays an order, whose parcel waits, and refunds 20.00 at the provider, so that it is held.
async fn hold_order(harness: &Harness, provider: WebhookProvider, name: &str) -> String {
    let id = create_order(harness).await;
    report(harness, (provider, Paid), &id, name, TOTAL).await;
    harness.wait_for_status(&id, "preparing").await;
    report(harness, (provider, Refunded), &id, name, "20.00").await;
    wait_for_audit_event(harness, &id, "payment_held").await;
    id
}

#[tokio::test]
async fn another_payment_releases_held_order() {
    let harness = start_shop(&[("SHIPPING_DELAY", "60s")]).await;
    let by_event = async |provider| {
        let (first, second) = (format!("first-{provider}"), format!("second-{provider}"));
        let id = hold_order(&harness, provider, &first).await;
        // More than the missing 20.00: the excess is refunded.
        let outcome = report(&harness, (provider, Paid), &id, &second, "30.00").await;
        assert_eq!(outcome, "applied", "{provider}");
        wait_for_audit_event(&harness, &id, "payment_released").await;
        wait_for_audit_event(&harness, &id, "payment_excess").await;
        let entries = async || work_list_of(&harness, &id).await;
        let excess = [format!("refund_due 10.00 {second}")];
        harness
            .wait_until("the excess", entries, |entries| *entries == excess)
            .await;
        assert_eq!(
            ledger_of(&harness, &second).await,
            [Entry::paid(provider, &id, 3_000).with_due(1_000)]
        );
        assert_eq!(
            count_audit_events(&harness, &id, "payment_confirmed").await,
            2
        );
        cancel(&harness, &id).await;
    };
    let by_api = async {
        let id = hold_order(&harness, Stripe, "pi_first").await;
        let refused = confirm(&harness, &id, "T-40", "40.00").await;
        let problem = refused.expect_problem(422, "payment_mismatch");
        assert!(problem.to_string().contains("20.00 USD"), "{problem}");
        for _ in 0..2 {
            let paid = confirm(&harness, &id, "T-20", "20.00").await;
            paid.expect_status(200);
        }
        wait_for_audit_event(&harness, &id, "payment_released").await;
        assert_eq!(
            ledger_of(&harness, "T-20").await,
            [Entry::paid("external", &id, 2_000)]
        );
        // Nothing is missing any more.
        let late = confirm(&harness, &id, "T-21", "20.00").await;
        late.expect_problem(409, "already_paid");
        cancel(&harness, &id).await;
    };
    futures::join!(run_cases(PAYING.map(by_event)), by_api);
    harness.assert_invariants().await;
}

#[tokio::test]
async fn approved_shortage_takes_no_other_payment() {
    let harness = start_shop(&[("SHIPPING_DELAY", "60s")]).await;
    let id = hold_order(&harness, Stripe, "pi_approved").await;
    let approval = format!("/orders/{id}/signals/approve");
    harness.post(&approval, json!({})).await.expect_status(200);
    wait_for_audit_event(&harness, &id, "payment_released").await;
    report(&harness, (Stripe, Paid), &id, "pi_unneeded", "20.00").await;
    assert_eq!(
        ledger_of(&harness, "pi_unneeded").await,
        [Entry::paid(Stripe, &id, 2_000).with_due(2_000)]
    );
    cancel(&harness, &id).await;
    harness.assert_invariants().await;
}

/// The order is shipped, and open or ended. Its capture is short; another payment has the rest.
#[tokio::test]
async fn another_payment_replaces_money_lost_after_dispatch() {
    let harness = start_shop(&[("DELIVERY", "confirm")]).await;
    let ship = async |ends: bool| {
        let (first, second) = (format!("PSP-{ends}"), format!("pi_{ends}"));
        let id = create_order(&harness).await;
        post_adyen(&harness, ("AUTHORISATION", None), &id, &first, 5_000).await;
        harness.wait_for_status(&id, "shipped").await;
        if ends {
            let confirm = format!("/orders/{id}/signals/confirm-delivery");
            harness.post(&confirm, json!({})).await.expect_status(200);
            expect_end(&harness, &id, "delivered").await;
        }
        let capture = format!("{first}-CAPTURE");
        post_adyen(&harness, ("CAPTURE", Some(&capture)), &id, &first, 2_000).await;
        assert_eq!(
            work_list_of(&harness, &id).await,
            [format!("capture_short 30.00 {first}")]
        );
        report(&harness, (Stripe, Paid), &id, &second, "30.00").await;
        assert_eq!(
            ledger_of(&harness, &second).await,
            [Entry::paid(Stripe, &id, 3_000)],
            "{ends}"
        );
        assert_eq!(work_list_of(&harness, &id).await, NOTHING, "{ends}");
        let kind = if ends {
            "payment_captured"
        } else {
            "payment_confirmed"
        };
        let entries = audit_payloads(&harness, &id, kind).await;
        assert!(
            entries
                .iter()
                .any(|entry| entry["transaction_id"] == second.as_str()),
            "{entries:?}"
        );
        // A third payment is not needed.
        let third = format!("{second}-third");
        report(&harness, (Stripe, Paid), &id, &third, "30.00").await;
        assert_eq!(
            ledger_of(&harness, &third).await,
            [Entry::paid(Stripe, &id, 3_000).with_due(3_000)],
            "{ends}"
        );
    };
    run_cases([ship(false), ship(true)]).await;
    // The shop's own refund after the dispatch is not missing money.
    let id = create_order(&harness).await;
    post_adyen(
        &harness,
        ("AUTHORISATION", None),
        &id,
        "PSP-goodwill",
        5_000,
    )
    .await;
    harness.wait_for_status(&id, "shipped").await;
    report(&harness, (Adyen, Refunded), &id, "PSP-goodwill", "20.00").await;
    report(&harness, (Stripe, Paid), &id, "pi_goodwill", "20.00").await;
    assert_eq!(
        ledger_of(&harness, "pi_goodwill").await,
        [Entry::paid(Stripe, &id, 2_000).with_due(2_000)]
    );
    harness.assert_invariants().await;
}
