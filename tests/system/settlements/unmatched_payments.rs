//! Payments that no order waits for are refunded or shown to an operator.

use serde_json::json;

use super::{TOTAL, WebhookSender, sender::parse_money, start_shop};
use crate::{api::sample_order, harness::Harness};
use domain::WebhookProvider::{Adyen, Square, Standard, Stripe};
use payment_webhooks::SampleKind::Paid;

#[tokio::test]
async fn second_payment_of_order_is_refunded() {
    let harness = start_shop(&[("SHIPPING_DELAY", "60s"), ("DELIVERY", "auto:60s")]).await;
    let id = harness.create_unpaid_order().await;
    let sender = WebhookSender::new(&harness, Stripe);
    let first = sender.payment(&id, &format!("first-{id}"), TOTAL);
    let second = sender.payment(&id, &format!("second-{id}"), TOTAL);
    sender.send_event(Paid, &first, "a").await;
    harness.wait_for_status(&id, "preparing").await;
    sender.send_event(Paid, &second, "b").await;
    assert_eq!(
        harness
            .wait_for_outcome(&sender.event_id(Paid, &second, "b"))
            .await,
        "refund_due"
    );
    wait_for_audit_event(&harness, &id, "stray_payment_refund_due").await;
    assert_eq!(
        harness
            .payment_status(Stripe, &first.transaction_id)
            .await
            .as_deref(),
        Some("captured")
    );
    assert_eq!(
        harness
            .payment_status(Stripe, &second.transaction_id)
            .await
            .as_deref(),
        Some("refund_due")
    );
    assert_eq!(
        harness.payment_info(&id).await["transaction_id"],
        json!(first.transaction_id)
    );
    // Another provider's payment, and the second payment again in a new event.
    let other = WebhookSender::new(&harness, Adyen);
    let third = other.payment(&id, &format!("third-{id}"), TOTAL);
    other.send_event(Paid, &third, "c").await;
    assert_eq!(
        harness
            .wait_for_outcome(&other.event_id(Paid, &third, "c"))
            .await,
        "refund_due"
    );
    sender.send_event(Paid, &second, "again").await;
    assert_eq!(
        harness
            .wait_for_outcome(&sender.event_id(Paid, &second, "again"))
            .await,
        "refund_due"
    );
    let read = async || {
        harness
            .count_audit_events(&id, "stray_payment_refund_due")
            .await
    };
    harness
        .wait_until("an entry for each transaction", read, |entries| {
            *entries == 2
        })
        .await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn part_is_collected_and_other_currency_is_refunded() {
    let harness = start_shop(&[]).await;
    let id = harness.create_unpaid_order().await;
    let sender = WebhookSender::new(&harness, Standard);
    let part = sender.payment(&id, &format!("part-{id}"), "99.98");
    sender.send_event(Paid, &part, "part").await;
    assert_eq!(
        harness
            .wait_for_outcome(&sender.event_id(Paid, &part, "part"))
            .await,
        "applied"
    );
    let order = harness.get(&format!("/orders/{id}")).await.body;
    assert_eq!(order["waiting_for"]["reason"], "payment_rest");
    assert_eq!(order["payment_info"]["captured"], json!(99.98));
    let mut euros = sender.payment(&id, &format!("euros-{id}"), TOTAL);
    euros.amount = parse_money(TOTAL, "EUR");
    sender.send_event(Paid, &euros, "euros").await;
    assert_eq!(
        harness
            .wait_for_outcome(&sender.event_id(Paid, &euros, "euros"))
            .await,
        "refund_due"
    );
    // A checkout with a total of zero.
    let nothing = sender.payment(&id, &format!("nothing-{id}"), "0");
    sender.send_event(Paid, &nothing, "nothing").await;
    assert_eq!(
        harness
            .wait_for_outcome(&sender.event_id(Paid, &nothing, "nothing"))
            .await,
        "ignored"
    );
    assert_eq!(harness.count_audit_events(&id, "payment_mismatch").await, 1);
    let rest = sender.payment(&id, &format!("rest-{id}"), "0.01");
    sender.send_event(Paid, &rest, "rest").await;
    assert_eq!(harness.wait_for_end(&id).await.status.as_str(), "delivered");
    assert_eq!(
        harness
            .count_audit_events(&id, "stray_payment_refund_due")
            .await,
        1
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn payment_after_order_end_is_refunded_and_audited() {
    let harness = start_shop(&[("PAYMENT_TIMEOUT", "2s")]).await;
    let cancelled = harness.create_unpaid_order().await;
    harness
        .post(&format!("/orders/{cancelled}/cancel"), json!({}))
        .await
        .expect_status(200);
    let late = harness.create_unpaid_order().await;
    for (id, provider) in [(&cancelled, Square), (&late, Stripe)] {
        assert_eq!(harness.wait_for_end(id).await.status.as_str(), "cancelled");
        let sender = WebhookSender::new(&harness, provider);
        let paid = sender.payment(id, &format!("late-{id}"), TOTAL);
        for _ in 0..3 {
            assert_eq!(sender.send_event(Paid, &paid, "late").await, 200);
        }
        assert_eq!(
            harness
                .wait_for_outcome(&sender.event_id(Paid, &paid, "late"))
                .await,
            "refund_due"
        );
        assert_eq!(
            harness
                .count_audit_events(id, "stray_payment_refund_due")
                .await,
            1
        );
        assert_eq!(
            harness
                .payment_status(provider, &paid.transaction_id)
                .await
                .as_deref(),
            Some("refund_due")
        );
    }
    harness.assert_invariants().await;
}

#[tokio::test]
async fn payment_for_unknown_order_is_refunded_after_grace() {
    let harness = start_shop(&[("SETTLEMENT_GRACE", "2s")]).await;
    let sender = WebhookSender::new(&harness, Stripe);
    let paid = sender.payment("an-order-of-another-shop", "another-shops-payment", TOTAL);
    assert_eq!(sender.send_event(Paid, &paid, "a").await, 200);
    assert_eq!(
        harness
            .wait_for_outcome(&sender.event_id(Paid, &paid, "a"))
            .await,
        "refund_due"
    );
    // The order starts after its payment is marked for refund, so it waits for another payment.
    harness
        .post("/orders/an-order-of-another-shop/start", sample_order())
        .await
        .expect_status(202);
    sender.send_event(Paid, &paid, "b").await;
    assert_eq!(
        harness
            .wait_for_outcome(&sender.event_id(Paid, &paid, "b"))
            .await,
        "refund_due"
    );
    let again = sender.payment(
        "an-order-of-another-shop",
        "another-shops-second-payment",
        TOTAL,
    );
    sender.send_event(Paid, &again, "c").await;
    assert_eq!(
        harness
            .wait_for_end("an-order-of-another-shop")
            .await
            .status
            .as_str(),
        "delivered"
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn order_created_within_grace_is_paid() {
    let harness = start_shop(&[("SETTLEMENT_GRACE", "30s")]).await;
    let sender = WebhookSender::new(&harness, Standard);
    let paid = sender.payment(
        "appears-after-its-payment",
        "payment-before-its-order",
        TOTAL,
    );
    assert_eq!(sender.send_event(Paid, &paid, "early").await, 200);
    let event_id = sender.event_id(Paid, &paid, "early");
    let read = async || {
        store::webhook_events::list(&harness.pool, None, Some(&event_id), 1)
            .await
            .unwrap()
            .len()
    };
    harness
        .wait_until("the settlement", read, |found| *found == 1)
        .await;
    harness
        .post("/orders/appears-after-its-payment/start", sample_order())
        .await
        .expect_status(202);
    assert_eq!(
        harness
            .wait_for_end("appears-after-its-payment")
            .await
            .status
            .as_str(),
        "delivered"
    );
    assert_eq!(harness.wait_for_outcome(&event_id).await, "applied");
    harness.assert_invariants().await;
}

/// A checkout session names the order. Its intent does not, and its event arrives first.
#[tokio::test]
async fn intent_without_order_waits_for_its_session() {
    let harness = start_shop(&[("SETTLEMENT_GRACE", "5s")]).await;
    let id = harness.create_unpaid_order().await;
    let sender = WebhookSender::new(&harness, Stripe);
    let intent = format!("pi_session_{id}");
    let event_ids = [format!("evt-intent-{id}"), format!("evt-session-{id}")];
    let succeeded = json!({"id": event_ids[0], "type": "payment_intent.succeeded", "data": {"object": {
        "id": intent, "amount": 9_999, "amount_received": 9_999, "currency": "usd", "metadata": {},
    }}});
    let completed = json!({"id": event_ids[1], "type": "checkout.session.completed", "data": {"object": {
        "id": format!("cs_{id}"), "payment_intent": intent, "payment_status": "paid", "amount_total": 9_999, "currency": "usd",
        "client_reference_id": id,
    }}});
    assert_eq!(sender.post_body(&succeeded).await, 200);
    assert_eq!(sender.post_body(&completed).await, 200);
    assert_eq!(harness.wait_for_end(&id).await.status.as_str(), "delivered");
    assert_eq!(
        (
            harness.wait_for_outcome(&event_ids[0]).await,
            harness.wait_for_outcome(&event_ids[1]).await
        ),
        ("known".to_owned(), "applied".to_owned())
    );
    assert_eq!(
        harness.payment_status(Stripe, &intent).await.as_deref(),
        Some("captured")
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn payment_without_order_needs_an_operator() {
    let harness = start_shop(&[("SETTLEMENT_GRACE", "1s")]).await;
    let sender = WebhookSender::new(&harness, Stripe);
    let event = json!({"id": "evt-nameless", "type": "payment_intent.succeeded", "data": {"object": {
        "id": "pi_nameless", "amount": 500, "amount_received": 500, "currency": "usd",
    }}});
    assert_eq!(sender.post_body(&event).await, 200);
    assert_eq!(harness.wait_for_outcome("evt-nameless").await, "refund_due");
    assert_eq!(
        harness
            .payment_status(Stripe, "pi_nameless")
            .await
            .as_deref(),
        Some("refund_due")
    );
    let unreadable = json!({"id": "evt-nameless-session", "type": "payment_intent.payment_failed", "data": {"object": {"id": "pi_x"}}});
    assert_eq!(sender.post_body(&unreadable).await, 200);
    assert_eq!(
        harness.wait_for_outcome("evt-nameless-session").await,
        "unknown_order"
    );
    harness.assert_invariants().await;
}

async fn wait_for_audit_event(harness: &Harness, id: &str, kind: &str) {
    let read = async || harness.audit_event_types(id).await;
    harness
        .wait_until(kind, read, |trail| trail.contains(&kind.to_owned()))
        .await;
}
