//! Money that no order waits for goes back, or to a person.

use serde_json::json;

use super::{Sender, TOTAL, sender::money, shop};
use crate::{api::paid_order, world::World};
use domain::WebhookProvider::{Adyen, Square, Standard, Stripe};
use payment_webhooks::SampleKind::Paid;

#[tokio::test]
async fn an_order_that_is_paid_twice_keeps_the_first() {
    let world = shop(&[("SHIPPING_DELAY", "60s"), ("DELIVERY", "auto:60s")]).await;
    let id = world.unpaid().await;
    let sender = Sender::of(&world, Stripe);
    let first = sender.about(&id, &format!("first-{id}"), TOTAL);
    let second = sender.about(&id, &format!("second-{id}"), TOTAL);
    sender.send(Paid, &first, "a").await;
    world.reaches(&id, "preparing").await;
    sender.send(Paid, &second, "b").await;
    assert_eq!(
        world.outcome(&sender.event_id(Paid, &second, "b")).await,
        "refund_due"
    );
    told(&world, &id, "stray_payment_refund_due").await;
    assert_eq!(
        world
            .payment(Stripe, &first.transaction_id)
            .await
            .as_deref(),
        Some("captured")
    );
    assert_eq!(
        world
            .payment(Stripe, &second.transaction_id)
            .await
            .as_deref(),
        Some("refund_due")
    );
    assert_eq!(
        world.payment_info(&id).await["transaction_id"],
        json!(first.transaction_id)
    );
    // Another provider's money, and once more under an event of its own.
    let other = Sender::of(&world, Adyen);
    let third = other.about(&id, &format!("third-{id}"), TOTAL);
    other.send(Paid, &third, "c").await;
    assert_eq!(
        world.outcome(&other.event_id(Paid, &third, "c")).await,
        "refund_due"
    );
    sender.send(Paid, &second, "again").await;
    assert_eq!(
        world
            .outcome(&sender.event_id(Paid, &second, "again"))
            .await,
        "refund_due"
    );
    let look = async || world.entries(&id, "stray_payment_refund_due").await;
    world
        .eventually("an entry for each transaction", look, |entries| {
            *entries == 2
        })
        .await;
    world.verify().await;
}

#[tokio::test]
async fn too_little_or_another_currency_goes_back_and_the_order_waits_on() {
    let world = shop(&[]).await;
    let id = world.unpaid().await;
    let sender = Sender::of(&world, Standard);
    let mut wrong = sender.about(&id, &format!("little-{id}"), "99.98");
    sender.send(Paid, &wrong, "little").await;
    assert_eq!(
        world
            .outcome(&sender.event_id(Paid, &wrong, "little"))
            .await,
        "refund_due"
    );
    wrong = sender.about(&id, &format!("euros-{id}"), TOTAL);
    wrong.amount = money(TOTAL, "EUR");
    sender.send(Paid, &wrong, "euros").await;
    assert_eq!(
        world.outcome(&sender.event_id(Paid, &wrong, "euros")).await,
        "refund_due"
    );
    // A checkout that costs nothing.
    let nothing = sender.about(&id, &format!("nothing-{id}"), "0");
    sender.send(Paid, &nothing, "nothing").await;
    assert_eq!(
        world
            .outcome(&sender.event_id(Paid, &nothing, "nothing"))
            .await,
        "known"
    );
    assert_eq!(world.entries(&id, "payment_mismatch").await, 3);
    let right = sender.about(&id, &format!("right-{id}"), TOTAL);
    sender.send(Paid, &right, "right").await;
    assert_eq!(world.ended(&id).await.status.as_str(), "delivered");
    assert_eq!(world.entries(&id, "stray_payment_refund_due").await, 2);
    world.verify().await;
}

#[tokio::test]
async fn money_for_an_order_that_has_ended_goes_back_and_its_trail_says_so() {
    let world = shop(&[("PAYMENT_TIMEOUT", "2s")]).await;
    let cancelled = world.unpaid().await;
    world
        .post(&format!("/orders/{cancelled}/cancel"), json!({}))
        .await
        .is(200);
    let late = world.unpaid().await;
    for (id, provider) in [(&cancelled, Square), (&late, Stripe)] {
        assert_eq!(world.ended(id).await.status.as_str(), "cancelled");
        let sender = Sender::of(&world, provider);
        let paid = sender.about(id, &format!("late-{id}"), TOTAL);
        for _ in 0..3 {
            assert_eq!(sender.send(Paid, &paid, "late").await, 200);
        }
        assert_eq!(
            world.outcome(&sender.event_id(Paid, &paid, "late")).await,
            "refund_due"
        );
        assert_eq!(world.entries(id, "stray_payment_refund_due").await, 1);
        assert_eq!(
            world
                .payment(provider, &paid.transaction_id)
                .await
                .as_deref(),
            Some("refund_due")
        );
    }
    world.verify().await;
}

#[tokio::test]
async fn money_for_an_order_that_nobody_knows_goes_back_after_the_grace() {
    let world = shop(&[("SETTLEMENT_GRACE", "2s")]).await;
    let sender = Sender::of(&world, Stripe);
    let paid = sender.about("an-order-of-another-shop", "another-shops-payment", TOTAL);
    assert_eq!(sender.send(Paid, &paid, "a").await, 200);
    assert_eq!(
        world.outcome(&sender.event_id(Paid, &paid, "a")).await,
        "refund_due"
    );
    // The order comes when its money is promised back already: it waits for another payment.
    world
        .post("/orders/an-order-of-another-shop/start", paid_order())
        .await
        .is(202);
    sender.send(Paid, &paid, "b").await;
    assert_eq!(
        world.outcome(&sender.event_id(Paid, &paid, "b")).await,
        "refused"
    );
    let again = sender.about(
        "an-order-of-another-shop",
        "another-shops-second-payment",
        TOTAL,
    );
    sender.send(Paid, &again, "c").await;
    assert_eq!(
        world
            .ended("an-order-of-another-shop")
            .await
            .status
            .as_str(),
        "delivered"
    );
    world.verify().await;
}

#[tokio::test]
async fn an_order_that_appears_within_the_grace_is_paid() {
    let world = shop(&[("SETTLEMENT_GRACE", "30s")]).await;
    let sender = Sender::of(&world, Standard);
    let paid = sender.about(
        "appears-after-its-payment",
        "payment-before-its-order",
        TOTAL,
    );
    assert_eq!(sender.send(Paid, &paid, "early").await, 200);
    let event_id = sender.event_id(Paid, &paid, "early");
    let look = async || {
        store::deliveries::list(&world.pool, None, Some(&event_id), 1)
            .await
            .unwrap()
            .len()
    };
    world
        .eventually("the settlement", look, |found| *found == 1)
        .await;
    world
        .post("/orders/appears-after-its-payment/start", paid_order())
        .await
        .is(202);
    assert_eq!(
        world
            .ended("appears-after-its-payment")
            .await
            .status
            .as_str(),
        "delivered"
    );
    assert_eq!(world.outcome(&event_id).await, "applied");
    world.verify().await;
}

/// A checkout session names the order, its intent does not, and is told first.
#[tokio::test]
async fn an_intent_that_names_no_order_waits_for_the_session_that_does() {
    let world = shop(&[("SETTLEMENT_GRACE", "5s")]).await;
    let id = world.unpaid().await;
    let sender = Sender::of(&world, Stripe);
    let intent = format!("pi_session_{id}");
    let told = [format!("evt-intent-{id}"), format!("evt-session-{id}")];
    let succeeded = json!({"id": told[0], "type": "payment_intent.succeeded", "data": {"object": {
        "id": intent, "amount": 9_999, "amount_received": 9_999, "currency": "usd", "metadata": {},
    }}});
    let completed = json!({"id": told[1], "type": "checkout.session.completed", "data": {"object": {
        "id": format!("cs_{id}"), "payment_intent": intent, "payment_status": "paid", "amount_total": 9_999, "currency": "usd",
        "client_reference_id": id,
    }}});
    assert_eq!(sender.post(&succeeded).await, 200);
    assert_eq!(sender.post(&completed).await, 200);
    assert_eq!(world.ended(&id).await.status.as_str(), "delivered");
    assert_eq!(
        (world.outcome(&told[0]).await, world.outcome(&told[1]).await),
        ("known".to_owned(), "applied".to_owned())
    );
    assert_eq!(
        world.payment(Stripe, &intent).await.as_deref(),
        Some("captured")
    );
    world.verify().await;
}

#[tokio::test]
async fn money_that_names_no_order_is_for_a_person() {
    let world = shop(&[("SETTLEMENT_GRACE", "1s")]).await;
    let sender = Sender::of(&world, Stripe);
    let event = json!({"id": "evt-nameless", "type": "payment_intent.succeeded", "data": {"object": {
        "id": "pi_nameless", "amount": 500, "amount_received": 500, "currency": "usd",
    }}});
    assert_eq!(sender.post(&event).await, 200);
    assert_eq!(world.outcome("evt-nameless").await, "refund_due");
    assert_eq!(
        world.payment(Stripe, "pi_nameless").await.as_deref(),
        Some("refund_due")
    );
    let odd = json!({"id": "evt-nameless-session", "type": "payment_intent.payment_failed", "data": {"object": {"id": "pi_x"}}});
    assert_eq!(sender.post(&odd).await, 200);
    assert_eq!(world.outcome("evt-nameless-session").await, "unknown_order");
    world.verify().await;
}

async fn told(world: &World, id: &str, kind: &str) {
    let look = async || world.trail(id).await;
    world
        .eventually(kind, look, |trail| trail.contains(&kind.to_owned()))
        .await;
}
