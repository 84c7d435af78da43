//! The origin of each request, in the audit log, and changes for one state of an order (`If-Match`).

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    api::{ApiResponse, order_with_payment, sample_order},
    harness::Harness,
};
use orderflow_http::{Scope, create_api_key};

const CLIENT_ID: &str = "chosen-by-caller";

/// A shop whose operator has the key `operator`.
pub(super) struct Shop {
    pub(super) harness: Harness,
    pub(super) key: String,
}

impl Shop {
    pub(super) async fn start(settings: &[(&str, &str)]) -> Self {
        let made = create_api_key("operator", &Scope::ALL, None, None).unwrap();
        let access = [("API_AUTH", "api-key"), ("API_KEYS", made.line.as_str())];
        let harness = Harness::start_with(&[&access, settings].concat()).await;
        Self {
            harness,
            key: made.key,
        }
    }

    /// Sends a request with the id of its caller, and repeats it after a 503 response.
    pub(super) async fn call(
        &self,
        method: &Method,
        path: &str,
        body: &Value,
        more: &[(&str, &str)],
    ) -> ApiResponse {
        let known = [
            ("x-api-key", self.key.as_str()),
            ("x-request-id", CLIENT_ID),
            ("content-type", "application/json"),
        ];
        let headers = [&known[..], more].concat();
        let send = async || {
            let body = Some(body.to_string());
            self.harness
                .send(method.clone(), path, &headers, body)
                .await
        };
        let is_answered = |response: &ApiResponse| response.status != 503;
        self.harness
            .wait_until("a response", send, is_answered)
            .await
    }

    pub(super) async fn post(&self, path: &str, body: Value, more: &[(&str, &str)]) -> ApiResponse {
        self.call(&Method::POST, path, &body, more).await
    }

    async fn patch(&self, id: &str, body: Value, more: &[(&str, &str)]) -> ApiResponse {
        let path = format!("/orders/{id}");
        self.call(&Method::PATCH, &path, &body, more).await
    }

    async fn tag(&self, id: &str) -> String {
        let read = self.get(&format!("/orders/{id}")).await;
        read.header("etag").to_owned()
    }

    pub(super) async fn get(&self, path: &str) -> ApiResponse {
        let headers = [("x-api-key", self.key.as_str())];
        self.harness.send(Method::GET, path, &headers, None).await
    }

    pub(super) async fn create(&self, id: &str, profile: &str, mut order: Value) -> String {
        order["profile"] = json!(profile);
        let started = self.post(&format!("/orders/{id}/start"), order, &[]).await;
        assert_eq!(started.header("x-client-request-id"), CLIENT_ID);
        started.expect_started()
    }

    pub(super) async fn wait_for(&self, id: &str, what: &str, is_met: impl Fn(&Value) -> bool) {
        let path = format!("/orders/{id}");
        let read = async || self.get(&path).await.body;
        self.harness.wait_until(what, read, is_met).await;
    }

    pub(super) async fn send(&self, id: &str, route: &str, body: Value) -> Value {
        let path = format!("/orders/{id}/{route}");
        self.post(&path, body, &[]).await.expect_status(200)
    }

    /// Returns the last audit event of this type from the API.
    pub(super) async fn event(&self, id: &str, kind: &str) -> Value {
        let path = format!("/orders/{id}/events?limit=200");
        let read = async || {
            let log = self.get(&path).await.body;
            let events = log["events"].as_array().cloned().unwrap_or_default();
            events.into_iter().rfind(|event| event["type"] == kind)
        };
        let found = self
            .harness
            .wait_until(&format!("{kind} of {id}"), read, Option::is_some)
            .await;
        found.unwrap()
    }

    /// Asserts that the audit event names the caller and both ids of its request.
    pub(super) async fn expect_origin(&self, id: &str, kind: &str) -> Value {
        let event = self.event(id, kind).await;
        assert_eq!(event["actor"], "key:operator", "{event}");
        assert_eq!(event["client_request_id"], CLIENT_ID, "{event}");
        let request_id = event["request_id"].as_str().unwrap_or_default();
        assert!(!request_id.is_empty() && request_id != CLIENT_ID, "{event}");
        event
    }
}

/// SEC-07
#[tokio::test]
async fn audit_log_names_the_authenticated_caller() {
    let settings = [("REVIEW", "approval"), ("DELIVERY", "confirm")];
    let shop = Shop::start(&settings).await;
    let is_at = |step: &'static str| move |order: &Value| order["step"] == step;

    let id = shop.create("caller-1", "checkout", sample_order()).await;
    shop.expect_origin(&id, "order_received").await;
    shop.wait_for(&id, "the wait for a payment", is_at("pay"))
        .await;
    shop.send(&id, "signals/hold", json!({"reason": "check"}))
        .await;
    shop.expect_origin(&id, "order_held").await;
    shop.send(&id, "signals/release", json!({})).await;
    shop.expect_origin(&id, "order_released").await;
    let street = json!({"street": "18 Nathan Rd"});
    shop.send(&id, "signals/update-address", street).await;
    let changed = shop.expect_origin(&id, "address_updated").await;
    // ORD-21: the address itself is not in the audit log.
    let (old, new) = (&changed["payload"]["old"], &changed["payload"]["new"]);
    assert!(
        old != new && !changed.to_string().contains("Nathan"),
        "{changed}"
    );
    for hash in [old, new] {
        assert!(hash.as_str().unwrap().starts_with("sha256:"), "{changed}");
    }
    let refused = json!({"transaction_id": "tx-caller", "amount": 1});
    shop.post(&format!("/orders/{id}/payment"), refused, &[])
        .await
        .expect_problem(422, "payment_mismatch");
    shop.expect_origin(&id, "payment_mismatch").await;
    let paid = json!({"transaction_id": "tx-caller", "amount": 99.99});
    shop.send(&id, "payment", paid).await;
    for kind in ["payment_accepted", "payment_confirmed"] {
        shop.expect_origin(&id, kind).await;
    }
    // No request has caused these.
    for kind in ["order_validated", "inventory_reserved", "payment_requested"] {
        assert_eq!(shop.event(&id, kind).await.get("actor"), None, "{kind}");
    }

    let approved = order_with_payment("pmt-caller-2");
    let id = shop.create("caller-2", "approval", approved).await;
    shop.wait_for(&id, "the review", is_at("manual_review"))
        .await;
    let body = json!({"reviewer": "ceo@shop.example", "note": "ok"});
    let answer = shop.send(&id, "signals/approve", body).await;
    // ORD-36: the step after the decision.
    assert_eq!(answer["step"], "pay", "{answer}");
    let event = shop.expect_origin(&id, "review_approved").await;
    assert_eq!(event["claims"], json!({"reviewer": "ceo@shop.example"}));
    assert_eq!(event["payload"], json!({"note": "ok"}));

    let rejected = order_with_payment("pmt-caller-3");
    let id = shop.create("caller-3", "approval", rejected).await;
    shop.wait_for(&id, "the review", is_at("manual_review"))
        .await;
    let body = json!({"reviewer": "ceo@shop.example", "reason": "fraud"});
    shop.send(&id, "signals/reject", body).await;
    for kind in ["review_rejected", "order_cancelled"] {
        shop.expect_origin(&id, kind).await;
    }

    let cancelled = sample_order();
    let id = shop.create("caller-4", "checkout", cancelled).await;
    shop.wait_for(&id, "the wait for a payment", is_at("pay"))
        .await;
    shop.send(&id, "cancel", json!({})).await;
    shop.expect_origin(&id, "order_cancelled").await;
    shop.harness.assert_invariants().await;
}

#[tokio::test]
async fn audit_log_names_the_caller_of_changes() {
    let shop = Shop::start(&[("REVIEW", "approval")]).await;
    let mut order = order_with_payment("pmt-changed");
    order["items"][0]["quantity"] = json!(2);
    let id = shop.create("origin-changed", "approval", order).await;
    shop.wait_for(&id, "the review", |order| order["step"] == "manual_review")
        .await;
    let less = json!({"items": [{"sku": "ABC123", "quantity": 1}]});
    let reduced = shop.send(&id, "signals/update-items", less).await;
    assert_eq!(reduced["total_amount"], 99.99, "{reduced}");
    shop.expect_origin(&id, "items_updated").await;
    let noted = shop.patch(&id, json!({"note": "ring twice"}), &[]).await;
    let tag = noted.header("etag").to_owned();
    noted.expect_status(200);
    assert_eq!(tag, shop.tag(&id).await);
    shop.expect_origin(&id, "order_updated").await;
    shop.send(&id, "signals/approve", json!({})).await;
    shop.harness.wait_for_end(&id).await;

    // The order has ended.
    let note = json!({"note": "do not ring"});
    let stale = shop.patch(&id, note.clone(), &[("if-match", &tag)]).await;
    let present = shop.tag(&id).await;
    assert_eq!(stale.header("etag"), present);
    stale.expect_problem(412, "precondition_failed");
    let changed = shop.patch(&id, note, &[("if-match", &present)]).await;
    let after = changed.header("etag").to_owned();
    changed.expect_status(200);
    assert_ne!(after, present);
    assert_eq!(after, shop.tag(&id).await);
    let event = shop.expect_origin(&id, "order_updated").await;
    assert_eq!(event["payload"]["note"]["new"], "do not ring");
    shop.post(
        &format!("/orders/{id}/refunds"),
        json!({"amount": "5.00"}),
        &[],
    )
    .await
    .expect_status(202);
    let event = shop.expect_origin(&id, "refund_requested").await;
    assert_eq!(event["payload"].get("actor"), None, "{event}");
    let refunded = shop.event(&id, "refund_completed").await;
    assert_eq!(refunded.get("actor"), None, "{refunded}");
    shop.harness.assert_invariants().await;
}

/// A change during dispatch takes effect later, and is still that of its caller.
#[tokio::test]
async fn audit_log_names_the_caller_of_a_recall() {
    let shop = Shop::start(&[("SHIPPING_DELAY", "1h")]).await;
    let start = async |id: &str| {
        let mut order = order_with_payment(&format!("pmt-{id}"));
        order["items"][0]["quantity"] = json!(2);
        let id = shop.create(id, "production", order).await;
        shop.wait_for(&id, "the shipping delay", |order| {
            order["waiting_for"]["reason"] == "shipping_delay"
        })
        .await;
        id
    };
    let id = start("origin-redirected").await;
    let street = json!({"street": "18 Nathan Rd"});
    shop.send(&id, "signals/update-address", street).await;
    for kind in ["address_requested", "address_updated"] {
        shop.expect_origin(&id, kind).await;
    }
    let less = json!({"items": [{"sku": "ABC123", "quantity": 1}]});
    let id = start("origin-reduced").await;
    shop.send(&id, "signals/update-items", less).await;
    for kind in ["items_requested", "items_updated"] {
        shop.expect_origin(&id, kind).await;
    }
    let id = start("origin-held").await;
    shop.send(&id, "signals/hold", json!({})).await;
    shop.expect_origin(&id, "order_held").await;
    let id = start("origin-refunded").await;
    shop.send(&id, "signals/cancel-payment", json!({})).await;
    shop.expect_origin(&id, "payment_cancel_requested").await;
    let id = start("origin-recalled").await;
    shop.send(&id, "cancel", json!({})).await;
    for kind in ["cancel_requested", "order_cancelled"] {
        shop.expect_origin(&id, kind).await;
    }
    assert_eq!(
        shop.event(&id, "shipment_stopped").await.get("actor"),
        None,
        "the stop is not a request"
    );
    shop.harness.wait_for_end(&id).await;
    shop.harness.assert_invariants().await;
}

/// ORD-25 and the claim of the recipient.
#[tokio::test]
async fn delivery_lies_between_dispatch_and_now() {
    let shop = Shop::start(&[("DELIVERY", "confirm")]).await;
    let order = order_with_payment("pmt-delivery");
    let id = order["payment"]["payment_id"].as_str().unwrap().to_owned();
    shop.post(&format!("/orders/{id}/start"), order, &[])
        .await
        .expect_status(202);
    shop.wait_for(&id, "the dispatch", |order| order["status"] == "shipped")
        .await;
    let path = format!("/orders/{id}/signals/confirm-delivery");
    for impossible in ["1999-01-01T00:00:00Z", "2999-01-01T00:00:00Z"] {
        let body = json!({"delivered_at": impossible});
        let refused = shop.post(&path, body, &[]).await;
        let refused = refused.expect_problem(422, "delivery_time_invalid");
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.contains("between the dispatch at"), "{detail}");
    }
    let order = shop.get(&format!("/orders/{id}")).await.body;
    let delivered_at = order["shipment_info"]["shipped_at"].clone();
    let body = json!({"delivered_at": delivered_at, "signed_by": "bob"});
    shop.send(&id, "signals/confirm-delivery", body).await;
    let event = shop.expect_origin(&id, "order_delivered").await;
    assert_eq!(event["claims"], json!({"signed_by": "bob"}));
    assert_eq!(event["payload"]["delivered_at"], delivered_at);
    shop.harness.wait_for_end(&id).await;
    shop.harness.assert_invariants().await;
}

/// ORD-24
#[tokio::test]
async fn change_for_an_older_state_is_refused() {
    let shop = Shop::start(&[]).await;
    let id = shop.create("if-match", "checkout", sample_order()).await;
    shop.wait_for(&id, "the wait for a payment", |order| {
        order["step"] == "pay"
    })
    .await;
    let tag = async || shop.tag(&id).await;
    let change = async |route: &str, street: &str, tag: &str| {
        let path = format!("/orders/{id}/{route}");
        let body = match route {
            "signals/update-address" => json!({"street": street}),
            _ => json!({}),
        };
        shop.post(&path, body, &[("if-match", tag)]).await
    };
    let address = "signals/update-address";
    let first = tag().await;
    let changed = change(address, "2 Side St", &first).await;
    let after = changed.header("etag").to_owned();
    changed.expect_status(200);
    assert_ne!(after, first);
    assert_eq!(after, tag().await);
    // The second operator has read the state before the change.
    for stale in [first.as_str(), "W/\"0\"", "\"other\"", "malformed"] {
        for route in [address, "signals/hold", "signals/cancel"] {
            let refused = change(route, "3 Other St", stale).await;
            assert_eq!(refused.header("etag"), after, "{stale}");
            refused.expect_problem(412, "precondition_failed");
        }
    }
    let order = shop.get(&format!("/orders/{id}")).await.body;
    assert_eq!(order["shipping_address"]["street"], "2 Side St");
    let several = format!("\"0\", {after}");
    change(address, "4 Last St", &several)
        .await
        .expect_status(200);
    change("signals/cancel", "", "*").await.expect_status(200);
    shop.harness.wait_for_end(&id).await;
    let closed = change("signals/cancel", "", &after).await;
    closed.expect_problem(412, "precondition_failed");
    let closed = change("signals/cancel", "", &tag().await).await;
    assert_eq!(closed.header("etag"), tag().await);
    assert_eq!(closed.expect_status(200)["already"], true);
    shop.harness.assert_invariants().await;
}
