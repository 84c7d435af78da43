//! Later changes of a payment at the provider: refunds, disputes and failed captures.

use serde_json::json;

use super::{TOTAL, WebhookSender, start_shop};
use crate::harness::Harness;
use domain::WebhookProvider::{Adyen, Checkout, Square, Standard, Stripe};
use payment_webhooks::SampleKind::{Disputed, Paid, Refunded};

#[tokio::test]
async fn order_refunded_at_provider_does_not_ship() {
    let harness = start_shop(&[("SHIPPING_DELAY", "60s")]).await;
    // Square's refund event names the payment only.
    for provider in [Stripe, Square] {
        let id = harness.create_unpaid_order().await;
        let sender = WebhookSender::new(&harness, provider);
        let paid = sender.payment(&id, &format!("back-{id}"), TOTAL);
        sender.send_event(Paid, &paid, "paid").await;
        harness.wait_for_status(&id, "preparing").await;
        sender.send_event(Refunded, &paid, "back").await;
        let view = harness.wait_for_end(&id).await;
        assert_eq!(view.status.as_str(), "cancelled", "{provider}");
        assert_eq!(
            view.payment_info.unwrap().status.as_str(),
            "refunded",
            "{provider}"
        );
        assert_eq!(
            harness
                .wait_for_outcome(&sender.event_id(Refunded, &paid, "back"))
                .await,
            "recorded",
            "{provider}"
        );
        assert_eq!(
            harness
                .count_audit_events(&id, "payment_refund_reported")
                .await,
            1,
            "{provider}"
        );
        // The payment is not refunded a second time.
        assert_eq!(
            harness.provider_movements(&id).await,
            [] as [&str; 0],
            "{provider}"
        );
    }
    harness.assert_invariants().await;
}

#[tokio::test]
async fn refund_event_before_payment_event_cancels_order() {
    let harness = start_shop(&[("SHIPPING_DELAY", "60s"), ("SETTLEMENT_GRACE", "30s")]).await;
    // Standard Webhooks name the order; Square's refund event names a payment that is still
    // unknown.
    for provider in [Standard, Square] {
        let id = harness.create_unpaid_order().await;
        let sender = WebhookSender::new(&harness, provider);
        let paid = sender.payment(&id, &format!("backwards-{id}"), TOTAL);
        sender.send_event(Refunded, &paid, "back").await;
        let event_id = sender.event_id(Refunded, &paid, "back");
        let read = async || {
            store::webhook_events::list(&harness.pool, None, Some(&event_id), 1)
                .await
                .unwrap()
                .len()
        };
        harness
            .wait_until("the row of the refund event", read, |found| *found == 1)
            .await;
        sender.send_event(Paid, &paid, "paid").await;
        let view = harness.wait_for_end(&id).await;
        assert_eq!(view.status.as_str(), "cancelled", "{provider}");
        assert_eq!(
            view.payment_info.unwrap().status.as_str(),
            "refunded",
            "{provider}"
        );
        assert_eq!(
            harness
                .payment_status(provider, &paid.transaction_id)
                .await
                .as_deref(),
            Some("refunded"),
            "{provider}"
        );
        harness.wait_for_outcome(&event_id).await;
    }
    harness.assert_invariants().await;
}

#[tokio::test]
async fn partial_refunds_of_delivered_order_are_summed() {
    let harness = start_shop(&[]).await;
    let (id, sender) = (
        harness.create_unpaid_order().await,
        WebhookSender::new(&harness, Checkout),
    );
    let paid = sender.payment(&id, &format!("parts-{id}"), TOTAL);
    sender.send_event(Paid, &paid, "paid").await;
    assert_eq!(harness.wait_for_end(&id).await.status.as_str(), "delivered");
    let parts = ["50.00", "49.99"].map(|part| sender.payment(&id, &paid.transaction_id, part));
    for (part, standing) in parts.iter().zip(["captured", "refunded"]) {
        sender.send_event(Refunded, part, standing).await;
        harness
            .wait_for_outcome(&sender.event_id(Refunded, part, standing))
            .await;
        assert_eq!(harness.payment_info(&id).await["status"], standing);
    }
    let view = harness.wait_for_end(&id).await;
    assert_eq!(
        (
            view.status.as_str(),
            harness
                .count_audit_events(&id, "payment_refund_reported")
                .await
        ),
        ("delivered", 2)
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn dispute_is_visible_during_and_after_order() {
    let harness = start_shop(&[("SHIPPING_DELAY", "60s")]).await;
    let sender = WebhookSender::new(&harness, Square);
    let running = create_disputed_order(&harness, &sender).await;
    harness
        .post(&format!("/orders/{running}/cancel"), json!({}))
        .await
        .expect_status(200);
    harness.wait_for_end(&running).await;
    let quick = start_shop(&[]).await;
    let sender = WebhookSender::new(&quick, Stripe);
    let (id, paid) = {
        let id = quick.create_unpaid_order().await;
        let paid = sender.payment(&id, &format!("disputed-{id}"), TOTAL);
        sender.send_event(Paid, &paid, "paid").await;
        quick.wait_for_end(&id).await;
        (id, paid)
    };
    sender.send_event(Disputed, &paid, "dispute").await;
    assert_eq!(
        quick
            .wait_for_outcome(&sender.event_id(Disputed, &paid, "dispute"))
            .await,
        "recorded"
    );
    let dispute = async || quick.payment_info(&id).await["dispute"].clone();
    quick
        .wait_until("the dispute", dispute, |stage| *stage == "opened")
        .await;
    assert_eq!(quick.count_audit_events(&id, "payment_disputed").await, 1);
    let won = json!({"id": format!("evt-won-{id}"), "type": "charge.dispute.closed", "data": {"object": {
        "id": "dp_1", "payment_intent": paid.transaction_id, "status": "won",
    }}});
    sender.post_body(&won).await;
    quick.wait_for_outcome(&format!("evt-won-{id}")).await;
    assert_eq!(quick.payment_info(&id).await["dispute"], "won");
    harness.assert_invariants().await;
    quick.assert_invariants().await;
}

/// Creates an order whose payment is disputed during preparation. The dispute names the payment
/// only.
async fn create_disputed_order(harness: &Harness, sender: &WebhookSender<'_>) -> String {
    let id = harness.create_unpaid_order().await;
    let paid = sender.payment(&id, &format!("disputed-{id}"), TOTAL);
    sender.send_event(Paid, &paid, "paid").await;
    harness.wait_for_status(&id, "preparing").await;
    sender.send_event(Disputed, &paid, "dispute").await;
    assert_eq!(
        harness
            .wait_for_outcome(&sender.event_id(Disputed, &paid, "dispute"))
            .await,
        "recorded"
    );
    assert_eq!(harness.payment_info(&id).await["dispute"], "opened");
    id
}

#[tokio::test]
async fn order_with_failed_capture_does_not_ship() {
    let harness = start_shop(&[("SHIPPING_DELAY", "60s")]).await;
    let (id, sender) = (
        harness.create_unpaid_order().await,
        WebhookSender::new(&harness, Adyen),
    );
    let paid = sender.payment(&id, &format!("uncaptured-{id}"), TOTAL);
    sender.send_event(Paid, &paid, "paid").await;
    harness.wait_for_status(&id, "preparing").await;
    let failed = json!({"live": "false", "notificationItems": [{"NotificationRequestItem": {
        "pspReference": format!("C-{id}"), "originalReference": paid.transaction_id, "merchantReference": id,
        "merchantAccountCode": "Orderflow", "amount": {"currency": "USD", "value": 9_999},
        "eventCode": "CAPTURE_FAILED", "success": "true",
    }}]});
    assert_eq!(sender.post_body(&failed).await, 200);
    let view = harness.wait_for_end(&id).await;
    assert_eq!(view.status.as_str(), "cancelled");
    // The payment needs no refund.
    assert_eq!(
        harness
            .payment_status(Adyen, &paid.transaction_id)
            .await
            .as_deref(),
        Some("declined")
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn failed_refund_is_due_again() {
    let harness = start_shop(&[("SHIPPING_DELAY", "60s")]).await;
    let (id, sender) = (
        harness.create_unpaid_order().await,
        WebhookSender::new(&harness, Stripe),
    );
    let paid = sender.payment(&id, &format!("bounced-{id}"), TOTAL);
    sender.send_event(Paid, &paid, "paid").await;
    harness.wait_for_status(&id, "preparing").await;
    sender.send_event(Refunded, &paid, "back").await;
    assert_eq!(
        harness
            .wait_for_end(&id)
            .await
            .payment_info
            .unwrap()
            .status
            .as_str(),
        "refunded"
    );
    let bounced = json!({"id": format!("evt-bounced-{id}"), "type": "refund.failed", "data": {"object": {
        "id": format!("re_{}", sender.event_id(Refunded, &paid, "back")), "object": "refund", "amount": 9_999, "currency": "usd",
        "payment_intent": paid.transaction_id, "status": "failed", "failure_reason": "expired_or_canceled_card",
    }}});
    assert_eq!(sender.post_body(&bounced).await, 200);
    assert_eq!(
        harness.wait_for_outcome(&format!("evt-bounced-{id}")).await,
        "recorded"
    );
    assert_eq!(harness.payment_info(&id).await["status"], "refund_due");
    assert_eq!(
        harness
            .payment_status(Stripe, &paid.transaction_id)
            .await
            .as_deref(),
        Some("refund_due")
    );
    harness.assert_invariants().await;
}
