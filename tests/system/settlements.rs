//! Money by payment providers' notifications: in time, and at every wrong time there is. Each case has an end that holds.

mod afterwards;
mod sender;
mod storm;
mod strays;
mod stripe;

use crate::{api::paid_order, world::World};
use domain::WebhookProvider::{self, Adyen, Checkout, Square, Standard, Stripe};
use payment_webhooks::SampleKind::{Disputed, Failed, Paid, Refunded};
pub(crate) use sender::Sender;
use serde_json::{Value, json};

/// What the orders of these tests cost.
const TOTAL: &str = "99.99";

/// A world whose orders wait for their payment, and which knows every provider's secret.
async fn shop(settings: &[(&str, &str)]) -> World {
    let usual = [("ORDER_PROFILE", "checkout"), ("SETTLEMENT_GRACE", "10m")];
    crate::webhooks::with(&[&usual, settings].concat()).await
}

impl World {
    /// An order that waits for its payment.
    async fn unpaid(&self) -> String {
        let id = self.post("/orders", paid_order()).await.started();
        let look = async || self.trail(&id).await;
        self.eventually("the wait for the payment", look, |trail| {
            trail.contains(&"payment_requested".to_owned())
        })
        .await;
        id
    }

    /// What became of an event, once that is known.
    pub(crate) async fn outcome(&self, event_id: &str) -> String {
        let look = async || {
            let deliveries = store::deliveries::list(&self.pool, None, Some(event_id), 10)
                .await
                .unwrap();
            deliveries.first().map(|delivery| delivery.outcome.clone())
        };
        let settled =
            |outcome: &Option<String>| outcome.as_ref().is_some_and(|outcome| outcome != "pending");
        self.eventually(&format!("the outcome of {event_id}"), look, settled)
            .await
            .unwrap()
    }

    /// How many entries of this type the order's trail has.
    async fn entries(&self, order_id: &str, kind: &str) -> usize {
        self.trail(order_id)
            .await
            .iter()
            .filter(|entry| *entry == kind)
            .count()
    }

    /// The status of the payment under which a provider's transaction is in our books.
    async fn payment(&self, provider: WebhookProvider, transaction_id: &str) -> Option<String> {
        let rows = store::payments::of_transaction(&self.pool, provider.as_str(), transaction_id)
            .await
            .unwrap();
        rows.map(|status| status.to_string())
    }

    async fn payment_info(&self, order_id: &str) -> Value {
        self.get(&format!("/orders/{order_id}")).await.is(200)["payment_info"].clone()
    }
}

/// For the recorded histories: orders and settlements that hear from providers.
pub(crate) async fn notified() -> World {
    let world = shop(&[("SHIPPING_DELAY", "3s"), ("SETTLEMENT_GRACE", "1s")]).await;
    for id in ["notified", "notified-back", "notified-cancelled"] {
        world
            .post(&format!("/orders/{id}/start"), paid_order())
            .await
            .is(202);
    }
    let stripe = Sender::of(&world, Stripe);
    for (transaction, kind) in [
        ("notified-first", Paid),
        ("notified-second", Paid),
        ("notified-first", Disputed),
    ] {
        stripe
            .send(kind, &stripe.about("notified", transaction, TOTAL), "r")
            .await;
        world
            .outcome(&format!("{}-r-{transaction}", kind.as_str()))
            .await;
    }
    let square = Sender::of(&world, Square);
    let back = square.about("notified-back", "notified-back", TOTAL);
    square.send(Paid, &back, "r").await;
    world.reaches("notified-back", "preparing").await;
    square.send(Refunded, &back, "r").await;
    world
        .post("/orders/notified-cancelled/cancel", json!({}))
        .await
        .is(200);
    world.ended("notified-cancelled").await;
    let late = stripe.about("notified-cancelled", "notified-late", TOTAL);
    stripe.send(Paid, &late, "r").await;
    let standard = Sender::of(&world, Standard);
    let nobody = standard.about("notified-nobody", "notified-nobody", TOTAL);
    standard.send(Paid, &nobody, "r").await;
    for event_id in [
        "paid-r-notified-late",
        "paid-r-notified-nobody",
        "refunded-r-notified-back",
    ] {
        world.outcome(event_id).await;
    }
    for id in ["notified", "notified-back"] {
        world.ended(id).await;
    }
    world
}

#[tokio::test]
async fn each_provider_that_can_say_so_pays_an_order_once() {
    let world = shop(&[]).await;
    for provider in [Stripe, Adyen, Standard, Square, Checkout] {
        let id = world.unpaid().await;
        let sender = Sender::of(&world, provider);
        let paid = sender.about(&id, &format!("paid-{id}"), TOTAL);
        for _ in 0..3 {
            assert_eq!(sender.send(Paid, &paid, "once").await, 200, "{provider}");
        }
        assert_eq!(
            world.ended(&id).await.status.as_str(),
            "delivered",
            "{provider}"
        );
        assert_eq!(
            world.outcome(&sender.event_id(Paid, &paid, "once")).await,
            "applied",
            "{provider}"
        );
        // After the end, too; and told by another event it is the same payment.
        for event in ["once", "twice"] {
            assert_eq!(sender.send(Paid, &paid, event).await, 200, "{provider}");
            world.outcome(&sender.event_id(Paid, &paid, event)).await;
        }
        assert_eq!(
            world.entries(&id, "payment_confirmed").await,
            1,
            "{provider}"
        );
        assert_eq!(
            world
                .payment(provider, &paid.transaction_id)
                .await
                .as_deref(),
            Some("captured"),
            "{provider}"
        );
    }
    world.verify().await;
}

#[tokio::test]
async fn a_failed_try_is_told_and_the_order_waits_on() {
    let world = shop(&[]).await;
    let id = world.unpaid().await;
    let sender = Sender::of(&world, Stripe);
    let paid = sender.about(&id, &format!("tries-{id}"), TOTAL);
    sender.send(Failed, &paid, "first").await;
    assert_eq!(
        world
            .outcome(&sender.event_id(Failed, &paid, "first"))
            .await,
        "recorded"
    );
    sender.send(Paid, &paid, "second").await;
    assert_eq!(world.ended(&id).await.status.as_str(), "delivered");
    assert_eq!(world.entries(&id, "payment_attempt_failed").await, 1);
    world.verify().await;
}

#[tokio::test]
async fn a_payment_that_failed_for_good_ends_the_order() {
    let world = shop(&[]).await;
    let id = world.unpaid().await;
    let sender = Sender::of(&world, Stripe);
    let session = json!({"id": "evt-expired", "type": "checkout.session.expired", "data": {"object": {
        "id": format!("cs_{id}"), "client_reference_id": id, "payment_status": "unpaid",
    }}});
    assert_eq!(sender.post(&session).await, 200);
    let view = world.ended(&id).await;
    assert_eq!(view.failure.unwrap().code.as_str(), "payment_declined");
    assert_eq!(world.outcome("evt-expired").await, "applied");
    world.verify().await;
}

#[tokio::test]
async fn three_providers_events_are_recorded_and_pay_nothing() {
    let world = shop(&[]).await;
    let id = world.unpaid().await;
    for provider in [
        WebhookProvider::Mollie,
        WebhookProvider::GoCardless,
        WebhookProvider::Shopify,
    ] {
        let sender = Sender::of(&world, provider);
        let paid = sender.about(&id, &format!("said-{provider}-{id}"), TOTAL);
        let accepted = if provider == WebhookProvider::GoCardless {
            204
        } else {
            200
        };
        assert_eq!(sender.send(Paid, &paid, "said").await, accepted);
        assert_eq!(
            world.outcome(&sender.event_id(Paid, &paid, "said")).await,
            "unconfirmed",
            "{provider}"
        );
    }
    assert_eq!(
        world.get(&format!("/orders/{id}/status")).await.is(200)["status"],
        "pending"
    );
    world
        .post(&format!("/orders/{id}/cancel"), json!({}))
        .await
        .is(200);
    world.ended(&id).await;
    world.verify().await;
}

#[tokio::test]
async fn what_no_worker_takes_yet_is_kept() {
    let world = shop(&[("SETTLEMENT_GRACE", "1s")]).await;
    let id = world.unpaid().await;
    world.worker.kill().await;
    let sender = Sender::of(&world, Standard);
    let paid = sender.about(&id, &format!("kept-{id}"), TOTAL);
    assert_eq!(sender.send(Paid, &paid, "kept").await, 200);
    let stray = sender.about("nobody-has-this-order", &format!("kept-stray-{id}"), TOTAL);
    assert_eq!(sender.send(Paid, &stray, "stray").await, 200);
    world.worker.restart().await.unwrap();
    assert_eq!(world.ended(&id).await.status.as_str(), "delivered");
    assert_eq!(
        world.outcome(&sender.event_id(Paid, &stray, "stray")).await,
        "refund_due"
    );
    world.verify().await;
}

#[tokio::test]
async fn a_refund_of_our_own_is_no_news() {
    let world = shop(&[("SHIPPING_DELAY", "60s")]).await;
    let id = world.unpaid().await;
    let sender = Sender::of(&world, Stripe);
    let paid = sender.about(&id, &format!("ours-{id}"), TOTAL);
    sender.send(Paid, &paid, "paid").await;
    world.reaches(&id, "preparing").await;
    world
        .post(&format!("/orders/{id}/cancel"), json!({}))
        .await
        .is(200);
    let view = world.ended(&id).await;
    // The simulator is no adapter of Stripe's: a person gives it back there, and Stripe tells of it.
    assert_eq!(view.payment_info.unwrap().status.as_str(), "refund_due");
    sender.send(Refunded, &paid, "by-hand").await;
    assert_eq!(
        world
            .outcome(&sender.event_id(Refunded, &paid, "by-hand"))
            .await,
        "recorded"
    );
    assert_eq!(world.payment_info(&id).await["status"], "refunded");
    assert_eq!(
        world.payment(Stripe, &paid.transaction_id).await.as_deref(),
        Some("refunded")
    );
    world.verify().await;
}
