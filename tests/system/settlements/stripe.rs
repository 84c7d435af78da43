//! Unmatched payments at a provider that can refund them: localstripe, which keeps Stripe's
//! records.

use serde_json::json;

use super::{TOTAL, WebhookSender, start_shop};
use crate::stripe::localstripe::{API_KEY, Localstripe};
use domain::WebhookProvider::Stripe;
use payment_webhooks::SampleKind::Paid;

#[tokio::test]
async fn unmatched_payment_is_refunded_at_stripe_once() {
    let Some(books) = Localstripe::start().await else {
        return;
    };
    let stripe = [
        ("PAYMENT_PROVIDER", "stripe"),
        ("STRIPE_API_KEY", API_KEY),
        ("STRIPE_API_BASE", books.url.as_str()),
    ];
    let harness = start_shop(&[&stripe[..], &[("SETTLEMENT_GRACE", "1s")]].concat()).await;
    let sender = WebhookSender::new(&harness, Stripe);
    let cancelled = harness.create_unpaid_order().await;
    harness
        .post(&format!("/orders/{cancelled}/cancel"), json!({}))
        .await
        .expect_status(200);
    harness.wait_for_end(&cancelled).await;
    for id in [cancelled.as_str(), "stripes-money-for-nobody"] {
        let intent = books.create_paid_intent(9_999, "usd", id).await;
        let paid = sender.payment(id, &intent, TOTAL);
        for copy in ["a", "b"] {
            sender.send_event(Paid, &paid, copy).await;
            assert_eq!(
                harness
                    .wait_for_outcome(&sender.event_id(Paid, &paid, copy))
                    .await,
                "refunded",
                "{id}"
            );
        }
        assert_eq!(
            harness.payment_status(Stripe, &intent).await.as_deref(),
            Some("refunded")
        );
        let refunds = books.list_refunds().await;
        let of_intent = refunds
            .iter()
            .filter(|refund| refund["payment_intent"] == json!(intent))
            .count();
        assert_eq!(of_intent, 1, "{refunds:?}");
    }
    assert_eq!(
        harness
            .count_audit_events(&cancelled, "stray_payment_refunded")
            .await,
        1
    );
    // An intent of another account cannot be refunded here.
    let foreign = sender.payment(&cancelled, "pi_of_another_account", TOTAL);
    sender.send_event(Paid, &foreign, "foreign").await;
    assert_eq!(
        harness
            .wait_for_outcome(&sender.event_id(Paid, &foreign, "foreign"))
            .await,
        "refund_due"
    );
    harness.assert_invariants().await;
}
