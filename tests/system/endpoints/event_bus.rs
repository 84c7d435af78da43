//! The event bus, with an HTTP server in the role of EventBridge.

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    HAPPY, SETTINGS,
    event_bridge::{Answer, EventBridge},
};
use crate::{api::ApiResponse, harness::Harness};

const PATH: &str = "/webhook-endpoints/event_bus";

impl Harness {
    /// Starts the processes with a bus, and waits until the worker has registered it.
    async fn start_with_bus(bus: &EventBridge) -> Self {
        Self::start_with_bus_and(bus, &[]).await
    }

    async fn start_with_bus_and(bus: &EventBridge, more: &[(&str, &str)]) -> Self {
        let settings = [
            ("EVENT_BUS_NAME", "shop"),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ENDPOINT_URL", bus.url()),
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "marked"),
        ];
        let harness = Self::start_with(&[&SETTINGS[..], &settings, more].concat()).await;
        harness.wait_for_bus("event-bus:shop").await;
        harness
    }

    async fn wait_for_bus(&self, url: &str) {
        let read = async || self.get(PATH).await.body["url"].clone();
        self.wait_until("the registration of the bus", read, |found| *found == url)
            .await;
    }

    /// Waits until the bus has this number of messages with this status. Returns them, the oldest
    /// first.
    async fn wait_for_events(&self, status: &str, count: usize) -> Vec<Value> {
        let path = format!("{PATH}/deliveries?status={status}&limit=200");
        let read = async || {
            let body = self.get(&path).await.expect_status(200);
            body["deliveries"].as_array().unwrap().clone()
        };
        let waits_for = format!("{count} events that are {status}");
        let mut deliveries = self
            .wait_until(&waits_for, read, |deliveries| deliveries.len() >= count)
            .await;
        deliveries.reverse();
        deliveries
    }

    async fn send_to_bus(&self, method: Method, path: &str, body: Value) -> ApiResponse {
        let headers = [("content-type", "application/json")];
        let body = Some(body.to_string());
        self.send(method, &format!("{PATH}{path}"), &headers, body)
            .await
    }
}

#[tokio::test]
async fn bus_receives_the_signed_messages_of_endpoints() {
    let bus = EventBridge::start().await;
    let harness = Harness::start_with_bus(&bus).await;
    let endpoint = harness.create_endpoint(&["*"]).await;
    let id = harness.complete_order("bus").await;
    harness.wait_for_events("delivered", 4).await;
    harness.wait_for_deliveries(&endpoint, "delivered", 4).await;
    let (puts, messages) = (bus.accepted(), endpoint.receiver.accepted());
    assert_eq!(bus.types_by_order()[&id], HAPPY);
    for (put, message) in puts.iter().zip(&messages) {
        assert_eq!(put.entry["EventBusName"], "shop");
        assert_eq!(put.entry["Source"], "orderflow");
        assert_eq!(put.kind(), message.kind());
        let body = std::str::from_utf8(&message.body).unwrap();
        assert_eq!(put.entry["Detail"], body);
        assert_eq!(put.message_id(), message.message_id);
        assert_eq!(put.target, "AWSEvents.PutEvents");
        let key = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/";
        assert!(put.authorization.starts_with(key), "{put:?}");
        let scope = "/eu-central-1/events/aws4_request, SignedHeaders=";
        assert!(put.authorization.contains(scope), "{put:?}");
    }
    for hidden in ["marked", "john@example.com"] {
        assert!(!harness.read_log("worker").contains(hidden), "{hidden}");
    }
    harness.assert_invariants().await;
}

#[tokio::test]
async fn failed_entry_is_repeated_before_later_ones() {
    let bus = EventBridge::start().await;
    let harness = Harness::start_with_bus(&bus).await;
    bus.decide(|put, earlier| match put.kind() {
        "order.paid" if earlier < 2 => Answer::Fail("InternalFailure"),
        _ => Answer::Accept,
    });
    let id = harness.complete_order("repeated").await;
    let delivered = harness.wait_for_events("delivered", 4).await;
    assert_eq!(bus.types_by_order()[&id], HAPPY);
    let attempts: Vec<_> = bus.puts().iter().map(|put| put.kind().to_owned()).collect();
    let expected = [HAPPY[0], HAPPY[1], HAPPY[1], HAPPY[1], HAPPY[2], HAPPY[3]];
    assert_eq!(attempts, expected);
    assert_eq!(delivered[1]["attempts"], 3);
    harness.assert_invariants().await;
}

#[tokio::test]
async fn killed_worker_loses_no_event() {
    let bus = EventBridge::start().await;
    let harness = Harness::start_with_bus(&bus).await;
    // The worker dies while it waits for a response.
    bus.decide(|put, _| match put.kind() {
        "order.paid" => Answer::Hang,
        _ => Answer::Accept,
    });
    let id = harness.complete_order("killed").await;
    let read = async || bus.puts_of("order.paid").len();
    harness
        .wait_until("the second event", read, |count| *count > 0)
        .await;
    harness.worker.kill().await;
    bus.decide(|_, _| Answer::Accept);
    harness.worker.restart().await.unwrap();
    harness.wait_for_events("delivered", 4).await;
    assert_eq!(bus.types_by_order()[&id], HAPPY);
    let puts = bus.puts_of("order.paid");
    assert!(puts.len() > 1, "{puts:?}");
    assert!(
        puts.iter().all(|put| put.entry == puts[0].entry),
        "{puts:?}"
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn too_large_event_fails_alone() {
    let bus = EventBridge::start().await;
    let harness = Harness::start_with_bus(&bus).await;
    bus.decide(|_, _| Answer::Fail("ThrottlingException"));
    let id = harness.complete_order("large").await;
    let text = "x".repeat(1024 * 1024);
    sqlx::query(
        "update endpoint_messages set order_json = order_json || jsonb_build_object('cancellation_reason', $2::text)
         where order_id = $1 and type = 'order.created'",
    )
    .bind(&id)
    .bind(&text)
    .execute(&harness.pool)
    .await
    .unwrap();
    // An attempt that began before the change fails too.
    bus.decide(|put, _| match put.kind() {
        "order.created" => Answer::Fail("ThrottlingException"),
        _ => Answer::Accept,
    });
    harness.wait_for_events("delivered", 3).await;
    assert_eq!(bus.types_by_order()[&id], HAPPY[1..]);
    let failed = harness.wait_for_events("failed", 1).await;
    assert_eq!(failed[0]["type"], "order.created");
    let error = failed[0]["error"].as_str().unwrap();
    assert!(
        error.ends_with("EventBridge accepts less than 1048576"),
        "{error}"
    );
    let read = harness.get(PATH).await.expect_status(200);
    assert_eq!(read["is_enabled"], true);
    harness.assert_invariants().await;
}

#[tokio::test]
async fn callers_test_the_bus_and_cannot_change_it() {
    let bus = EventBridge::start().await;
    let harness = Harness::start_with_bus(&bus).await;
    let read = harness.get(PATH).await.expect_status(200);
    assert_eq!(
        (&read["url"], &read["events"], &read["created_by"]),
        (&json!("event-bus:shop"), &json!(["*"]), &json!("worker"))
    );
    for (method, path) in [(Method::PATCH, ""), (Method::POST, "/rotate-secret")] {
        let body = json!({"url": "https://shop.example/hooks"});
        harness
            .send_to_bus(method, path, body)
            .await
            .expect_problem(409, "endpoint_fixed");
    }
    assert_eq!(harness.get(PATH).await.expect_status(200), read);
    harness
        .send_to_bus(Method::POST, "/test", json!({}))
        .await
        .expect_status(202);
    harness.wait_for_events("delivered", 1).await;
    let puts = bus.accepted();
    assert_eq!(puts[0].kind(), "endpoint.test");
    assert_eq!(puts[0].detail["data"], json!({"endpoint_id": "event_bus"}));
}

#[tokio::test]
async fn disabled_bus_keeps_its_messages_for_another_name() {
    let bus = EventBridge::start().await;
    let retry = [("ENDPOINT_RETRY_FOR", "2s")];
    let harness = Harness::start_with_bus_and(&bus, &retry).await;
    bus.decide(|_, _| Answer::Fail("InternalFailure"));
    let id = harness.complete_order("disabled").await;
    let disabled = harness.wait_until_disabled(PATH).await;
    let reason = "EventBridge returned InternalFailure";
    assert_eq!(disabled["disabled_reason"], reason);
    let log = harness.read_log("worker");
    assert!(log.contains(reason), "{log}");
    harness.worker.kill().await;
    let name = [("EVENT_BUS_NAME", "other")];
    let _worker = harness.start_another_worker("other-bus", &name).await;
    harness.wait_for_bus("event-bus:other").await;
    let renamed = harness.get(PATH).await.expect_status(200);
    assert_eq!(
        (&renamed["is_enabled"], &renamed["disabled_reason"]),
        (&json!(false), &json!(reason))
    );
    let list = harness.get("/webhook-endpoints").await.expect_status(200);
    assert_eq!(list["webhook_endpoints"], json!([renamed]));

    // A slow order has later events, which a disabled endpoint does not get.
    let pending = harness.wait_for_events("pending", 1).await;
    bus.decide(|_, _| Answer::Accept);
    harness
        .send_to_bus(Method::POST, "/enable", json!({}))
        .await
        .expect_status(200);
    let delivered = harness.wait_for_events("delivered", pending.len()).await;
    assert_eq!(bus.types_by_order()[&id], HAPPY[..pending.len()]);
    let accepted = bus.accepted();
    assert_eq!(accepted.len(), pending.len());
    assert!(
        accepted
            .iter()
            .all(|put| put.entry["EventBusName"] == "other"),
        "{accepted:?}"
    );

    let path = format!(
        "/deliveries/{}/redeliver",
        delivered[0]["id"].as_str().unwrap()
    );
    harness
        .send_to_bus(Method::POST, &path, json!({}))
        .await
        .expect_status(202);
    let read = async || bus.accepted().split_off(accepted.len());
    let repeated = harness
        .wait_until("the repeated event", read, |puts| !puts.is_empty())
        .await;
    assert_eq!(repeated[0].entry, accepted[0].entry);
    harness.assert_invariants().await;
}

#[tokio::test]
async fn only_a_caller_deletes_the_bus() {
    let bus = EventBridge::start().await;
    let harness = Harness::start_with_bus(&bus).await;
    harness.worker.kill().await;
    let settings = [("EVENT_BUS_NAME", "")];
    let _worker = harness.start_another_worker("without-bus", &settings).await;
    // The message shows that the worker is at work, and the bus that it has not deleted it.
    harness
        .send_to_bus(Method::POST, "/test", json!({}))
        .await
        .expect_status(202);
    let path = format!("{PATH}/deliveries");
    let read = async || harness.get(&path).await.body["deliveries"][0]["error"].clone();
    let error = harness
        .wait_until("a failed attempt", read, Value::is_string)
        .await;
    assert_eq!(error, "the worker has no EVENT_BUS_NAME");
    harness.get(PATH).await.expect_status(200);
    let deleted = harness.send(Method::DELETE, PATH, &[], None).await;
    assert_eq!(deleted.status, 204);
    harness
        .get(PATH)
        .await
        .expect_problem(404, "endpoint_not_found");
    assert!(bus.puts().is_empty(), "{:?}", bus.puts());
}
