//! What providers do with a payment afterwards: refunds, disputes, captures that fail.

use serde_json::json;

use super::{Sender, TOTAL, shop};
use crate::world::World;
use domain::WebhookProvider::{Adyen, Checkout, Square, Standard, Stripe};
use payment_webhooks::SampleKind::{Disputed, Paid, Refunded};

#[tokio::test]
async fn an_order_whose_money_went_back_at_the_provider_does_not_leave() {
    let world = shop(&[("SHIPPING_DELAY", "60s")]).await;
    // Square's refund names the payment only.
    for provider in [Stripe, Square] {
        let id = world.unpaid().await;
        let sender = Sender::of(&world, provider);
        let paid = sender.about(&id, &format!("back-{id}"), TOTAL);
        sender.send(Paid, &paid, "paid").await;
        world.reaches(&id, "preparing").await;
        sender.send(Refunded, &paid, "back").await;
        let view = world.ended(&id).await;
        assert_eq!(view.status.as_str(), "cancelled", "{provider}");
        assert_eq!(
            view.payment_info.unwrap().status.as_str(),
            "refunded",
            "{provider}"
        );
        assert_eq!(
            world
                .outcome(&sender.event_id(Refunded, &paid, "back"))
                .await,
            "recorded",
            "{provider}"
        );
        assert_eq!(
            world.entries(&id, "payment_refund_reported").await,
            1,
            "{provider}"
        );
        // Nobody gave it back once more.
        assert_eq!(world.books(&id).await, [] as [&str; 0], "{provider}");
    }
    world.verify().await;
}

#[tokio::test]
async fn a_refund_that_is_told_before_its_payment_ends_the_order_the_same_way() {
    let world = shop(&[("SHIPPING_DELAY", "60s"), ("SETTLEMENT_GRACE", "30s")]).await;
    // One names the order, the other only the payment that nobody knows yet.
    for provider in [Standard, Square] {
        let id = world.unpaid().await;
        let sender = Sender::of(&world, provider);
        let paid = sender.about(&id, &format!("backwards-{id}"), TOTAL);
        sender.send(Refunded, &paid, "back").await;
        let event_id = sender.event_id(Refunded, &paid, "back");
        let look = async || {
            store::deliveries::list(&world.pool, None, Some(&event_id), 1)
                .await
                .unwrap()
                .len()
        };
        world
            .eventually("the refund's delivery", look, |found| *found == 1)
            .await;
        sender.send(Paid, &paid, "paid").await;
        let view = world.ended(&id).await;
        assert_eq!(view.status.as_str(), "cancelled", "{provider}");
        assert_eq!(
            view.payment_info.unwrap().status.as_str(),
            "refunded",
            "{provider}"
        );
        assert_eq!(
            world
                .payment(provider, &paid.transaction_id)
                .await
                .as_deref(),
            Some("refunded"),
            "{provider}"
        );
        world.outcome(&event_id).await;
    }
    world.verify().await;
}

#[tokio::test]
async fn refunds_of_a_delivered_order_add_up_and_show() {
    let world = shop(&[]).await;
    let (id, sender) = (world.unpaid().await, Sender::of(&world, Checkout));
    let paid = sender.about(&id, &format!("parts-{id}"), TOTAL);
    sender.send(Paid, &paid, "paid").await;
    assert_eq!(world.ended(&id).await.status.as_str(), "delivered");
    let parts = ["50.00", "49.99"].map(|part| sender.about(&id, &paid.transaction_id, part));
    for (part, standing) in parts.iter().zip(["captured", "refunded"]) {
        sender.send(Refunded, part, standing).await;
        world
            .outcome(&sender.event_id(Refunded, part, standing))
            .await;
        assert_eq!(world.payment_info(&id).await["status"], standing);
    }
    let view = world.ended(&id).await;
    assert_eq!(
        (
            view.status.as_str(),
            world.entries(&id, "payment_refund_reported").await
        ),
        ("delivered", 2)
    );
    world.verify().await;
}

#[tokio::test]
async fn a_dispute_shows_while_the_order_runs_and_after() {
    let world = shop(&[("SHIPPING_DELAY", "60s")]).await;
    let sender = Sender::of(&world, Square);
    let running = disputed(&world, &sender).await;
    world
        .post(&format!("/orders/{running}/cancel"), json!({}))
        .await
        .is(200);
    world.ended(&running).await;
    let quick = shop(&[]).await;
    let sender = Sender::of(&quick, Stripe);
    let (id, paid) = {
        let id = quick.unpaid().await;
        let paid = sender.about(&id, &format!("disputed-{id}"), TOTAL);
        sender.send(Paid, &paid, "paid").await;
        quick.ended(&id).await;
        (id, paid)
    };
    sender.send(Disputed, &paid, "dispute").await;
    assert_eq!(
        quick
            .outcome(&sender.event_id(Disputed, &paid, "dispute"))
            .await,
        "recorded"
    );
    assert_eq!(quick.payment_info(&id).await["dispute"], "opened");
    assert_eq!(quick.entries(&id, "payment_disputed").await, 1);
    let won = json!({"id": format!("evt-won-{id}"), "type": "charge.dispute.closed", "data": {"object": {
        "id": "dp_1", "payment_intent": paid.transaction_id, "status": "won",
    }}});
    sender.post(&won).await;
    quick.outcome(&format!("evt-won-{id}")).await;
    assert_eq!(quick.payment_info(&id).await["dispute"], "won");
    world.verify().await;
    quick.verify().await;
}

/// An order whose payment is disputed while it is prepared. The dispute names the payment only.
async fn disputed(world: &World, sender: &Sender<'_>) -> String {
    let id = world.unpaid().await;
    let paid = sender.about(&id, &format!("disputed-{id}"), TOTAL);
    sender.send(Paid, &paid, "paid").await;
    world.reaches(&id, "preparing").await;
    sender.send(Disputed, &paid, "dispute").await;
    assert_eq!(
        world
            .outcome(&sender.event_id(Disputed, &paid, "dispute"))
            .await,
        "recorded"
    );
    assert_eq!(world.payment_info(&id).await["dispute"], "opened");
    id
}

#[tokio::test]
async fn an_order_whose_capture_failed_does_not_leave() {
    let world = shop(&[("SHIPPING_DELAY", "60s")]).await;
    let (id, sender) = (world.unpaid().await, Sender::of(&world, Adyen));
    let paid = sender.about(&id, &format!("uncaptured-{id}"), TOTAL);
    sender.send(Paid, &paid, "paid").await;
    world.reaches(&id, "preparing").await;
    let failed = json!({"live": "false", "notificationItems": [{"NotificationRequestItem": {
        "pspReference": format!("C-{id}"), "originalReference": paid.transaction_id, "merchantReference": id,
        "merchantAccountCode": "Orderflow", "amount": {"currency": "USD", "value": 9_999},
        "eventCode": "CAPTURE_FAILED", "success": "true",
    }}]});
    assert_eq!(sender.post(&failed).await, 200);
    let view = world.ended(&id).await;
    assert_eq!(view.status.as_str(), "cancelled");
    // There is nothing to give back.
    assert_eq!(
        world.payment(Adyen, &paid.transaction_id).await.as_deref(),
        Some("declined")
    );
    world.verify().await;
}

#[tokio::test]
async fn a_refund_that_did_not_arrive_is_due_again() {
    let world = shop(&[("SHIPPING_DELAY", "60s")]).await;
    let (id, sender) = (world.unpaid().await, Sender::of(&world, Stripe));
    let paid = sender.about(&id, &format!("bounced-{id}"), TOTAL);
    sender.send(Paid, &paid, "paid").await;
    world.reaches(&id, "preparing").await;
    sender.send(Refunded, &paid, "back").await;
    assert_eq!(
        world.ended(&id).await.payment_info.unwrap().status.as_str(),
        "refunded"
    );
    let bounced = json!({"id": format!("evt-bounced-{id}"), "type": "refund.failed", "data": {"object": {
        "id": format!("re_{}", sender.event_id(Refunded, &paid, "back")), "object": "refund", "amount": 9_999, "currency": "usd",
        "payment_intent": paid.transaction_id, "status": "failed", "failure_reason": "expired_or_canceled_card",
    }}});
    assert_eq!(sender.post(&bounced).await, 200);
    assert_eq!(
        world.outcome(&format!("evt-bounced-{id}")).await,
        "recorded"
    );
    assert_eq!(world.payment_info(&id).await["status"], "refund_due");
    assert_eq!(
        world.payment(Stripe, &paid.transaction_id).await.as_deref(),
        Some("refund_due")
    );
    world.verify().await;
}
