//! Real charges: the worker against localstripe, which keeps Stripe's records, and against Stripe's
//! OpenAPI description.

mod failures;
pub(crate) mod localstripe;
mod proxy;
mod requests;
mod search;
pub(crate) mod tools;
mod webhooks;

use localstripe::{API_KEY, Localstripe};
use proxy::Proxy;
use serde_json::{Value, json};

use crate::{api::order_with_payment, harness::Harness};

/// A harness that charges at Stripe, with the programs that replace Stripe.
struct Shop {
    harness: Harness,
    books: Localstripe,
    relay: Proxy,
}

impl Shop {
    async fn start(settings: &[(&str, &str)]) -> Option<Self> {
        let books = Localstripe::start().await?;
        let relay = Proxy::start(&books.url).await;
        let stripe = [
            ("PAYMENT_PROVIDER", "stripe"),
            ("STRIPE_API_KEY", API_KEY),
            ("STRIPE_API_BASE", relay.url.as_str()),
        ];
        let harness = Harness::start_with(&[&stripe, settings].concat()).await;
        Some(Self {
            harness,
            books,
            relay,
        })
    }

    async fn start_order(&self, id: &str, payment_method: &str) {
        self.harness
            .post(
                &format!("/orders/{id}/start"),
                stripe_order(id, payment_method),
            )
            .await
            .expect_status(202);
    }

    /// Returns the only intent.
    async fn only_intent(&self) -> Value {
        let mut intents = self.books.list_intents().await;
        assert_eq!(intents.len(), 1, "{intents:?}");
        intents.remove(0)
    }

    /// Waits for the order's audit event of this type and returns its payload.
    async fn wait_for_audit_event(&self, id: &str, kind: &str) -> Value {
        let read =
            async || self.harness.get(&format!("/orders/{id}/events")).await.body["events"].clone();
        let find = |events: &Value| {
            events
                .as_array()
                .into_iter()
                .flatten()
                .find(|event| event["type"] == kind)
                .map(|event| event["payload"].clone())
        };
        let events = self
            .harness
            .wait_until(&format!("{kind} of {id}"), read, |events| {
                find(events).is_some()
            })
            .await;
        find(&events).unwrap()
    }

    /// Asserts every invariant, and that no log contains the key or the text of Stripe's messages.
    async fn assert_clean(self) {
        self.harness.assert_invariants().await;
        for service in ["worker", "api"] {
            let log = self.harness.read_log(service);
            // Longer than the digits of a time stamp.
            assert!(!log.contains(API_KEY) && !log.contains("42424242"), "{log}");
        }
    }
}

fn stripe_order(id: &str, payment_method: &str) -> Value {
    let mut order = order_with_payment(&format!("pmt-{id}"));
    order["payment"]["method"] = json!(payment_method);
    order
}

/// Runs the orders `customer-confirmed`, `customer-unheard` and `customer-silent` for the recorded
/// histories. Their customers must authenticate the payment.
pub(crate) async fn run_unconfirmed_payments() -> Option<Harness> {
    let shop = Shop::start(&[("PAYMENT_TIMEOUT", "20s")]).await?;
    let method = shop.books.create_card("4000002500003155").await;
    let ids = ["customer-confirmed", "customer-unheard", "customer-silent"];
    for id in ids {
        shop.start_order(id, &method).await;
        let intent =
            shop.wait_for_audit_event(id, "payment_requested").await["transaction_id"].clone();
        let intent = shop
            .books
            .list_intents()
            .await
            .into_iter()
            .find(|known| known["id"] == intent)
            .unwrap();
        if id != "customer-silent" {
            shop.books.authenticate(&intent).await;
        }
        if id == "customer-confirmed" {
            let confirmation = json!({"transaction_id": intent["id"], "amount": "99.99"});
            shop.harness
                .post(&format!("/orders/{id}/payment"), confirmation)
                .await
                .expect_status(200);
        }
    }
    for id in ids {
        shop.harness.wait_for_end(id).await;
    }
    Some(shop.harness)
}

#[tokio::test]
async fn stripe_order_is_charged_once_and_delivered() {
    let Some(shop) = Shop::start(&[]).await else {
        return;
    };
    shop.start_order("s-1", "pm_card_visa").await;
    let view = shop.harness.wait_for_end("s-1").await;
    assert_eq!(view.status.as_str(), "delivered");
    let intent = shop.only_intent().await;
    assert_eq!(
        (&intent["status"], &intent["amount"]),
        (&json!("succeeded"), &json!(9_999))
    );
    assert_eq!(intent["currency"], "usd");
    assert_eq!(
        intent["metadata"],
        json!({"order_id": "s-1", "payment_id": "pmt-s-1"})
    );
    let payment = view.payment_info.unwrap();
    assert_eq!(payment.status.as_str(), "captured");
    assert_eq!(json!(payment.transaction_id), intent["id"]);
    assert_eq!(
        shop.relay.charge_calls()[0].key.as_deref(),
        Some("charge:s-1:pmt-s-1")
    );
    // The simulator has no records, because only localstripe was charged.
    assert_eq!(
        shop.harness.provider_movements("s-1").await,
        Vec::<String>::new()
    );
    shop.assert_clean().await;
}

#[tokio::test]
async fn amounts_use_stripes_currency_units() {
    let Some(shop) = Shop::start(&[]).await else {
        return;
    };
    let mut yen = stripe_order("s-2", "pm_card_visa");
    yen["currency"] = json!("ISK");
    yen["items"][0]["unit_price"] = json!("5");
    shop.harness
        .post("/orders/s-2/start", yen)
        .await
        .expect_status(202);
    assert_eq!(
        shop.harness.wait_for_end("s-2").await.status.as_str(),
        "delivered"
    );
    let intent = shop.only_intent().await;
    assert_eq!(
        (&intent["amount"], &intent["currency"]),
        (&json!(500), &json!("isk"))
    );
    // Stripe cannot charge a thousandth of a dinar, because card networks use hundredths.
    let mut dinar = stripe_order("s-2b", "pm_card_visa");
    dinar["currency"] = json!("KWD");
    dinar["items"][0]["unit_price"] = json!("5.124");
    shop.harness
        .post("/orders/s-2b/start", dinar)
        .await
        .expect_status(422);
    assert_eq!(shop.books.list_intents().await.len(), 1);
    shop.assert_clean().await;
}

#[tokio::test]
async fn declined_card_fails_order_and_cancels_intent() {
    let Some(shop) = Shop::start(&[]).await else {
        return;
    };
    shop.start_order("s-3", "pm_card_chargeCustomerFail").await;
    let view = shop.harness.wait_for_end("s-3").await;
    assert_eq!(view.status.as_str(), "failed");
    let failure = view.failure.unwrap();
    assert_eq!(
        (failure.code.as_str(), failure.detail.as_str()),
        ("payment_declined", "card_declined")
    );
    assert_eq!(shop.only_intent().await["status"], "canceled");
    assert_eq!(shop.books.list_refunds().await, Vec::<Value>::new());
    shop.assert_clean().await;
}

#[tokio::test]
async fn cancel_after_payment_refunds_at_stripe() {
    let Some(shop) = Shop::start(&[("SHIPPING_DELAY", "1h")]).await else {
        return;
    };
    shop.start_order("s-4", "pm_card_visa").await;
    shop.wait_for_audit_event("s-4", "payment_captured").await;
    shop.harness
        .post(
            "/orders/s-4/signals/cancel",
            json!({"reason": "changed my mind"}),
        )
        .await
        .expect_status(200);
    let view = shop.harness.wait_for_end("s-4").await;
    assert_eq!(
        (
            view.status.as_str(),
            view.payment_info.unwrap().status.as_str()
        ),
        ("cancelled", "refunded")
    );
    let refunds = shop.books.list_refunds().await;
    assert_eq!(refunds.len(), 1, "{refunds:?}");
    assert_eq!(
        (&refunds[0]["amount"], &refunds[0]["status"]),
        (&json!(9_999), &json!("succeeded"))
    );
    assert_eq!(refunds[0]["payment_intent"], shop.only_intent().await["id"]);
    shop.assert_clean().await;
}

#[tokio::test]
async fn order_waits_for_customer_authentication() {
    let Some(shop) = Shop::start(&[]).await else {
        return;
    };
    let method = shop.books.create_card("4000002500003155").await;
    shop.start_order("s-5", &method).await;
    let requested = shop.wait_for_audit_event("s-5", "payment_requested").await;
    let intent = shop.only_intent().await;
    assert_eq!(
        (&intent["status"], &requested["transaction_id"]),
        (&json!("requires_action"), &intent["id"])
    );
    assert_eq!(
        shop.harness.get("/orders/s-5").await.body["status"],
        "pending"
    );
    // Another payment does not pay the order while our own charge can still succeed.
    let other = json!({"transaction_id": "tx-other", "amount": "99.99"});
    shop.harness
        .post("/orders/s-5/payment", other)
        .await
        .expect_problem(409, "payment_not_expected");

    shop.books.authenticate(&intent).await;
    let confirmation =
        json!({"transaction_id": intent["id"], "amount": "99.99", "currency": "USD"});
    shop.harness
        .post("/orders/s-5/payment", confirmation.clone())
        .await
        .expect_status(200);
    let view = shop.harness.wait_for_end("s-5").await;
    assert_eq!(view.status.as_str(), "delivered");
    assert_eq!(
        json!(view.payment_info.unwrap().transaction_id),
        intent["id"]
    );
    assert_eq!(shop.only_intent().await["status"], "succeeded");
    let again = shop
        .harness
        .post("/orders/s-5/payment", confirmation)
        .await
        .expect_status(200);
    assert_eq!(again["already"], true);
    shop.assert_clean().await;
}

#[tokio::test]
async fn unauthenticated_payment_times_out_and_is_cancelled() {
    let Some(shop) = Shop::start(&[("PAYMENT_TIMEOUT", "2s")]).await else {
        return;
    };
    let method = shop.books.create_card("4000002500003155").await;
    shop.start_order("s-6", &method).await;
    let view = shop.harness.wait_for_end("s-6").await;
    assert_eq!(view.status.as_str(), "cancelled");
    assert_eq!(view.payment_info.unwrap().status.as_str(), "declined");
    assert_eq!(shop.only_intent().await["status"], "canceled");
    assert!(
        shop.harness
            .audit_event_types("s-6")
            .await
            .contains(&"payment_timed_out".to_owned())
    );
    shop.assert_clean().await;
}

#[tokio::test]
async fn authenticated_payment_counts_without_webhook_event() {
    let Some(shop) = Shop::start(&[("PAYMENT_TIMEOUT", "15s")]).await else {
        return;
    };
    let method = shop.books.create_card("4000002500003155").await;
    shop.start_order("s-8", &method).await;
    shop.wait_for_audit_event("s-8", "payment_requested").await;
    shop.books.authenticate(&shop.only_intent().await).await;
    assert_eq!(
        shop.harness.wait_for_end("s-8").await.status.as_str(),
        "delivered"
    );
    assert_eq!(shop.only_intent().await["status"], "succeeded");
    shop.assert_clean().await;
}

#[tokio::test]
async fn cancel_during_authentication_cancels_intent() {
    let Some(shop) = Shop::start(&[]).await else {
        return;
    };
    let method = shop.books.create_card("4000002500003155").await;
    shop.start_order("s-9", &method).await;
    shop.wait_for_audit_event("s-9", "payment_requested").await;
    shop.harness
        .post("/orders/s-9/signals/cancel", json!({}))
        .await
        .expect_status(200);
    let view = shop.harness.wait_for_end("s-9").await;
    assert_eq!(
        (
            view.status.as_str(),
            view.payment_info.unwrap().status.as_str()
        ),
        ("cancelled", "declined")
    );
    assert_eq!(shop.only_intent().await["status"], "canceled");
    shop.assert_clean().await;
}

#[tokio::test]
async fn stripe_order_requires_a_payment_method() {
    let Some(shop) = Shop::start(&[]).await else {
        return;
    };
    for bad in [
        Value::Null,
        json!("card"),
        json!("4242424242424242"),
        json!("pm_card visa"),
    ] {
        let mut order = order_with_payment("pmt-s-7");
        if !bad.is_null() {
            order["payment"]["method"] = bad.clone();
        }
        for path in ["/orders", "/orders/s-7/start"] {
            let problem = shop
                .harness
                .post(path, order.clone())
                .await
                .expect_problem(422, "invalid_request");
            assert_eq!(
                problem["errors"][0]["pointer"], "/payment/method",
                "{bad}: {problem}"
            );
            assert!(!problem.to_string().contains("4242"), "{problem}");
        }
    }
    // An order that only waits for a confirmation is not charged.
    let mut waits = order_with_payment("pmt-s-7");
    waits["profile"] = json!("checkout");
    shop.harness
        .post("/orders/s-7/start", waits)
        .await
        .expect_status(202);
    shop.assert_clean().await;
}
