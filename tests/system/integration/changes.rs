//! Each request that changes an order: its sender in the audit log, and a change for an older state
//! (`If-Match`).

use futures::{StreamExt, stream};
use reqwest::Method;
use serde_json::{Value, json};

use super::{matrix::send_signal, origins::Shop};
use crate::{
    api::{order_with_payment, sample_order},
    harness::Harness,
    settlements::WebhookSender,
    webhooks::start_with_webhooks,
};
use domain::{PaymentMode, Profile, ReviewMode, Span, WebhookProvider};
use orderflow_http::{Operation, ROUTES, Route, StartOperation};
use payment_webhooks::SampleKind;

const CONCURRENCY: usize = 4;

/// The state of an order in which a request has an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The request starts the order.
    New,
    Reviewed,
    Unpaid,
    Held,
    Preparing,
    Shipped,
    Delivered,
    ReturnRequested,
    ReturnApproved,
}

/// A request that changes an order: method, path, the state of the order before it, its body, and the
/// type of its audit event.
type Change = (
    &'static str,
    &'static str,
    State,
    &'static str,
    &'static str,
);

const PAYMENT: &str = r#"{"transaction_id": "tx-{id}", "amount": 99.99}"#;

/// A new route that changes an order needs a line here.
const CHANGES: &[Change] = &[
    ("POST", "/orders", State::New, "{}", "order_received"),
    (
        "POST",
        "/orders/{id}/start",
        State::New,
        "{}",
        "order_received",
    ),
    (
        "POST",
        "/orders/{id}/signals/approve",
        State::Reviewed,
        "{}",
        "review_approved",
    ),
    (
        "POST",
        "/orders/{id}/signals/reject",
        State::Reviewed,
        "{}",
        "review_rejected",
    ),
    (
        "POST",
        "/orders/{id}/signals/cancel",
        State::Unpaid,
        "{}",
        "order_cancelled",
    ),
    (
        "POST",
        "/orders/{id}/cancel",
        State::Unpaid,
        "{}",
        "order_cancelled",
    ),
    (
        "DELETE",
        "/orders/{id}",
        State::Unpaid,
        "{}",
        "order_cancelled",
    ),
    (
        "PATCH",
        "/orders/{id}",
        State::Unpaid,
        r#"{"note": "ring twice"}"#,
        "order_updated",
    ),
    (
        "POST",
        "/orders/{id}/signals/update-address",
        State::Unpaid,
        r#"{"street": "2 Side St"}"#,
        "address_updated",
    ),
    (
        "POST",
        "/orders/{id}/signals/cancel-payment",
        State::Preparing,
        "{}",
        "payment_cancel_requested",
    ),
    (
        "POST",
        "/orders/{id}/payment",
        State::Unpaid,
        PAYMENT,
        "payment_accepted",
    ),
    (
        "POST",
        "/orders/{id}/signals/confirm-payment",
        State::Unpaid,
        PAYMENT,
        "payment_accepted",
    ),
    (
        "POST",
        "/orders/{id}/signals/confirm-delivery",
        State::Shipped,
        "{}",
        "order_delivered",
    ),
    (
        "POST",
        "/orders/{id}/signals/hold",
        State::Unpaid,
        "{}",
        "order_held",
    ),
    (
        "POST",
        "/orders/{id}/signals/release",
        State::Held,
        "{}",
        "order_released",
    ),
    (
        "POST",
        "/orders/{id}/signals/update-items",
        State::Unpaid,
        r#"{"items": [{"sku": "ABC123", "quantity": 2}]}"#,
        "items_updated",
    ),
    (
        "POST",
        "/orders/{id}/refunds",
        State::Delivered,
        r#"{"amount": "5.00"}"#,
        "refund_requested",
    ),
    (
        "POST",
        "/orders/{id}/returns",
        State::Delivered,
        r#"{"items": [{"sku": "ABC123", "quantity": 1}]}"#,
        "return_requested",
    ),
    (
        "POST",
        "/orders/{id}/returns/{return_id}/approve",
        State::ReturnRequested,
        "{}",
        "return_approved",
    ),
    (
        "POST",
        "/orders/{id}/returns/{return_id}/reject",
        State::ReturnRequested,
        "{}",
        "return_rejected",
    ),
    (
        "POST",
        "/orders/{id}/returns/{return_id}/receive",
        State::ReturnApproved,
        "{}",
        "return_received",
    ),
    (
        "POST",
        "/orders/{id}/returns/{return_id}/cancel",
        State::ReturnRequested,
        "{}",
        "return_cancelled",
    ),
];

#[test]
fn table_has_every_route_that_changes_an_order() {
    let changes_an_order = |route: &&Route| match route.operation {
        Operation::Start(StartOperation::Create | StartOperation::Start)
        | Operation::Signal(_)
        | Operation::Refund
        | Operation::Return(_) => true,
        Operation::Start(StartOperation::Health)
        | Operation::Query(_)
        | Operation::Events(_)
        | Operation::Admin(_)
        | Operation::Web(_)
        | Operation::Webhook => false,
    };
    let routes: Vec<_> = ROUTES
        .iter()
        .filter(changes_an_order)
        .map(|route| (route.method.as_str(), route.pattern))
        .collect();
    let known: Vec<_> = CHANGES.iter().map(|change| (change.0, change.1)).collect();
    assert_eq!(known, routes);
}

/// Starts a paid order that waits for its dispatch.
async fn start_preparing(shop: &Shop, id: &str) -> String {
    let mut policy = Profile::Production.policy();
    policy.review.mode = ReviewMode::None;
    policy.review.threshold = None;
    policy.payment = PaymentMode::Charge;
    policy.shipping_delay = Span::from_secs(3_600);
    let order = order_with_payment(&format!("pmt-{id}"));
    shop.harness.start_with_policy(id, order, policy).await;
    let is_met = |order: &Value| order["waiting_for"]["reason"] == "shipping_delay";
    shop.wait_for(id, "the shipping delay", is_met).await;
    String::new()
}

/// Starts an order and waits until it has this state. Returns the id of its return, if it has one.
async fn reach(shop: &Shop, id: &str, state: State) -> String {
    let (profile, order, reason) = match state {
        State::New => return String::new(),
        State::Reviewed => ("approval", sample_order(), "review"),
        State::Unpaid | State::Held => ("checkout", sample_order(), "payment"),
        State::Preparing => return start_preparing(shop, id).await,
        State::Shipped | State::Delivered | State::ReturnRequested | State::ReturnApproved => {
            let order = order_with_payment(&format!("pmt-{id}"));
            ("production", order, "delivery")
        }
    };
    let wait_for = async |reason: &str| {
        let is_met = |order: &Value| order["waiting_for"]["reason"] == reason;
        shop.wait_for(id, &format!("{id} to wait for {reason}"), is_met)
            .await;
    };
    shop.create(id, profile, order).await;
    wait_for(reason).await;
    if state == State::Held {
        shop.send(id, "signals/hold", json!({})).await;
    }
    let is_delivered = matches!(
        state,
        State::Delivered | State::ReturnRequested | State::ReturnApproved
    );
    if is_delivered {
        shop.send(id, "signals/confirm-delivery", json!({})).await;
        shop.harness.wait_for_end(id).await;
    }
    if !matches!(state, State::ReturnRequested | State::ReturnApproved) {
        return String::new();
    }
    let returns = format!("/orders/{id}/returns");
    let units = json!({"items": [{"sku": "ABC123", "quantity": 1}]});
    let requested = shop.post(&returns, units, &[]).await.expect_status(201);
    let return_id = requested["return_id"].as_str().unwrap().to_owned();
    if state == State::ReturnApproved {
        shop.send(id, &format!("returns/{return_id}/approve"), json!({}))
            .await;
    }
    return_id
}

/// Makes a change for an older state and for the present one, and checks its sender.
async fn check_change(shop: &Shop, number: usize, change: &Change) {
    let &(method, pattern, state, body, kind) = change;
    let method: Method = method.parse().unwrap();
    let id = format!("change-{number}");
    let return_id = reach(shop, &id, state).await;
    let path = pattern
        .replace("{id}", &id)
        .replace("{return_id}", &return_id);
    if state == State::New {
        let started = shop.call(&method, &path, &sample_order(), &[]).await;
        shop.expect_origin(&started.expect_started(), kind).await;
        return;
    }
    let body: Value = serde_json::from_str(&body.replace("{id}", &id)).unwrap();
    let send = async |tag: &str| shop.call(&method, &path, &body, &[("if-match", tag)]).await;
    let stale = send("\"0\"").await;
    let present = stale.header("etag").to_owned();
    assert!(!present.is_empty(), "{method} {pattern}: {stale:?}");
    stale.expect_problem(412, "precondition_failed");
    let changed = send(&present).await;
    assert!(
        changed.status.is_success(),
        "{method} {pattern}: {changed:?}"
    );
    shop.expect_origin(&id, kind).await;
}

/// SEC-07 and ORD-24
#[tokio::test]
async fn every_change_names_caller_and_checks_state() {
    // The review has no end, and the other profiles have their own settings.
    let settings = [
        ("ORDER_PROFILE", "approval"),
        ("MANUAL_REVIEW_TIMEOUT", "1h"),
        ("ORDER_DEADLINE", "2h"),
    ];
    let shop = Shop::start(&settings).await;
    stream::iter(CHANGES.iter().enumerate())
        .for_each_concurrent(CONCURRENCY, async |(number, change)| {
            check_change(&shop, number, change).await;
        })
        .await;
    shop.harness.assert_invariants().await;
}

/// SEC-07
#[tokio::test]
async fn refusals_commands_and_stock_name_their_caller() {
    let shop = Shop::start(&[]).await;
    reach(&shop, "change-refused", State::Held).await;
    let paid = json!({"transaction_id": "tx-refused", "amount": 99.99});
    shop.send("change-refused", "payment", paid).await;
    let is_paid = |order: &Value| order["payment_info"]["status"] == "captured";
    shop.wait_for("change-refused", "its payment", is_paid)
        .await;
    let more = json!({"transaction_id": "tx-more", "amount": 99.99});
    shop.post("/orders/change-refused/payment", more, &[])
        .await
        .expect_problem(409, "already_paid");
    shop.expect_origin("change-refused", "request_refused")
        .await;

    reach(&shop, "change-cli", State::Unpaid).await;
    let mut cancel = shop.harness.command();
    let cancel = cancel
        .env("ORDERFLOW_API_KEY", &shop.key)
        .args(["cancel", "change-cli"]);
    let output = cancel.output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let event = shop.event("change-cli", "order_cancelled").await;
    assert_eq!(event["actor"], "key:operator", "{event}");

    let path = "/stock/CHANGED-BY";
    shop.call(&Method::PUT, path, &json!({"available": 1}), &[])
        .await
        .expect_status(201);
    let stock = shop.get(path).await.expect_status(200);
    assert_eq!(stock["movements"][0]["changed_by"], "key:operator");
    shop.harness.assert_invariants().await;
}

/// Waits for the audit event, and returns its actor.
async fn actor_of(harness: &Harness, id: &str, kind: &str) -> Value {
    let path = format!("/orders/{id}/events?limit=200");
    let read = async || {
        let log = harness.get(&path).await.body;
        let events = log["events"].as_array().cloned().unwrap_or_default();
        events.into_iter().find(|event| event["type"] == kind)
    };
    let event = harness
        .wait_until(&format!("{kind} of {id}"), read, Option::is_some)
        .await;
    event.unwrap()["actor"].clone()
}

/// SEC-07
#[tokio::test]
async fn audit_log_names_webhooks_and_temporal() {
    let harness = start_with_webhooks(&[("ORDER_PROFILE", "checkout")]).await;
    for id in ["change-webhook", "change-signal"] {
        let path = format!("/orders/{id}/start");
        harness.post(&path, sample_order()).await.expect_status(202);
        harness.wait_for_reason(id, "payment").await;
        assert_eq!(actor_of(&harness, id, "order_received").await, "anonymous");
    }
    let sender = WebhookSender::new(&harness, WebhookProvider::Stripe);
    let payment = sender.payment("change-webhook", "pi_change", "99.99");
    let status = sender.send_event(SampleKind::Paid, &payment, "a").await;
    assert_eq!(status, 200);
    let actor = actor_of(&harness, "change-webhook", "payment_confirmed").await;
    assert_eq!(actor, "webhook:stripe");
    send_signal(&harness, "change-signal", "cancel_order", &json!({})).await;
    let actor = actor_of(&harness, "change-signal", "order_cancelled").await;
    assert_eq!(actor, "temporal");
    harness.wait_for_end("change-signal").await;
    harness.assert_invariants().await;
}
