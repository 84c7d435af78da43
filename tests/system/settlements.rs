//! Payments by webhook events of providers, at the expected and at every unexpected time.

mod model;
mod refunds_and_disputes;
mod sender;
mod stress;
mod stripe;
mod unmatched_payments;

use crate::{api::sample_order, harness::Harness};
use domain::WebhookProvider::{self, Adyen, Checkout, Square, Standard, Stripe};
use payment_webhooks::SampleKind::{Disputed, Failed, Paid, Refunded};
pub(crate) use sender::WebhookSender;
use serde_json::{Value, json};

/// The total of each order in these tests.
const TOTAL: &str = "99.99";

/// Starts a harness whose orders wait for payment and whose API has every provider's secret.
async fn start_shop(settings: &[(&str, &str)]) -> Harness {
    let usual = [("ORDER_PROFILE", "checkout"), ("SETTLEMENT_GRACE", "10m")];
    crate::webhooks::start_with_webhooks(&[&usual, settings].concat()).await
}

impl Harness {
    /// Creates an order and waits until it waits for its payment.
    async fn create_unpaid_order(&self) -> String {
        let id = self.post("/orders", sample_order()).await.expect_started();
        let read = async || self.audit_event_types(&id).await;
        self.wait_until("the wait for the payment", read, |trail| {
            trail.contains(&"payment_requested".to_owned())
        })
        .await;
        id
    }

    /// Waits for the outcome of a webhook event and returns it.
    pub(crate) async fn wait_for_outcome(&self, event_id: &str) -> String {
        let read = async || {
            let deliveries = store::webhook_events::list(&self.pool, None, Some(event_id), 10)
                .await
                .unwrap();
            deliveries.first().map(|delivery| delivery.outcome.clone())
        };
        let settled =
            |outcome: &Option<String>| outcome.as_ref().is_some_and(|outcome| outcome != "pending");
        self.wait_until(&format!("the outcome of {event_id}"), read, settled)
            .await
            .unwrap()
    }

    /// Counts the order's audit events of this type.
    async fn count_audit_events(&self, order_id: &str, kind: &str) -> usize {
        self.audit_event_types(order_id)
            .await
            .iter()
            .filter(|entry| *entry == kind)
            .count()
    }

    /// Returns the status of the payment that belongs to a provider's transaction.
    async fn payment_status(
        &self,
        provider: WebhookProvider,
        transaction_id: &str,
    ) -> Option<String> {
        let transaction_id = domain::TransactionId::parse(transaction_id).unwrap();
        let stored = store::ledger::find(&self.pool, Some(provider), &transaction_id)
            .await
            .unwrap()?;
        let balance = &stored.transaction.balance;
        Some(balance.status(stored.order_id.is_some()).to_string())
    }

    async fn payment_info(&self, order_id: &str) -> Value {
        self.get(&format!("/orders/{order_id}"))
            .await
            .expect_status(200)["payment_info"]
            .clone()
    }
}

/// Runs the orders and settlements with webhook events for the recorded histories.
pub(crate) async fn run_webhook_orders() -> Harness {
    let harness = start_shop(&[("SHIPPING_DELAY", "3s"), ("SETTLEMENT_GRACE", "1s")]).await;
    for id in ["notified", "notified-back", "notified-cancelled"] {
        harness
            .post(&format!("/orders/{id}/start"), sample_order())
            .await
            .expect_status(202);
    }
    let stripe = WebhookSender::new(&harness, Stripe);
    for (transaction, kind) in [
        ("notified-first", Paid),
        ("notified-second", Paid),
        ("notified-first", Disputed),
    ] {
        stripe
            .send_event(kind, &stripe.payment("notified", transaction, TOTAL), "r")
            .await;
        harness
            .wait_for_outcome(&format!("{}-r-{transaction}", kind.as_str()))
            .await;
    }
    // The dispute holds the order.
    let held = async || harness.get("/orders/notified").await.body["waiting_for"]["reason"].clone();
    harness
        .wait_until("the hold", held, |reason| *reason == "payment_hold")
        .await;
    harness
        .post("/orders/notified/signals/approve", json!({}))
        .await
        .expect_status(200);
    let square = WebhookSender::new(&harness, Square);
    let back = square.payment("notified-back", "notified-back", TOTAL);
    square.send_event(Paid, &back, "r").await;
    harness.wait_for_status("notified-back", "preparing").await;
    square.send_event(Refunded, &back, "r").await;
    harness
        .post("/orders/notified-cancelled/cancel", json!({}))
        .await
        .expect_status(200);
    harness.wait_for_end("notified-cancelled").await;
    let late = stripe.payment("notified-cancelled", "notified-late", TOTAL);
    stripe.send_event(Paid, &late, "r").await;
    let standard = WebhookSender::new(&harness, Standard);
    let unmatched = standard.payment("notified-nobody", "notified-nobody", TOTAL);
    standard.send_event(Paid, &unmatched, "r").await;
    for event_id in [
        "paid-r-notified-late",
        "paid-r-notified-nobody",
        "refunded-r-notified-back",
    ] {
        harness.wait_for_outcome(event_id).await;
    }
    for id in ["notified", "notified-back"] {
        harness.wait_for_end(id).await;
    }
    harness
}

#[tokio::test]
async fn paid_event_of_each_provider_pays_once() {
    let harness = start_shop(&[]).await;
    for provider in [Stripe, Adyen, Standard, Square, Checkout] {
        let id = harness.create_unpaid_order().await;
        let sender = WebhookSender::new(&harness, provider);
        let paid = sender.payment(&id, &format!("paid-{id}"), TOTAL);
        for _ in 0..3 {
            assert_eq!(
                sender.send_event(Paid, &paid, "once").await,
                200,
                "{provider}"
            );
        }
        assert_eq!(
            harness.wait_for_end(&id).await.status.as_str(),
            "delivered",
            "{provider}"
        );
        assert_eq!(
            harness
                .wait_for_outcome(&sender.event_id(Paid, &paid, "once"))
                .await,
            "applied",
            "{provider}"
        );
        // The event is repeated after the end of the order, and another event reports the same
        // payment.
        for event in ["once", "twice"] {
            assert_eq!(
                sender.send_event(Paid, &paid, event).await,
                200,
                "{provider}"
            );
            harness
                .wait_for_outcome(&sender.event_id(Paid, &paid, event))
                .await;
        }
        assert_eq!(
            harness.count_audit_events(&id, "payment_confirmed").await,
            1,
            "{provider}"
        );
        assert_eq!(
            harness
                .payment_status(provider, &paid.transaction_id)
                .await
                .as_deref(),
            Some("captured"),
            "{provider}"
        );
    }
    harness.assert_invariants().await;
}

#[tokio::test]
async fn failed_payment_attempt_keeps_order_waiting() {
    let harness = start_shop(&[]).await;
    let id = harness.create_unpaid_order().await;
    let sender = WebhookSender::new(&harness, Stripe);
    let paid = sender.payment(&id, &format!("tries-{id}"), TOTAL);
    sender.send_event(Failed, &paid, "first").await;
    assert_eq!(
        harness
            .wait_for_outcome(&sender.event_id(Failed, &paid, "first"))
            .await,
        "recorded"
    );
    sender.send_event(Paid, &paid, "second").await;
    assert_eq!(harness.wait_for_end(&id).await.status.as_str(), "delivered");
    assert_eq!(
        harness
            .count_audit_events(&id, "payment_attempt_failed")
            .await,
        1
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn expired_checkout_session_keeps_order_waiting() {
    let harness = start_shop(&[]).await;
    let id = harness.create_unpaid_order().await;
    let sender = WebhookSender::new(&harness, Stripe);
    let session = json!({"id": "evt-expired", "type": "checkout.session.expired", "data": {"object": {
        "id": format!("cs_{id}"), "client_reference_id": id, "payment_status": "unpaid",
    }}});
    assert_eq!(sender.post_body(&session).await, 200);
    assert_eq!(harness.wait_for_outcome("evt-expired").await, "recorded");
    let paid = sender.payment(&id, &format!("pi_{id}"), TOTAL);
    sender.send_event(Paid, &paid, "later").await;
    assert_eq!(harness.wait_for_end(&id).await.status.as_str(), "delivered");
    harness.assert_invariants().await;
}

#[tokio::test]
async fn unconfirmed_provider_events_are_recorded_only() {
    let harness = start_shop(&[]).await;
    let id = harness.create_unpaid_order().await;
    for provider in [
        WebhookProvider::Mollie,
        WebhookProvider::GoCardless,
        WebhookProvider::Shopify,
    ] {
        let sender = WebhookSender::new(&harness, provider);
        let paid = sender.payment(&id, &format!("said-{provider}-{id}"), TOTAL);
        let accepted = if provider == WebhookProvider::GoCardless {
            204
        } else {
            200
        };
        assert_eq!(sender.send_event(Paid, &paid, "said").await, accepted);
        assert_eq!(
            harness
                .wait_for_outcome(&sender.event_id(Paid, &paid, "said"))
                .await,
            "unconfirmed",
            "{provider}"
        );
    }
    assert_eq!(
        harness
            .get(&format!("/orders/{id}/status"))
            .await
            .expect_status(200)["status"],
        "pending"
    );
    harness
        .post(&format!("/orders/{id}/cancel"), json!({}))
        .await
        .expect_status(200);
    harness.wait_for_end(&id).await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn events_without_worker_are_kept() {
    let harness = start_shop(&[("SETTLEMENT_GRACE", "1s")]).await;
    let id = harness.create_unpaid_order().await;
    harness.worker.kill().await;
    let sender = WebhookSender::new(&harness, Standard);
    let paid = sender.payment(&id, &format!("kept-{id}"), TOTAL);
    assert_eq!(sender.send_event(Paid, &paid, "kept").await, 200);
    let stray = sender.payment("nobody-has-this-order", &format!("kept-stray-{id}"), TOTAL);
    assert_eq!(sender.send_event(Paid, &stray, "stray").await, 200);
    harness.worker.restart().await.unwrap();
    assert_eq!(harness.wait_for_end(&id).await.status.as_str(), "delivered");
    assert_eq!(
        harness
            .wait_for_outcome(&sender.event_id(Paid, &stray, "stray"))
            .await,
        "refund_due"
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn event_of_own_refund_is_recorded_only() {
    let harness = start_shop(&[("SHIPPING_DELAY", "60s")]).await;
    let id = harness.create_unpaid_order().await;
    let sender = WebhookSender::new(&harness, Stripe);
    let paid = sender.payment(&id, &format!("ours-{id}"), TOTAL);
    sender.send_event(Paid, &paid, "paid").await;
    harness.wait_for_status(&id, "preparing").await;
    harness
        .post(&format!("/orders/{id}/cancel"), json!({}))
        .await
        .expect_status(200);
    let view = harness.wait_for_end(&id).await;
    // The simulator cannot refund at Stripe. An operator refunds there, and Stripe sends an event.
    assert_eq!(view.payment_info.unwrap().status.as_str(), "refund_due");
    sender.send_event(Refunded, &paid, "by-hand").await;
    assert_eq!(
        harness
            .wait_for_outcome(&sender.event_id(Refunded, &paid, "by-hand"))
            .await,
        "recorded"
    );
    assert_eq!(harness.payment_info(&id).await["status"], "refunded");
    assert_eq!(
        harness
            .payment_status(Stripe, &paid.transaction_id)
            .await
            .as_deref(),
        Some("refunded")
    );
    harness.assert_invariants().await;
}
