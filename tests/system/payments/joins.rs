//! Reports that belong together: events that arrive before the confirmation of their transaction.

use serde_json::json;

use super::{
    Adyen, Entry, Standard, Stripe, TOTAL, cancel, create_order, expect_end, ledger_of,
    post_stripe, report, run_cases, start_shop, wait_for_audit_event, work_list_of,
};
use crate::{api::ApiResponse, harness::Harness};
use payment_webhooks::SampleKind::{DisputeLost, Disputed, Refunded, Returned};

async fn confirm(harness: &Harness, id: &str, transaction_id: &str, amount: f64) -> ApiResponse {
    let confirmation = json!({"transaction_id": transaction_id, "amount": amount});
    harness
        .post(&format!("/orders/{id}/payment"), confirmation)
        .await
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
            .expect_problem(409, "order_closed");
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
