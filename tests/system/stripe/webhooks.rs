//! localstripe's own signed webhook events, sent from its process to our route.
//!
//! It sends `payment_intent.succeeded` and `payment_intent.payment_failed` once, one second after
//! the change, in API version 2017-08-15 (no `amount_received`, no `payment_method_types`). It
//! sends no events for cancels, refunds and charges: the tests create these events from the objects
//! in its records.

use serde_json::{Value, json};

use super::Shop;
use payment_webhooks::{Message, Secrets, Signing, sign};
use store::webhook_events::{self, WebhookEvent};

const SECRET: &str = "whsec_ofthisendpoint";
const SENT: &[&str] = &["payment_intent.succeeded", "payment_intent.payment_failed"];

impl Shop {
    /// Starts a shop whose localstripe sends webhook events to the API.
    async fn start_with_webhooks(settings: &[(&str, &str)]) -> Option<Self> {
        let webhooks = [
            ("WEBHOOK_SECRETS_STRIPE", SECRET),
            ("WEBHOOK_ENVIRONMENT", "test"),
            ("SETTLEMENT_GRACE", "1s"),
        ];
        let shop = Self::start(&[&webhooks, settings].concat()).await?;
        shop.books
            .register_webhook(&shop.webhook_url(), SECRET, SENT)
            .await;
        Some(shop)
    }

    fn webhook_url(&self) -> String {
        format!("{}/webhooks/stripe", self.harness.url)
    }

    /// Waits until this number of events about the order or transaction have an outcome; returns
    /// them.
    async fn wait_for_webhook_events(&self, about: &str, number: usize) -> Vec<WebhookEvent> {
        let read = async || {
            webhook_events::list(&self.harness.pool, None, Some(about), 10)
                .await
                .unwrap()
        };
        let done = |found: &Vec<WebhookEvent>| {
            found.len() == number && found.iter().all(|delivery| delivery.outcome != "pending")
        };
        self.harness
            .wait_until(&format!("{number} events of {about}"), read, done)
            .await
    }

    /// Sends an event in Stripe's format about an object of localstripe's records.
    async fn send_event(&self, event_id: &str, event_type: &str, object: &Value) {
        let now = chrono::Utc::now().timestamp();
        let event = json!({
            "id": event_id, "object": "event", "api_version": "2017-08-15", "created": now, "livemode": false,
            "type": event_type, "data": {"object": object},
        });
        let secrets = Secrets::parse(domain::WebhookProvider::Stripe, SECRET).unwrap();
        let signing = Signing {
            now,
            message_id: event_id,
            notification_url: None,
        };
        let message = sign(&secrets, Message::new(event.to_string()), &signing).unwrap();
        let mut request = self
            .harness
            .http
            .post(self.webhook_url())
            .body(message.body);
        for (name, value) in message.headers {
            request = request.header(name, value);
        }
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn event_of_own_charge_is_already_known() {
    let Some(shop) = Shop::start_with_webhooks(&[]).await else {
        return;
    };
    shop.start_order("sw-1", "pm_card_visa").await;
    assert_eq!(
        shop.harness.wait_for_end("sw-1").await.status.as_str(),
        "delivered"
    );
    let delivery = shop.wait_for_webhook_events("sw-1", 1).await.remove(0);
    let intent = shop.only_intent().await;
    assert_eq!(
        (delivery.provider.as_str(), delivery.outcome.as_str()),
        ("stripe", "known")
    );
    assert_eq!(delivery.event["kind"], "paid");
    assert_eq!(
        delivery.event["amount"],
        json!({"minor": 9_999, "currency": "USD"})
    );
    assert_eq!(
        (
            &delivery.event["transaction_id"],
            &delivery.event["payment_id"]
        ),
        (&intent["id"], &json!("pmt-sw-1"))
    );
    // One charge, one payment in the audit log, no refund.
    let captured = shop
        .harness
        .audit_event_types("sw-1")
        .await
        .into_iter()
        .filter(|entry| entry == "payment_captured")
        .count();
    assert_eq!(
        (
            captured,
            shop.relay.charge_calls().len(),
            shop.books.list_refunds().await.len()
        ),
        (1, 1, 0)
    );
    shop.assert_clean().await;
}

#[tokio::test]
async fn event_of_customer_confirmation_continues_order() {
    // Nothing else continues the order: the worker does not ask Stripe before the timeout.
    let Some(shop) = Shop::start_with_webhooks(&[("PAYMENT_TIMEOUT", "24h")]).await else {
        return;
    };
    let method = shop.books.create_card("4000002500003155").await;
    shop.start_order("sw-2", &method).await;
    shop.wait_for_audit_event("sw-2", "payment_requested").await;
    assert_eq!(
        shop.harness.get("/orders/sw-2").await.body["status"],
        "pending"
    );
    let intent = shop.only_intent().await;
    assert_eq!(intent["status"], "requires_action");
    shop.books.authenticate(&intent).await;
    let view = shop.harness.wait_for_end("sw-2").await;
    assert_eq!(view.status.as_str(), "delivered");
    let payment = view.payment_info.unwrap();
    assert_eq!(
        (payment.status.as_str(), json!(payment.transaction_id)),
        ("captured", intent["id"].clone())
    );
    assert_eq!(
        shop.wait_for_webhook_events("sw-2", 1).await[0].outcome,
        "applied"
    );
    assert_eq!(
        (
            shop.relay.charge_calls().len(),
            shop.books.list_refunds().await.len()
        ),
        (1, 0)
    );
    shop.assert_clean().await;
}

#[tokio::test]
async fn event_of_declined_charge_is_recorded_only() {
    let Some(shop) = Shop::start_with_webhooks(&[]).await else {
        return;
    };
    shop.start_order("sw-3", "pm_card_chargeCustomerFail").await;
    let view = shop.harness.wait_for_end("sw-3").await;
    let failure = view.failure.unwrap();
    assert_eq!(
        (failure.code.as_str(), failure.detail.as_str()),
        ("payment_declined", "card_declined")
    );
    let delivery = shop.wait_for_webhook_events("sw-3", 1).await.remove(0);
    assert_eq!(
        (&delivery.event["kind"], delivery.outcome.as_str()),
        (&json!("attempt_failed"), "recorded")
    );
    assert_eq!(delivery.event["reason"], "card_declined");
    assert_eq!(
        shop.harness.wait_for_end("sw-3").await.status.as_str(),
        "failed"
    );
    assert_eq!(
        (
            shop.only_intent().await["status"].as_str(),
            shop.books.list_refunds().await.len()
        ),
        (Some("canceled"), 0)
    );
    shop.assert_clean().await;
}

#[tokio::test]
async fn event_of_own_refund_refunds_nothing() {
    let Some(shop) = Shop::start_with_webhooks(&[("SHIPPING_DELAY", "1h")]).await else {
        return;
    };
    shop.start_order("sw-4", "pm_card_visa").await;
    shop.wait_for_audit_event("sw-4", "payment_captured").await;
    shop.wait_for_webhook_events("sw-4", 1).await;
    shop.harness
        .post(
            "/orders/sw-4/signals/cancel",
            json!({"reason": "changed my mind"}),
        )
        .await
        .expect_status(200);
    let view = shop.harness.wait_for_end("sw-4").await;
    assert_eq!(
        (
            view.status.as_str(),
            view.payment_info.unwrap().status.as_str()
        ),
        ("cancelled", "refunded")
    );
    let intent = shop.only_intent().await;
    let charge = intent["latest_charge"]["id"]
        .as_str()
        .or_else(|| intent["latest_charge"].as_str())
        .unwrap();
    let charge = shop.books.get_charge(charge).await;
    assert_eq!(
        (&charge["amount_refunded"], &charge["payment_intent"]),
        (&json!(9_999), &intent["id"])
    );
    let refund = shop.books.list_refunds().await.remove(0);
    for (number, (event_type, object)) in [
        ("charge.refunded", &charge),
        ("refund.created", &refund),
        ("charge.refunded", &charge),
    ]
    .iter()
    .enumerate()
    {
        // The last event repeats the first one.
        shop.send_event(&format!("evt_sw_4_{}", number % 2), event_type, object)
            .await;
    }
    let recorded = shop
        .wait_for_webhook_events(intent["id"].as_str().unwrap(), 3)
        .await;
    for delivery in recorded
        .iter()
        .filter(|delivery| delivery.event["kind"] == "refunded")
    {
        assert!(
            ["known", "recorded"].contains(&delivery.outcome.as_str()),
            "{delivery:?}"
        );
    }
    assert_eq!(shop.books.list_refunds().await.len(), 1);
    let view = shop.harness.wait_for_end("sw-4").await;
    assert_eq!(
        (
            view.status.as_str(),
            view.payment_info.unwrap().status.as_str()
        ),
        ("cancelled", "refunded")
    );
    shop.assert_clean().await;
}

#[tokio::test]
async fn webhook_with_wrong_secret_is_rejected() {
    let Some(shop) = Shop::start_with_webhooks(&[]).await else {
        return;
    };
    shop.books
        .register_webhook(&shop.webhook_url(), "whsec_ofanotherendpoint", SENT)
        .await;
    shop.start_order("sw-5", "pm_card_visa").await;
    assert_eq!(
        shop.harness.wait_for_end("sw-5").await.status.as_str(),
        "delivered"
    );
    let refused = |log: &String| {
        log.contains("webhook \"payment_intent.succeeded\" failed with response code 400")
    };
    shop.harness
        .wait_until(
            "the rejected webhook in localstripe's log",
            async || shop.books.read_log(),
            refused,
        )
        .await;
    assert!(
        webhook_events::list(&shop.harness.pool, None, None, 10)
            .await
            .unwrap()
            .is_empty()
    );
    shop.assert_clean().await;
}
