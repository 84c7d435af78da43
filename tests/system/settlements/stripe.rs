//! Money that no order waits for, where the provider can give it back: at localstripe, which keeps Stripe's books.

use serde_json::json;

use super::{Sender, TOTAL, shop};
use crate::stripe::localstripe::{KEY, Localstripe};
use domain::WebhookProvider::Stripe;
use payment_webhooks::SampleKind::Paid;

#[tokio::test]
async fn money_that_no_order_waits_for_is_refunded_at_stripe_once() {
    let Some(books) = Localstripe::start().await else {
        return;
    };
    let stripe = [
        ("PAYMENT_PROVIDER", "stripe"),
        ("STRIPE_API_KEY", KEY),
        ("STRIPE_API_BASE", books.url.as_str()),
    ];
    let world = shop(&[&stripe[..], &[("SETTLEMENT_GRACE", "1s")]].concat()).await;
    let sender = Sender::of(&world, Stripe);
    let cancelled = world.unpaid().await;
    world
        .post(&format!("/orders/{cancelled}/cancel"), json!({}))
        .await
        .is(200);
    world.ended(&cancelled).await;
    for id in [cancelled.as_str(), "stripes-money-for-nobody"] {
        let intent = books.paid_intent(9_999, "usd", id).await;
        let paid = sender.about(id, &intent, TOTAL);
        for copy in ["a", "b"] {
            sender.send(Paid, &paid, copy).await;
            assert_eq!(
                world.outcome(&sender.event_id(Paid, &paid, copy)).await,
                "refunded",
                "{id}"
            );
        }
        assert_eq!(
            world.payment(Stripe, &intent).await.as_deref(),
            Some("refunded")
        );
        let refunds = books.refunds().await;
        let of_intent = refunds
            .iter()
            .filter(|refund| refund["payment_intent"] == json!(intent))
            .count();
        assert_eq!(of_intent, 1, "{refunds:?}");
    }
    assert_eq!(world.entries(&cancelled, "stray_payment_refunded").await, 1);
    // An intent of another account can't be given back here.
    let foreign = sender.about(&cancelled, "pi_of_another_account", TOTAL);
    sender.send(Paid, &foreign, "foreign").await;
    assert_eq!(
        world
            .outcome(&sender.event_id(Paid, &foreign, "foreign"))
            .await,
        "refund_due"
    );
    world.verify().await;
}
