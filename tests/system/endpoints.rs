//! Messages about orders to other systems.

mod event_bridge;
mod event_bus;
mod load;
mod outcomes;
mod receiver;
mod rules;

use receiver::{Receiver, Server};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    api::{ApiResponse, order_with_payment},
    harness::Harness,
};

/// The settings with which a receiver on this machine gets its messages without delay.
pub(crate) const SETTINGS: [(&str, &str); 4] = [
    ("ENDPOINT_ADDRESSES", "any"),
    ("ENDPOINT_DELAY", "0s"),
    ("ENDPOINT_FIRST_PAUSE", "100ms"),
    ("ENDPOINT_LONGEST_PAUSE", "1s"),
];

/// An endpoint of a harness, and its receiver.
struct Endpoint {
    id: String,
    secret: String,
    receiver: Receiver,
    server: Server,
}

impl Endpoint {
    fn path(&self) -> String {
        format!("/webhook-endpoints/{}", self.id)
    }
}

impl Harness {
    /// Starts a receiver and creates its endpoint.
    async fn create_endpoint(&self, events: &[&str]) -> Endpoint {
        let (receiver, server) = Receiver::start().await;
        let body = json!({"url": receiver.url(), "events": events});
        let created = self.post("/webhook-endpoints", body).await;
        let location = created.header("location").to_owned();
        let created = created.expect_status(201);
        let text = |name: &str| created[name].as_str().unwrap().to_owned();
        let (id, secret) = (text("id"), text("secret"));
        assert_eq!(location, format!("/webhook-endpoints/{id}"));
        receiver.trust(&[&secret]);
        Endpoint {
            id,
            secret,
            receiver,
            server,
        }
    }

    async fn patch(&self, path: &str, body: Value) -> ApiResponse {
        let headers = [("content-type", "application/json")];
        self.send(Method::PATCH, path, &headers, Some(body.to_string()))
            .await
    }

    async fn list_deliveries(&self, endpoint: &Endpoint) -> Vec<Value> {
        let path = format!("{}/deliveries?limit=200", endpoint.path());
        let body = self.get(&path).await.expect_status(200);
        body["deliveries"].as_array().unwrap().clone()
    }

    /// Waits until the endpoint has this number of messages with this status.
    async fn wait_for_deliveries(
        &self,
        endpoint: &Endpoint,
        status: &str,
        count: usize,
    ) -> Vec<Value> {
        let read = async || {
            let mut deliveries = self.list_deliveries(endpoint).await;
            deliveries.retain(|delivery| delivery["status"] == status);
            deliveries
        };
        let waits_for = format!("{count} messages that are {status}");
        self.wait_until(&waits_for, read, |deliveries| deliveries.len() >= count)
            .await
    }

    /// Completes an order and returns its id.
    pub(crate) async fn complete_order(&self, name: &str) -> String {
        let started = self
            .post("/orders", order_with_payment(&format!("pmt-{name}")))
            .await;
        let id = started.expect_started();
        assert_eq!(self.wait_for_end(&id).await.status.as_str(), "delivered");
        id
    }
}

pub(crate) const HAPPY: [&str; 4] = [
    "order.created",
    "order.paid",
    "order.shipped",
    "order.delivered",
];

#[tokio::test]
async fn happy_order_sends_four_signed_messages() {
    let harness = Harness::start_with(&SETTINGS).await;
    let endpoint = harness.create_endpoint(&["*"]).await;
    let some = harness.create_endpoint(&["order.shipped"]).await;
    let id = harness.complete_order("messages").await;
    harness.wait_for_deliveries(&endpoint, "delivered", 4).await;
    harness.wait_for_deliveries(&some, "delivered", 1).await;
    let accepted = endpoint.receiver.accepted();
    let types: Vec<_> = accepted.iter().map(|attempt| attempt.kind()).collect();
    assert_eq!(types, HAPPY);
    assert_eq!(some.receiver.types_by_order()[&id], ["order.shipped"]);
    assert_eq!(endpoint.receiver.count_refused(), 0);
    // The message id of an event is the same at each endpoint.
    assert_eq!(
        some.receiver.accepted()[0].message_id,
        accepted[2].message_id
    );
    let statuses: Vec<_> = accepted
        .iter()
        .map(|attempt| attempt.json["data"]["status"].as_str().unwrap())
        .collect();
    assert_eq!(statuses[2..], ["shipped", "delivered"]);
    let events = harness.get(&format!("/orders/{id}/events")).await.body;
    for attempt in &accepted {
        let seq = attempt.json["data"]["seq"].as_u64().unwrap();
        let is_known = events["events"].as_array().unwrap().iter().any(|event| {
            event["ts"] == attempt.json["timestamp"] && event["seq"].as_u64() <= Some(seq)
        });
        assert!(is_known, "{:?}", attempt.json);
    }
    // The message has the order as a reader gets it.
    let read = harness
        .get(&format!("/orders/{id}?source=database"))
        .await
        .expect_status(200);
    let mut last = accepted[3].json["data"].clone();
    for field in [
        "customer",
        "items",
        "shipping_address",
        "total_amount",
        "payment_info",
        "shipments",
    ] {
        assert_eq!(last[field].take(), read[field], "{field}");
    }
    for log in ["worker", "api"].map(|service| harness.read_log(service)) {
        for hidden in [endpoint.secret.as_str(), "/hooks", "john@example.com"] {
            assert!(!log.contains(hidden), "{hidden} is in a log");
        }
    }
    harness.assert_invariants().await;
}

#[tokio::test]
async fn endpoint_is_created_changed_and_deleted() {
    let harness = Harness::start_with(&SETTINGS).await;
    let endpoint = harness.create_endpoint(&["order.paid"]).await;
    let read = harness.get(&endpoint.path()).await.expect_status(200);
    assert_eq!(read["events"], json!(["order.paid"]));
    assert_eq!(read["is_enabled"], true);
    assert_eq!(read["created_by"], "anonymous");
    let list = harness.get("/webhook-endpoints").await.expect_status(200);
    assert_eq!(list["webhook_endpoints"], json!([read]));
    assert!(!list.to_string().contains("whsec_"), "{list}");

    let change = json!({"events": ["order.created"], "description": "tracking"});
    let changed = harness
        .patch(&endpoint.path(), change)
        .await
        .expect_status(200);
    assert_eq!(
        (&changed["events"], &changed["description"], &changed["url"]),
        (&json!(["order.created"]), &json!("tracking"), &read["url"])
    );
    let id = harness.complete_order("changed").await;
    harness.wait_for_deliveries(&endpoint, "delivered", 1).await;
    assert_eq!(endpoint.receiver.types_by_order()[&id], ["order.created"]);

    let path = endpoint.path();
    let delete = async || harness.send(Method::DELETE, &path, &[], None).await;
    assert_eq!(delete().await.status, 204);
    delete().await.expect_problem(404, "endpoint_not_found");
    for path in [
        path.clone(),
        format!("{path}/deliveries"),
        "/webhook-endpoints/%00".to_owned(),
    ] {
        harness
            .get(&path)
            .await
            .expect_problem(404, "endpoint_not_found");
    }
    let left = sqlx::query_scalar::<_, i64>(
        "select (select count(*) from webhook_endpoint_secrets) + (select count(*) from endpoint_deliveries)",
    );
    assert_eq!(left.fetch_one(&harness.pool).await.unwrap(), 0);
    harness.assert_invariants().await;
}

#[tokio::test]
async fn deliveries_have_pages_and_filters() {
    let harness = Harness::start_with(&SETTINGS).await;
    let endpoint = harness.create_endpoint(&["*"]).await;
    harness.complete_order("pages").await;
    harness.wait_for_deliveries(&endpoint, "delivered", 4).await;
    let first = harness
        .get(&format!(
            "{}/deliveries?limit=3&status=delivered",
            endpoint.path()
        ))
        .await;
    let link = first.header("link").to_owned();
    let first = first.expect_status(200)["deliveries"].clone();
    let next = &link[1..link.find('>').unwrap()];
    let second = harness.get(next).await;
    assert_eq!(second.header("link"), "");
    let second = second.expect_status(200)["deliveries"].clone();
    let types: Vec<_> = [first, second]
        .iter()
        .flat_map(|page| page.as_array().unwrap().clone())
        .map(|delivery| delivery["type"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(types, HAPPY.into_iter().rev().collect::<Vec<_>>());
    let pending = harness
        .get(&format!("{}/deliveries?status=pending", endpoint.path()))
        .await;
    assert_eq!(pending.expect_status(200)["deliveries"], json!([]));
    for query in ["status=open", "cursor=x", "limit=0", "kind=a"] {
        harness
            .get(&format!("{}/deliveries?{query}", endpoint.path()))
            .await
            .expect_problem(422, "invalid_query");
    }
}

#[tokio::test]
async fn number_of_endpoints_is_limited() {
    let harness = Harness::start_with(&SETTINGS).await;
    // The event bus does not count.
    store::endpoints::set_event_bus(&harness.pool, "shop")
        .await
        .unwrap();
    let body = json!({"url": "https://shop.example/hooks"});
    for _ in 0..store::endpoints::MAX_ENDPOINTS {
        harness
            .post("/webhook-endpoints", body.clone())
            .await
            .expect_status(201);
    }
    harness
        .post("/webhook-endpoints", body)
        .await
        .expect_problem(409, "endpoint_limit");
}

#[tokio::test]
async fn private_address_is_refused_by_default() {
    let harness = Harness::start().await;
    for url in [
        "http://127.0.0.1:8080/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:10.0.0.1]/",
        "https://localhost/",
        "http://shop.example/",
    ] {
        let problem = harness
            .post("/webhook-endpoints", json!({"url": url}))
            .await
            .expect_problem(422, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], "/url", "{url}");
    }
    let allowed = json!({"url": "https://shop.example/hooks"});
    let created = harness.post("/webhook-endpoints", allowed).await;
    let id = created.expect_status(201)["id"].clone();
    let path = format!("/webhook-endpoints/{}", id.as_str().unwrap());
    harness
        .patch(&path, json!({"url": "https://10.0.0.1/"}))
        .await
        .expect_problem(422, "invalid_request");
    // An address from a time with other settings is not called either.
    let (receiver, _server) = Receiver::start().await;
    sqlx::query("update webhook_endpoints set url = $1")
        .bind(receiver.url())
        .execute(&harness.pool)
        .await
        .unwrap();
    harness
        .post(&format!("{path}/test"), json!({}))
        .await
        .expect_status(202);
    let read = async || {
        let body = harness.get(&format!("{path}/deliveries")).await.body;
        body["deliveries"][0]["error"].clone()
    };
    let error = harness
        .wait_until("a failed attempt", read, Value::is_string)
        .await;
    assert!(
        error.as_str().unwrap().contains("ENDPOINT_ADDRESSES"),
        "{error}"
    );
    assert_eq!(receiver.count_attempts() + receiver.count_refused(), 0);
}
