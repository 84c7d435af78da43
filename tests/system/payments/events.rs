//! Events as the providers write them, and the end state that a case expects.

use std::{
    process::Stdio,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::process::Command;

use super::{TOTAL as ORDER_TOTAL, order_of};
use crate::{harness::Harness, settlements::WebhookSender};
use domain::{
    Decimal,
    WebhookProvider::{
        self, Adyen, Checkout, GoCardless, Mollie, Shopify, Square, Standard, Stripe,
    },
};

/// The total of each order in minor units of USD.
pub(super) const TOTAL: i64 = 5_000;
/// The longest wait for one state of a case.
const PATIENCE: Duration = Duration::from_secs(90);
/// The number of cases that run at a time.
const CONCURRENCY: usize = 6;

static EVENTS: AtomicU32 = AtomicU32::new(0);

/// Returns an id that no other event of this run has.
pub(super) fn unique(kind: &str) -> String {
    format!("{kind}-{}", EVENTS.fetch_add(1, Ordering::Relaxed))
}

/// Runs cases concurrently on one harness.
pub(super) async fn run_cases<T>(cases: impl IntoIterator<Item = T>, run: impl AsyncFn(T)) {
    stream::iter(cases)
        .for_each_concurrent(CONCURRENCY, async |case| run(case).await)
        .await;
}

/// Repeats a read, which can fail while the machine is busy.
async fn read_store<T: std::fmt::Debug>(
    harness: &Harness,
    read: impl AsyncFnMut() -> Result<T, store::Error>,
) -> T {
    let done = |value: &Result<T, store::Error>| value.is_ok();
    let value = harness.wait_until_within(PATIENCE, "the database", read, done);
    value.await.unwrap()
}

/// Reads the event with this id; `None` before a worker has received it.
pub(super) async fn stored_event(
    harness: &Harness,
    event_id: &str,
) -> Option<store::webhook_events::WebhookEvent> {
    let read = async || store::webhook_events::list(&harness.pool, None, Some(event_id), 10).await;
    let mut events = read_store(harness, read).await;
    events.retain(|event| event.event_id == event_id);
    events.pop()
}

/// Waits for the outcome of a webhook event and returns it.
pub(super) async fn wait_for_outcome(harness: &Harness, event_id: &str) -> String {
    let read = async || {
        let event = stored_event(harness, event_id).await;
        event.map(|event| event.outcome)
    };
    let done = |outcome: &Option<String>| outcome.as_ref().is_some_and(|name| name != "pending");
    let outcome = format!("the outcome of {event_id}");
    let found = harness.wait_until_within(PATIENCE, &outcome, read, done);
    found.await.unwrap()
}

/// Repeats a GET request until the response is 200, and returns its body.
pub(super) async fn get_json(harness: &Harness, path: &str) -> Value {
    let read = async || harness.get(path).await;
    let response =
        harness.wait_until_within(PATIENCE, path, read, |response| response.status == 200);
    response.await.body
}

/// The body of a webhook event, and the id under which its outcome is recorded.
#[derive(Debug, Clone)]
pub(super) struct Raw {
    pub(super) event_id: String,
    pub(super) body: Value,
}

pub(super) fn stripe(event_type: &str, object: Value) -> Raw {
    let event_id = unique("evt");
    let body = json!({
        "id": event_id, "object": "event", "livemode": false, "type": event_type, "data": {"object": object},
    });
    Raw { event_id, body }
}

pub(super) fn standard(event_type: &str, data: Value) -> Raw {
    let event_id = unique("msg");
    // The sender takes the id of the message from the body.
    let body = json!({"id": event_id, "type": event_type, "data": data});
    Raw { event_id, body }
}

pub(super) fn square(event_type: &str, name: &str, object: Value) -> Raw {
    let event_id = unique("square");
    let body = json!({
        "merchant_id": "ORDERFLOW", "type": event_type, "event_id": event_id,
        "data": {"type": name, "object": {name: object}},
    });
    Raw { event_id, body }
}

pub(super) fn checkout(event_type: &str, data: Value) -> Raw {
    let event_id = unique("cko");
    let body = json!({"id": event_id, "type": event_type, "version": "1.0.0", "data": data});
    Raw { event_id, body }
}

/// Returns a notification with one item.
pub(super) fn adyen(item: Value) -> Raw {
    let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
    let event_id = format!(
        "{}:{}:{}",
        text("eventCode"),
        text("pspReference"),
        text("success")
    );
    let body = json!({"live": "false", "notificationItems": [{"NotificationRequestItem": item}]});
    Raw { event_id, body }
}

/// An order, its customer's transaction at a provider, and the provider's events about it.
pub(super) struct Payer<'a> {
    pub(super) harness: &'a Harness,
    sender: WebhookSender<'a>,
    pub(super) provider: WebhookProvider,
    pub(super) order: String,
    pub(super) transaction: String,
}

impl<'a> Payer<'a> {
    /// Creates an order and waits until it waits for its payment.
    pub(super) async fn start(harness: &'a Harness, provider: WebhookProvider) -> Self {
        let order = order_of(ORDER_TOTAL, "USD");
        let order = harness.post("/orders", order).await.expect_started();
        let payer = Self::of_order(harness, provider, &order);
        payer.wait_for_audit_event("payment_requested").await;
        payer
    }

    /// Returns a payer with another transaction for an existing order.
    pub(super) fn of_order(harness: &'a Harness, provider: WebhookProvider, order: &str) -> Self {
        let prefix = match provider {
            Stripe => "pi_",
            Checkout => "pay_",
            Adyen | Standard | Square | Mollie | GoCardless | Shopify => "T",
        };
        Self {
            harness,
            sender: WebhookSender::new(harness, provider),
            provider,
            order: order.to_owned(),
            transaction: unique(&format!("{prefix}{}", std::process::id())),
        }
    }

    /// Creates an order and pays it.
    pub(super) async fn paid(harness: &'a Harness, provider: WebhookProvider) -> Self {
        let payer = Self::start(harness, provider).await;
        assert_eq!(payer.send(&payer.pays()).await, "applied", "{provider}");
        payer
    }

    /// Creates a paid order that waits for its shipping delay.
    pub(super) async fn preparing(harness: &'a Harness, provider: WebhookProvider) -> Self {
        let payer = Self::paid(harness, provider).await;
        payer.wait_for_status("preparing").await;
        payer
    }

    /// Creates a paid order that is shipped and still open.
    pub(super) async fn shipped(harness: &'a Harness, provider: WebhookProvider) -> Self {
        let payer = Self::paid(harness, provider).await;
        payer.wait_for_status("shipped").await;
        payer
    }

    /// Creates a paid order that is delivered and closed.
    pub(super) async fn delivered(harness: &'a Harness, provider: WebhookProvider) -> Self {
        let payer = Self::shipped(harness, provider).await;
        payer.deliver().await;
        payer
    }

    /// Confirms the delivery of a shipped order.
    pub(super) async fn deliver(&self) {
        self.post("signals/confirm-delivery").await;
        let view = self.harness.wait_for_end(&self.order).await;
        assert_eq!(view.status.as_str(), "delivered", "{}", self.provider);
    }

    pub(super) async fn post(&self, request: &str) -> Value {
        self.harness
            .post(&format!("/orders/{}/{request}", self.order), json!({}))
            .await
            .expect_status(200)
    }

    /// Sends an event and returns its outcome.
    pub(super) async fn send(&self, raw: &Raw) -> String {
        self.post_event(raw).await;
        wait_for_outcome(self.harness, &raw.event_id).await
    }

    /// Sends an event and returns after the response.
    pub(super) async fn post_event(&self, raw: &Raw) {
        let accepted = if self.provider == GoCardless {
            204
        } else {
            200
        };
        assert_eq!(
            self.sender.post_body(&raw.body).await,
            accepted,
            "{}",
            raw.body
        );
    }

    /// Sends the same report with the id of another event, as providers do.
    pub(super) fn again(&self, raw: &Raw) -> Raw {
        let event_id = unique("again");
        let mut body = raw.body.clone();
        let name = if self.provider == Square {
            "event_id"
        } else {
            "id"
        };
        body[name] = json!(event_id);
        Raw { event_id, body }
    }

    fn no_such_event(&self, kind: &str) -> ! {
        panic!("{} has no event of this kind: {kind}", self.provider)
    }

    /// An item of Adyen about the payment, with the modification's own reference.
    pub(super) fn adyen_item(&self, code: &str, success: &str, value: i64) -> Value {
        let mut item = json!({
            "pspReference": self.transaction, "originalReference": "", "merchantReference": self.order,
            "merchantAccountCode": "Orderflow", "amount": {"currency": "USD", "value": value},
            "eventCode": code, "success": success, "additionalData": {},
        });
        if code != "AUTHORISATION" {
            item["originalReference"] = json!(self.transaction);
            item["pspReference"] = json!(unique("REF"));
        }
        item
    }

    pub(super) fn adyen(&self, code: &str, success: &str, value: i64) -> Raw {
        adyen(self.adyen_item(code, success, value))
    }

    fn intent(&self, status: &str, received: i64) -> Value {
        json!({
            "id": self.transaction, "object": "payment_intent", "amount": TOTAL, "amount_received": received,
            "currency": "usd", "status": status, "metadata": {"order_id": self.order},
        })
    }

    fn standard(&self, event_type: &str, amount: i64, more: Value) -> Raw {
        let mut data = json!({
            "order_id": self.order, "transaction_id": self.transaction,
            "amount": Decimal::new(amount, 2), "currency": "USD",
        });
        if let (Some(data), Value::Object(more)) = (data.as_object_mut(), more) {
            data.extend(more);
        }
        standard(event_type, data)
    }

    pub(super) fn square_payment(&self, status: &str, refunded: i64) -> Raw {
        let mut payment = json!({
            "id": self.transaction, "status": status, "source_type": "CARD", "reference_id": self.order,
            "amount_money": {"amount": TOTAL, "currency": "USD"},
        });
        if refunded > 0 {
            payment["refunded_money"] = json!({"amount": refunded, "currency": "USD"});
        }
        square("payment.updated", "payment", payment)
    }

    pub(super) fn checkout(&self, event_type: &str, action: &str, amount: i64) -> Raw {
        checkout(
            event_type,
            json!({
                "id": self.transaction, "action_id": action, "amount": amount, "currency": "USD",
                "reference": self.order,
            }),
        )
    }

    /// The customer paid the total.
    pub(super) fn pays(&self) -> Raw {
        match self.provider {
            Stripe => stripe("payment_intent.succeeded", self.intent("succeeded", TOTAL)),
            Adyen => self.adyen("AUTHORISATION", "true", TOTAL),
            Standard => self.standard("payment.succeeded", TOTAL, json!({})),
            Square => self.square_payment("COMPLETED", 0),
            Checkout => self.checkout("payment_captured", "act_paid", TOTAL),
            Mollie | GoCardless | Shopify => self.no_such_event("paid"),
        }
    }

    /// The provider reserved the total, and we must capture it.
    pub(super) fn authorises(&self) -> Raw {
        match self.provider {
            Stripe => {
                let mut intent = self.intent("requires_capture", 0);
                intent["amount_capturable"] = json!(TOTAL);
                stripe("payment_intent.amount_capturable_updated", intent)
            }
            Adyen => self.adyen("AUTHORISATION", "true", TOTAL),
            Standard => self.standard("payment.authorized", TOTAL, json!({})),
            Square => self.square_payment("APPROVED", 0),
            Checkout => self.checkout("payment_approved", "act_auth", TOTAL),
            Mollie | GoCardless | Shopify => self.no_such_event("authorised"),
        }
    }

    /// The authorisation ended.
    pub(super) fn ends(&self) -> Raw {
        match self.provider {
            Stripe => {
                let mut intent = self.intent("canceled", 0);
                intent["cancellation_reason"] = json!("automatic");
                stripe("payment_intent.canceled", intent)
            }
            Adyen => self.adyen("EXPIRE", "true", TOTAL),
            Standard => self.standard("payment.expired", TOTAL, json!({})),
            Square => self.square_payment("CANCELED", 0),
            Checkout => self.checkout("payment_expired", "act_expired", TOTAL),
            Mollie | GoCardless | Shopify => self.no_such_event("ended"),
        }
    }

    /// One refund.
    pub(super) fn refunds(&self, refund: &str, amount: i64) -> Raw {
        match self.provider {
            Stripe => self.stripe_refund("refund.created", "succeeded", refund, amount),
            Adyen => {
                let mut item = self.adyen_item("REFUND", "true", amount);
                item["pspReference"] = json!(format!("{refund}-{}", self.transaction));
                adyen(item)
            }
            Standard => self.standard("payment.refunded", amount, json!({"refund_id": refund})),
            Square => self.square_refund("COMPLETED", refund, amount),
            Checkout => self.checkout("payment_refunded", refund, amount),
            Mollie | GoCardless | Shopify => self.no_such_event("refunded"),
        }
    }

    /// The refund of this id did not reach the customer.
    pub(super) fn fails_refund(&self, refund: &str, amount: i64) -> Raw {
        match self.provider {
            Stripe => self.stripe_refund("refund.failed", "failed", refund, amount),
            Adyen => self.adyen("REFUNDED_REVERSED", "true", amount),
            Standard => self.standard(
                "payment.refund_failed",
                amount,
                json!({"refund_id": refund}),
            ),
            Square => self.square_refund("FAILED", refund, amount),
            Checkout => self.checkout("payment_refund_declined", refund, amount),
            Mollie | GoCardless | Shopify => self.no_such_event("refund failed"),
        }
    }

    pub(super) fn stripe_refund(
        &self,
        event_type: &str,
        status: &str,
        refund: &str,
        amount: i64,
    ) -> Raw {
        // A refund has no metadata of its payment.
        stripe(
            event_type,
            json!({
                "id": format!("re_{refund}"), "object": "refund", "amount": amount, "currency": "usd",
                "payment_intent": self.transaction, "status": status,
            }),
        )
    }

    fn square_refund(&self, status: &str, refund: &str, amount: i64) -> Raw {
        square(
            "refund.updated",
            "refund",
            json!({
                "id": refund, "status": status, "payment_id": self.transaction,
                "amount_money": {"amount": amount, "currency": "USD"},
            }),
        )
    }

    /// The customer's bank took the money back.
    pub(super) fn returns(&self, amount: i64) -> Raw {
        match self.provider {
            Standard => self.standard("payment.returned", amount, json!({})),
            Checkout => self.checkout("payment_returned", "act_returned", amount),
            Stripe | Adyen | Square | Mollie | GoCardless | Shopify => {
                self.no_such_event("returned")
            }
        }
    }

    /// A capture failed permanently.
    pub(super) fn fails_capture(&self) -> Raw {
        match self.provider {
            Adyen => self.adyen("CAPTURE_FAILED", "true", TOTAL),
            Standard => self.standard("payment.capture_failed", TOTAL, json!({})),
            Stripe | Square | Checkout | Mollie | GoCardless | Shopify => {
                self.no_such_event("capture failed")
            }
        }
    }

    /// A dispute of the total, in the provider's own words for `state`.
    pub(super) fn disputes(&self, state: &str) -> Raw {
        match self.provider {
            Stripe => self.stripe_dispute(state),
            Adyen => self.adyen(state, "true", TOTAL),
            Standard => self.standard(
                "payment.disputed",
                TOTAL,
                json!({"stage": state, "dispute_id": format!("dispute-{}", self.transaction)}),
            ),
            Square => square(
                "dispute.state.updated",
                "dispute",
                json!({
                    "id": format!("dispute-{}", self.transaction), "state": state,
                    "amount_money": {"amount": TOTAL, "currency": "USD"},
                    "disputed_payment": {"payment_id": self.transaction},
                }),
            ),
            Checkout => checkout(
                &format!("dispute_{state}"),
                json!({
                    "id": format!("dsp_{}", self.transaction), "payment_id": self.transaction,
                    "amount": TOTAL, "currency": "USD", "reference": self.order,
                }),
            ),
            Mollie | GoCardless | Shopify => self.no_such_event("disputed"),
        }
    }

    fn stripe_dispute(&self, status: &str) -> Raw {
        let event_type = match status {
            "needs_response" | "warning_needs_response" => "charge.dispute.created",
            "under_review" => "charge.dispute.updated",
            _ => "charge.dispute.closed",
        };
        stripe(
            event_type,
            json!({
                "id": format!("dp_{}", self.transaction), "object": "dispute", "amount": TOTAL,
                "currency": "usd", "payment_intent": self.transaction, "status": status,
            }),
        )
    }

    /// The provider's name of an open dispute.
    pub(super) fn opened(&self) -> &'static str {
        match self.provider {
            Stripe => "needs_response",
            Adyen => "CHARGEBACK",
            Standard => "opened",
            Square => "EVIDENCE_REQUIRED",
            Checkout => "received",
            Mollie | GoCardless | Shopify => self.no_such_event("disputed"),
        }
    }

    pub(super) fn won(&self) -> &'static str {
        match self.provider {
            Stripe | Standard | Checkout => "won",
            Adyen => "CHARGEBACK_REVERSED",
            Square => "WON",
            Mollie | GoCardless | Shopify => self.no_such_event("disputed"),
        }
    }

    pub(super) fn lost(&self) -> &'static str {
        match self.provider {
            Stripe | Standard | Checkout => "lost",
            Adyen => "SECOND_CHARGEBACK",
            Square => "LOST",
            Mollie | GoCardless | Shopify => self.no_such_event("disputed"),
        }
    }

    // The end state.

    pub(super) async fn wait_for_status(&self, status: &str) {
        self.wait_for(status, async || {
            let order = self.order().await;
            order["status"].as_str().unwrap_or_default().to_owned()
        })
        .await;
    }

    pub(super) async fn order(&self) -> Value {
        get_json(self.harness, &format!("/orders/{}", self.order)).await
    }

    /// Waits until the order ends in this status.
    pub(super) async fn wait_for_end(&self, status: &str) {
        let view = self.harness.wait_for_end(&self.order).await;
        assert_eq!(
            view.status.as_str(),
            status,
            "{} {}",
            self.provider,
            self.transaction
        );
    }

    /// Waits until the order is held because of its payment.
    pub(super) async fn wait_for_hold(&self) {
        let read = async || {
            let order = self.order().await;
            order["waiting_for"]["reason"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        self.wait_for("payment_hold", read).await;
        self.wait_for_audit_event("payment_held").await;
    }

    /// Waits until the work list has exactly these entries about the order.
    pub(super) async fn wait_for_attention(&self, entries: &[&str]) {
        let mut expected = entries.to_vec();
        expected.sort_unstable();
        let expected = expected.join(", ");
        self.wait_for(&expected, async || self.attention().await)
            .await;
    }

    pub(super) async fn attention_entries(&self) -> Vec<Value> {
        let path = format!("/payments/attention?order_id={}", self.order);
        let body = get_json(self.harness, &path).await;
        body["entries"].as_array().unwrap().clone()
    }

    async fn attention(&self) -> String {
        let mut entries: Vec<_> = self
            .attention_entries()
            .await
            .iter()
            .map(|entry| {
                let concern = entry["concern"].as_str().unwrap();
                match entry["amount"].as_f64() {
                    Some(amount) => format!("{concern} {amount:.2}"),
                    None => format!("{concern} unknown"),
                }
            })
            .collect();
        entries.sort();
        entries.join(", ")
    }

    /// Waits until the row of the transaction has this status and these amounts other than zero.
    pub(super) async fn wait_for_books(&self, books: &str) {
        self.wait_for(books, async || self.books().await).await;
    }

    pub(super) async fn books(&self) -> String {
        let pool = &self.harness.pool;
        let read = async || store::transactions::find(pool, &self.transaction).await;
        let rows = read_store(self.harness, read).await;
        let books: Vec<_> = rows
            .iter()
            .map(|row| {
                let amounts = [
                    ("captured", row.captured),
                    ("refunded", row.refunded),
                    ("lost", row.lost),
                    ("allocated", row.allocated),
                    ("due", row.due),
                    ("unmatched", row.unmatched),
                ];
                let amounts: Vec<_> = amounts
                    .iter()
                    .filter(|(_, amount)| *amount != 0)
                    .map(|(name, amount)| format!(" {name}={amount}"))
                    .collect();
                format!("{}:{}", row.status, amounts.concat())
            })
            .collect();
        books.join("; ")
    }

    /// Returns the types of the order's audit events.
    pub(super) async fn audit_kinds(&self) -> Vec<String> {
        let id = domain::OrderId::parse(&self.order).unwrap();
        let pool = &self.harness.pool;
        let read = async || store::audit_events::list(pool, &id, 0, 1_000).await;
        let events = read_store(self.harness, read).await.unwrap_or_default();
        events.iter().map(|event| event.kind.to_string()).collect()
    }

    /// Waits until the audit log has the event, and returns the number of its events of this type.
    pub(super) async fn wait_for_audit_event(&self, kind: &str) -> usize {
        let read = async || self.audit_kinds().await;
        let done = |kinds: &Vec<String>| kinds.iter().any(|known| known == kind);
        let context = format!("{kind} of {} {}", self.provider, self.order);
        let kinds = self
            .harness
            .wait_until_within(PATIENCE, &context, read, done)
            .await;
        kinds.iter().filter(|known| *known == kind).count()
    }

    /// Waits until the audit log has this number of events of a type.
    pub(super) async fn wait_for_audit_count(&self, kind: &str, count: usize) {
        let read = async || format!("{} {kind}", self.count_audit_events(kind).await);
        self.wait_for(&format!("{count} {kind}"), read).await;
    }

    pub(super) async fn count_audit_events(&self, kind: &str) -> usize {
        let kinds = self.audit_kinds().await;
        kinds.iter().filter(|known| *known == kind).count()
    }

    async fn wait_for(&self, expected: &str, read: impl AsyncFnMut() -> String) {
        let context = format!(
            "{expected:?} of {} {} {}",
            self.provider, self.order, self.transaction
        );
        self.harness
            .wait_until_within(PATIENCE, &context, read, |value| value == expected)
            .await;
    }

    pub(super) async fn assert_status(&self, order: &str, payment: &str) {
        let body = self.order().await;
        assert_eq!(
            (&body["status"], &body["payment_info"]["status"]),
            (&json!(order), &json!(payment)),
            "{} {body}",
            self.provider
        );
    }

    /// Asserts that the API, the database, the table and the command line show the same payment
    /// status, and that one `ETag` has one state.
    pub(super) async fn assert_one_status(&self, status: &str) {
        let of_source = async |source: &str| {
            let path = format!("/orders/{}?source={source}", self.order);
            let response = self.harness.get(&path).await;
            let tag = response.header("etag").to_owned();
            let body = response.expect_status(200);
            (tag, body["payment_info"].clone())
        };
        let read = async || (of_source("workflow").await, of_source("database").await);
        let ((_, payment), _) = self
            .harness
            .wait_until_within(PATIENCE, "one ETag", read, |(workflow, database)| {
                workflow.0 == database.0
            })
            .await;
        // Between the two reads, the order can change.
        let pairs = read().await;
        assert_eq!(pairs.0, pairs.1, "{}", self.provider);
        assert_eq!(payment["status"], status, "{} {payment}", self.provider);
        let books = self.books().await;
        assert_eq!(books.split(':').next(), Some(status), "{books}");
        let shown = orderflow_json(self.harness, &["money", "show", &self.transaction]).await;
        assert_eq!(shown["payments"][0]["status"], status);
    }
}

/// Runs a command with the addresses of the harness, and returns its output.
pub(super) async fn orderflow(harness: &Harness, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(env!("CARGO_BIN_EXE_orderflow-under-test"))
        .args(arguments)
        .stdin(Stdio::null())
        .env("ORDERFLOW_URL", &harness.url)
        .env("TEMPORAL_ADDRESS", &harness.temporal_address)
        .env("TEMPORAL_NAMESPACE", "default")
        .env("ORDER_TASK_QUEUE", &harness.orders_task_queue)
        .env("SHIPPING_TASK_QUEUE", &harness.shipping_task_queue)
        .env("DATABASE_URL", &harness.database_url)
        .output()
        .await
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stderr))
    }
}

pub(super) async fn orderflow_json(harness: &Harness, arguments: &[&str]) -> Value {
    let output = orderflow(harness, &[arguments, &["--json"]].concat()).await;
    serde_json::from_str(&output.unwrap()).unwrap()
}
