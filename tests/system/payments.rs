//! Money of orders through HTTP, Temporal and PostgreSQL: each test sends a sequence of provider
//! events and requests, and checks the end state of order, ledger, audit log, webhook events and
//! work list. The numbers in the comments are those of the cases that the tests cover.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "only some providers have a body of their own"
)]

mod amounts;
mod attempts;
mod confirmations;
mod contradictions;
mod disputes;
mod events;
mod joins;
mod losses;
mod receiving;
mod replacements;
mod transactions;
mod work_list;

use futures::{StreamExt, stream};
use serde_json::{Value, json};

use crate::{
    api::{ApiResponse, sample_order},
    harness::Harness,
    settlements::WebhookSender,
};
use domain::WebhookProvider::{self, Adyen, Checkout, Square, Standard, Stripe};
use payment_webhooks::SampleKind;

/// The total of each order, unless a test states another one.
const TOTAL: &str = "50.00";

/// The providers whose events pay an order.
const PAYING: [WebhookProvider; 5] = [Stripe, Adyen, Standard, Square, Checkout];

/// Runs the cases of a table, some of them at a time: the tests and their servers share few
/// processors and database connections.
async fn run_cases(cases: impl IntoIterator<Item = impl Future<Output = ()>>) {
    stream::iter(cases)
        .buffer_unordered(3)
        .collect::<()>()
        .await;
}

/// Starts a shop whose orders wait for payment, and whose API accepts the events of every provider.
async fn start_shop(settings: &[(&str, &str)]) -> Harness {
    let usual = [("ORDER_PROFILE", "checkout"), ("SETTLEMENT_GRACE", "10m")];
    crate::webhooks::start_with_webhooks(&[&usual, settings].concat()).await
}

/// Returns an order with this total.
fn order_of(total: &str, currency: &str) -> Value {
    let mut order = sample_order();
    order["items"][0]["unit_price"] = json!(total);
    order["currency"] = json!(currency);
    order
}

/// Creates an order of 50.00 USD that waits for its payment, and returns its id.
async fn create_order(harness: &Harness) -> String {
    start_order(harness, order_of(TOTAL, "USD")).await
}

/// Creates an order, waits until it waits for its payment, and returns its id.
async fn start_order(harness: &Harness, order: Value) -> String {
    let id = harness.post("/orders", order).await.expect_started();
    wait_for_audit_event(harness, &id, "payment_requested").await;
    id
}

async fn wait_for_audit_event(harness: &Harness, id: &str, kind: &str) {
    let read = async || list_audit_events(harness, id).await;
    let contains = |events: &Vec<Value>| events.iter().any(|event| event["type"] == kind);
    harness
        .wait_until(&format!("{kind} of {id}"), read, contains)
        .await;
}

async fn count_audit_events(harness: &Harness, id: &str, kind: &str) -> usize {
    audit_payloads(harness, id, kind).await.len()
}

/// Returns the payloads of the order's audit events of this type.
async fn audit_payloads(harness: &Harness, id: &str, kind: &str) -> Vec<Value> {
    let mut events = list_audit_events(harness, id).await;
    events.retain(|event| event["type"] == kind);
    events
        .into_iter()
        .map(|event| event["payload"].clone())
        .collect()
}

/// Returns the types of the order's audit events from the API.
async fn list_audit_kinds(harness: &Harness, id: &str) -> Vec<String> {
    let events = list_audit_events(harness, id).await;
    let kind = |event: &Value| event["type"].as_str().unwrap().to_owned();
    events.iter().map(kind).collect()
}

/// Returns the order's audit events from the API.
async fn list_audit_events(harness: &Harness, id: &str) -> Vec<Value> {
    let path = format!("/orders/{id}/events?limit=200");
    let read = async || harness.get(&path).await;
    // A new order is written to the database by its first step.
    let listed = harness
        .wait_until("the audit log", read, |response| response.status == 200)
        .await;
    listed.body["events"].as_array().unwrap().clone()
}

/// Waits for the end of the order and asserts its status.
async fn expect_end(harness: &Harness, id: &str, status: &str) -> contract::OrderView {
    let view = harness.wait_for_end(id).await;
    assert_eq!(view.status.as_str(), status, "{id}: {view:?}");
    view
}

/// Confirms a payment by API.
async fn confirm(
    harness: &Harness,
    id: &str,
    transaction_id: &str,
    amount: impl Into<Value>,
) -> ApiResponse {
    let amount: Value = amount.into();
    let confirmation = json!({"transaction_id": transaction_id, "amount": amount});
    harness
        .post(&format!("/orders/{id}/payment"), confirmation)
        .await
}

/// Returns a paid session of Stripe over 50.00 USD that names its order.
fn session_of(order_id: &str, session: &str, intent: Value) -> Value {
    json!({
        "id": session, "payment_status": "paid", "amount_total": 5_000, "currency": "usd",
        "payment_intent": intent, "client_reference_id": order_id,
    })
}

async fn cancel(harness: &Harness, id: &str) {
    harness
        .post(&format!("/orders/{id}/cancel"), json!({}))
        .await
        .expect_status(200);
    expect_end(harness, id, "cancelled").await;
}

/// Sends the sample event of this kind about a payment in USD, and returns its outcome.
async fn report(
    harness: &Harness,
    (provider, kind): (WebhookProvider, SampleKind),
    order_id: &str,
    transaction_id: &str,
    amount: &str,
) -> String {
    let sender = WebhookSender::new(harness, provider);
    let payment = sender.payment(order_id, transaction_id, amount);
    // The name makes events of different amounts and orders different events.
    let name = format!("{order_id}-{}", amount.replace('.', "-"));
    assert_eq!(sender.send_event(kind, &payment, &name).await / 100, 2);
    wait_for_outcome(harness, &sender.event_id(kind, &payment, &name)).await
}

/// Waits for the outcome of a webhook event and returns it. Many cases share the connections to the
/// database, so a read that gets none is repeated.
async fn wait_for_outcome(harness: &Harness, event_id: &str) -> String {
    let read = async || {
        let events = store::webhook_events::list(&harness.pool, None, Some(event_id), 1).await;
        events.ok()?.pop().map(|event| event.outcome)
    };
    let is_settled =
        |outcome: &Option<String>| outcome.as_deref().is_some_and(|it| it != "pending");
    harness
        .wait_until(&format!("the outcome of {event_id}"), read, is_settled)
        .await
        .unwrap()
}

/// Sends this body, and returns the outcome of the event with this id.
async fn post_event(
    harness: &Harness,
    provider: WebhookProvider,
    event_id: &str,
    body: &Value,
) -> String {
    let sender = WebhookSender::new(harness, provider);
    assert_eq!(sender.post_body(body).await, 200, "{body}");
    wait_for_outcome(harness, event_id).await
}

/// Sends an event of Stripe, and returns its outcome.
async fn post_stripe(harness: &Harness, event_id: &str, event_type: &str, object: Value) -> String {
    let body = json!({
        "id": event_id, "object": "event", "livemode": false, "type": event_type,
        "data": {"object": object},
    });
    post_event(harness, Stripe, event_id, &body).await
}

/// Returns an intent of Stripe in USD that names its order.
fn intent_of(order_id: &str, intent: &str, received: i64) -> Value {
    json!({
        "id": intent, "object": "payment_intent", "amount": received, "amount_received": received,
        "currency": "usd", "status": "succeeded", "metadata": {"order_id": order_id},
        "payment_method_types": ["card"],
    })
}

/// Sends `AUTHORISATION` or another event of Adyen about the payment `psp`, and returns its
/// outcome. `own` is the reference of a modification of the payment.
async fn post_adyen(
    harness: &Harness,
    (code, own): (&str, Option<&str>),
    order_id: &str,
    psp: &str,
    value: i64,
) -> String {
    let mut item = json!({
        "eventCode": code, "success": "true", "pspReference": own.unwrap_or(psp),
        "merchantReference": order_id, "merchantAccountCode": "Orderflow",
        "amount": {"currency": "USD", "value": value}, "additionalData": {},
    });
    if own.is_some() {
        item["originalReference"] = json!(psp);
    }
    let body = json!({
        "live": "false", "notificationItems": [{"NotificationRequestItem": item}],
    });
    let event_id = format!("{code}:{}:true", own.unwrap_or(psp));
    post_event(harness, Adyen, &event_id, &body).await
}

/// Sends an event of Checkout.com about an action on a payment in USD, and returns its outcome.
async fn post_checkout(
    harness: &Harness,
    (event_type, action): (&str, &str),
    order_id: &str,
    payment: &str,
    amount: i64,
) -> String {
    let event_id = format!("evt_{action}");
    let body = json!({
        "id": event_id, "type": event_type, "data": {
            "id": payment, "action_id": action, "amount": amount, "currency": "USD",
            "reference": order_id,
        },
    });
    post_event(harness, Checkout, &event_id, &body).await
}

/// Sends an event of Standard Webhooks, and returns its outcome.
async fn post_standard(harness: &Harness, event_id: &str, event_type: &str, data: Value) -> String {
    let body = json!({"id": event_id, "type": event_type, "data": data});
    post_event(harness, Standard, event_id, &body).await
}

/// A row of the ledger. The amounts are minor units.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Entry {
    provider: String,
    order_id: Option<String>,
    status: String,
    captured: i64,
    refunded: i64,
    due: i64,
    allocated: i64,
    unmatched: i64,
}

impl Entry {
    /// Money that pays an order.
    fn paid(provider: impl ToString, order_id: &str, amount: i64) -> Self {
        Self {
            provider: provider.to_string(),
            order_id: Some(order_id.to_owned()),
            status: "captured".to_owned(),
            captured: amount,
            allocated: amount,
            ..Self::default()
        }
    }

    /// The same money, of which an operator must refund this part.
    fn with_due(self, due: i64) -> Self {
        // A part that is due does not change what the rest pays for.
        let status = if due == self.allocated {
            "refund_due"
        } else {
            &self.status
        };
        Self {
            status: status.to_owned(),
            allocated: self.allocated - due,
            due,
            ..self
        }
    }

    /// The same money, of which this part is refunded.
    fn with_refunded(self, refunded: i64) -> Self {
        let status = if refunded == self.captured {
            "refunded"
        } else {
            &self.status
        };
        Self {
            status: status.to_owned(),
            allocated: self.allocated - refunded,
            refunded,
            ..self
        }
    }
}

/// Returns the ledger's rows of a transaction.
async fn ledger_of(harness: &Harness, transaction_id: &str) -> Vec<Entry> {
    type Columns = (String, Option<String>, String, i64, i64, i64, i64, i64);
    let rows: Vec<Columns> = sqlx::query_as(
        "select provider, order_id, status, captured, refunded, due, allocated, unmatched from payments
         where transaction_id = $1 or $1 = any(aliases) order by created_at",
    )
    .bind(transaction_id)
    .fetch_all(&harness.pool)
    .await
    .unwrap();
    rows.into_iter()
        .map(
            |(provider, order_id, status, captured, refunded, due, allocated, unmatched)| Entry {
                provider,
                order_id,
                status,
                captured,
                refunded,
                due,
                allocated,
                unmatched,
            },
        )
        .collect()
}

/// Returns the work list's entries of an order: concern, amount and transaction.
async fn work_list_of(harness: &Harness, order_id: &str) -> Vec<String> {
    list_work(harness, &format!("?order_id={order_id}")).await
}

/// Returns the entries of the whole work list that are about a transaction.
async fn work_list_about(harness: &Harness, transaction_id: &str) -> Vec<String> {
    let mut entries = list_work(harness, "?limit=200").await;
    entries.retain(|entry| entry.ends_with(&format!(" {transaction_id}")));
    entries
}

async fn list_work(harness: &Harness, query: &str) -> Vec<String> {
    let listed = harness.get(&format!("/payments/attention{query}")).await;
    let listed = listed.expect_status(200);
    let entries = listed["entries"].as_array().unwrap().iter();
    let text = |entry: &Value| {
        let amount = entry["amount"].as_f64();
        format!(
            "{} {} {}",
            entry["concern"].as_str().unwrap(),
            amount.map_or("unknown".to_owned(), |amount| format!("{amount:.2}")),
            entry["transaction_id"].as_str().unwrap_or("none"),
        )
    };
    entries.map(text).collect()
}

const NOTHING: [&str; 0] = [];
