//! Texts of the shop that customers do not read, and those that they read.

use serde_json::{Value, json};

use super::{Keys, Scope, create_api_key, start_with_keys};
use crate::{
    api::{ApiResponse, order_with_payment, sample_order},
    harness::Harness,
};

/// The beginning of each text that is for the shop only.
const SECRET: &str = "chargeback ring";

/// Returns keys of the shop and of the customer C-1.
fn keys() -> Keys {
    let key = |(name, customer): (&'static str, Option<&str>)| {
        let made = create_api_key(name, &Scope::ALL, customer, None).unwrap();
        (name, made.key, made.line)
    };
    Keys(
        [("operator", None), ("customer", Some("C-1"))]
            .map(key)
            .into(),
    )
}

struct Shop {
    harness: Harness,
    keys: Keys,
}

impl Shop {
    async fn call(
        &self,
        key: &str,
        (method, path): (&str, &str),
        body: Option<Value>,
    ) -> ApiResponse {
        let key = self.keys.get(key);
        let send = async || self.harness.call(key, method, path, body.clone()).await;
        let is_answered = |response: &ApiResponse| response.status != 503;
        self.harness
            .wait_until("a response", send, is_answered)
            .await
    }

    async fn create(&self, id: &str, profile: &str, mut order: Value) {
        order["customer"] = json!({"id": "C-1", "email": "john@example.com"});
        order["profile"] = json!(profile);
        let path = format!("/orders/{id}/start");
        let started = self.call("operator", ("POST", &path), Some(order)).await;
        started.expect_status(202);
    }

    async fn wait_for(&self, id: &str, name: &str, value: &str) {
        let path = format!("/orders/{id}");
        let read = async || self.call("operator", ("GET", &path), None).await.body;
        let is_met = |order: &Value| order[name] == value;
        self.harness
            .wait_until(&format!("{name} {value} of {id}"), read, is_met)
            .await;
    }

    /// Sends a request with a text for the shop in `name`, and another one for the customer.
    async fn send(&self, id: &str, action: &str, name: &str) {
        let mut body = json!({"public_reason": format!("for you: {action}")});
        body[name] = json!(format!("{SECRET}: {action}"));
        let path = format!("/orders/{id}/signals/{action}");
        let sent = self.call("operator", ("POST", &path), Some(body)).await;
        sent.expect_status(200);
    }

    /// Requests a return of the order's unit, and takes these steps with texts.
    async fn return_unit(&self, id: &str, steps: &[&str]) {
        let returns = format!("/orders/{id}/returns");
        let reason = format!("{SECRET}: return");
        let units = json!({"items": [{"sku": "ABC123", "quantity": 1, "reason": reason}]});
        let requested = self.call("operator", ("POST", &returns), Some(units)).await;
        let requested = requested.expect_status(201);
        let return_id = requested["return_id"].as_str().unwrap();
        for step in steps {
            let texts = json!({
                "reason": format!("{SECRET}: {step} return"),
                "public_reason": format!("for you: {step} return"),
            });
            let path = format!("{returns}/{return_id}/{step}");
            let changed = self.call("operator", ("POST", &path), Some(texts)).await;
            changed.expect_status(200);
        }
    }

    /// Returns the paths of everything about the order, with each of its refunds and returns.
    async fn list_paths(&self, key: &str, id: &str) -> Vec<String> {
        let path = format!("/orders/{id}");
        let order = self.call(key, ("GET", &path), None).await;
        let order = order.expect_status(200);
        let mut paths = vec![
            format!("{path}?source=database"),
            format!("{path}/status"),
            format!("{path}/events?limit=200"),
            format!("{path}/refunds"),
            format!("{path}/returns"),
            "/orders?limit=200".to_owned(),
        ];
        for (list, name) in [("refunds", "refund_id"), ("returns", "return_id")] {
            let found = order[list].as_array().into_iter().flatten();
            let single = |one: &Value| format!("{path}/{list}/{}", one[name].as_str().unwrap());
            paths.extend(found.map(single));
        }
        if order["is_running"] == false {
            paths.push(format!("{path}/result"));
        }
        paths.push(path);
        paths
    }

    /// Returns everything that a caller reads about the order, as one text.
    async fn read_all(&self, key: &str, id: &str) -> String {
        let paths = self.list_paths(key, id).await;
        let mut all = String::new();
        for path in &paths {
            let read = self.call(key, ("GET", path), None).await;
            all += &read.expect_status(200).to_string();
        }
        let headers = [("x-api-key", self.keys.get(key)), ("accept", "text/csv")];
        let method = reqwest::Method::GET;
        let table = self.harness.send(method, "/orders", &headers, None).await;
        all + &table.expect_status(200).to_string()
    }
}

/// SEC-08
#[tokio::test]
async fn customer_reads_only_texts_for_customers() {
    let keys = keys();
    let settings = [
        ("ALLOW_PROFILE_OVERRIDE", "on"),
        ("SHIPPING_DELAY", "1h"),
        ("MANUAL_REVIEW_TIMEOUT", "1h"),
        ("ORDER_DEADLINE", "2h"),
    ];
    let harness = start_with_keys(&keys, &settings).await;
    let shop = Shop { harness, keys };

    shop.create("texts-held", "checkout", sample_order()).await;
    shop.wait_for("texts-held", "step", "pay").await;
    for action in ["hold", "release", "cancel"] {
        shop.send("texts-held", action, "reason").await;
    }
    shop.create(
        "texts-approved",
        "approval",
        order_with_payment("pmt-texts-approved"),
    )
    .await;
    shop.create(
        "texts-rejected",
        "approval",
        order_with_payment("pmt-texts-rejected"),
    )
    .await;
    for id in ["texts-approved", "texts-rejected"] {
        shop.wait_for(id, "step", "manual_review").await;
    }
    shop.send("texts-approved", "approve", "note").await;
    shop.send("texts-rejected", "reject", "reason").await;
    shop.create(
        "texts-paid",
        "production",
        order_with_payment("pmt-texts-paid"),
    )
    .await;
    shop.wait_for("texts-paid", "status", "preparing").await;
    shop.send("texts-paid", "cancel-payment", "reason").await;
    let refund = json!({
        "amount": "1.00", "reason": format!("{SECRET}: refund"), "public_reason": "for you: refund",
    });
    shop.harness.wait_for_end("texts-approved").await;
    let path = "/orders/texts-approved/refunds";
    shop.call("operator", ("POST", path), Some(refund))
        .await
        .expect_status(202);
    for (id, steps) in [
        ("texts-returned", &["approve", "cancel"][..]),
        ("texts-kept", &["reject"]),
    ] {
        let order = order_with_payment(&format!("pmt-{id}"));
        shop.create(id, "approval", order).await;
        shop.wait_for(id, "step", "manual_review").await;
        shop.send(id, "approve", "note").await;
        shop.harness.wait_for_end(id).await;
        shop.return_unit(id, steps).await;
    }

    for (id, actions) in [
        ("texts-held", &["hold", "release", "cancel"][..]),
        ("texts-approved", &["approve", "refund"]),
        ("texts-rejected", &["reject"]),
        ("texts-paid", &["cancel-payment"]),
        ("texts-returned", &["approve return", "cancel return"]),
        ("texts-kept", &["reject return"]),
    ] {
        let secrets = |whole: &String| {
            let mut texts = actions.iter().map(|action| format!("{SECRET}: {action}"));
            texts.all(|text| whole.contains(&text))
        };
        let whole = async || shop.read_all("operator", id).await;
        shop.harness.wait_until(id, whole, secrets).await;
        let read = shop.read_all("customer", id).await;
        assert!(!read.contains(SECRET), "{id}: {read}");
        assert!(!read.contains("key:operator"), "{id}: {read}");
        for action in actions {
            let text = format!("for you: {action}");
            assert!(read.contains(&text), "{text}: {read}");
        }
    }

    // Without a text for the customer there is a neutral one, and a customer reads its own text.
    for (key, id, expected) in [
        ("operator", "texts-silent", "The shop cancelled this order."),
        ("customer", "texts-own", "changed my mind"),
    ] {
        shop.create(id, "checkout", sample_order()).await;
        shop.wait_for(id, "step", "pay").await;
        let reason = match key {
            "operator" => SECRET,
            _ => expected,
        };
        let path = format!("/orders/{id}/cancel");
        let body = json!({"reason": reason});
        shop.call(key, ("POST", &path), Some(body))
            .await
            .expect_status(200);
        shop.harness.wait_for_end(id).await;
        let path = format!("/orders/{id}/result");
        let result = shop.call("customer", ("GET", &path), None).await;
        assert_eq!(result.expect_status(200)["cancellation_reason"], expected);
        let read = shop.read_all("customer", id).await;
        assert!(!read.contains(SECRET), "{id}: {read}");
    }
    shop.harness.assert_invariants().await;
}
