//! The carrier behind HTTP, with the example bridge of the documentation and with a bridge that fails.

pub(crate) mod questions;

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpListener,
    process::{Child, Command},
};

use crate::{
    api::{ApiResponse, order_with_payment},
    harness::Harness,
    schema::violations,
};
use domain::WebhookProvider;
use payment_webhooks::{Message, Request, Secrets, Signing, sign};

pub(crate) const SECRET: &str = "whsec_dGhlIHNlY3JldCBvZiB0aGUgYnJpZGdl";

fn documentation(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(file)
}

/// Starts the example bridge, and returns it with its address. It ends with the test.
async fn start_example(file: &Path) -> (Child, String) {
    let mut bridge = Command::new("python3")
        .arg(documentation("examples/carrier_bridge.py"))
        .args(["--port", "0", "--file"])
        .arg(file)
        .env("CARRIER_SECRET", SECRET)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(bridge.stdout.take().unwrap()).lines();
    let first = lines.next_line().await.unwrap().unwrap();
    let address = first.strip_prefix("listening on ").unwrap().to_owned();
    (bridge, address)
}

/// Asks a bridge for the status of a shipment, as orderflow does.
async fn ask(address: &str, shipment: &str) -> Value {
    let path = format!("/shipments/{shipment}");
    let secrets = Secrets::parse(WebhookProvider::Standard, SECRET).unwrap();
    let message = Message {
        headers: Vec::new(),
        body: Vec::new(),
    };
    let signing = Signing {
        now: chrono::Utc::now().timestamp(),
        message_id: &format!("GET {path}"),
        notification_url: None,
    };
    let message = sign(&secrets, message, &signing).unwrap();
    let mut request = reqwest::Client::new().get(format!("{address}{path}"));
    for (name, value) in message.headers {
        request = request.header(name, value);
    }
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    response.json().await.unwrap()
}

/// Returns the differences of an answer from the document of the API.
fn status_violations(answer: &Value) -> Vec<String> {
    let document = std::fs::read_to_string(documentation("carrier-openapi.json")).unwrap();
    let document: Value = serde_json::from_str(&document).unwrap();
    let schema = json!({"$ref": "#/components/schemas/ShipmentStatus"});
    violations(&document, &schema, answer)
}

async fn start_order(harness: &Harness, id: &str) {
    let mut order = order_with_payment(&format!("pmt-{id}"));
    order["items"][0]["metadata"] = json!({"weight_g": 1_200});
    harness
        .post(&format!("/orders/{id}/start"), order)
        .await
        .expect_status(202);
}

#[tokio::test]
async fn example_bridge_takes_and_recalls_parcels() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("parcels.json");
    let (bridge, address) = start_example(&file).await;
    let settings = [
        ("CARRIER_URL", &*address),
        ("CARRIER_SECRET", SECRET),
        ("CARRIER_NAME", "dhl"),
    ];
    let harness = Harness::start_with(&settings).await;
    start_order(&harness, "bridged").await;
    let ended = harness.wait_for_end("bridged").await;
    assert_eq!(ended.status.as_str(), "delivered");
    let shipment = ended.shipment_info.unwrap();
    assert_eq!(shipment.tracking_number, "EXAMPLE-bridged-PKG-001");
    assert_eq!(shipment.provider, "dhl");
    let decided: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(decided["bridged-PKG-001"]["status"], "accepted");
    // A call without a signature is refused.
    let unsigned = reqwest::Client::new()
        .put(format!("{address}/shipments/other"))
        .json(&json!({"order_id": "o", "address": null, "contents": []}))
        .send()
        .await
        .unwrap();
    assert_eq!(unsigned.status(), StatusCode::UNAUTHORIZED);
    let unsigned = reqwest::get(format!("{address}/shipments/bridged-PKG-001"));
    assert_eq!(unsigned.await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let known = ask(&address, "bridged-PKG-001").await;
    assert_eq!(
        known,
        json!({"status": "accepted", "tracking_number": "EXAMPLE-bridged-PKG-001"})
    );
    let unknown = ask(&address, "other-PKG-001").await;
    assert_eq!(unknown, json!({"status": "unknown"}));
    for answer in [known, unknown] {
        assert_eq!(status_violations(&answer), Vec::<String>::new());
    }
    drop(bridge);
    harness.assert_invariants().await;
}

/// A call that a bridge received.
#[derive(Debug, Clone)]
struct Call {
    method: Method,
    path: String,
    body: Value,
}

/// A bridge whose answers are fixed, in the order of the calls. The last one repeats.
#[derive(Clone)]
pub(crate) struct Scripted {
    calls: Arc<Mutex<Vec<Call>>>,
    answers: Arc<Vec<(u16, Value)>>,
}

impl Scripted {
    /// Returns the method and the shipment of each call.
    pub(crate) fn calls(&self) -> Vec<(Method, String)> {
        let calls = self.calls.lock().unwrap();
        let named = calls.iter().map(|call| {
            let shipment = call.path.strip_prefix("/v1/shipments/").unwrap();
            (call.method.clone(), shipment.to_owned())
        });
        named.collect()
    }

    /// Returns the number of questions.
    pub(crate) fn questions(&self) -> usize {
        let calls = self.calls();
        calls
            .iter()
            .filter(|(method, _)| *method == Method::GET)
            .count()
    }
}

/// Returns the settings of a worker with this bridge.
pub(crate) fn bridge_settings(address: &str) -> [(&str, &str); 2] {
    [("CARRIER_URL", address), ("CARRIER_SECRET", SECRET)]
}

/// Returns the answer of a bridge that has taken a parcel.
pub(crate) fn accepted(number: &str) -> (u16, Value) {
    let accepted = json!({"status": "accepted", "tracking_number": number});
    (200, accepted)
}

async fn receive(
    State(bridge): State<Scripted>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    let secrets = Secrets::parse(WebhookProvider::Standard, SECRET).unwrap();
    let now = chrono::Utc::now().timestamp();
    let request = Request {
        headers: &headers,
        body: &body,
        now,
        notification_url: None,
    };
    payment_webhooks::verify(&secrets, &request).unwrap();
    let id = headers
        .iter()
        .find(|(name, _)| *name == "webhook-id")
        .unwrap()
        .1;
    assert_eq!(id, format!("{method} {}", uri.path()));
    // A question has no body, so it has no type of one.
    let has_type = headers.iter().any(|(name, _)| *name == "content-type");
    assert_eq!(has_type, method != Method::GET);
    let number = {
        let mut calls = bridge.calls.lock().unwrap();
        calls.push(Call {
            method,
            path: uri.path().to_owned(),
            body: if body.is_empty() {
                Value::Null
            } else {
                serde_json::from_slice(&body).unwrap()
            },
        });
        calls.len() - 1
    };
    let (status, answer) = &bridge.answers[number.min(bridge.answers.len() - 1)];
    (StatusCode::from_u16(*status).unwrap(), Json(answer.clone())).into_response()
}

pub(crate) async fn start_scripted(answers: &[(u16, Value)]) -> (Scripted, String) {
    let bridge = Scripted {
        calls: Arc::default(),
        answers: Arc::new(answers.to_vec()),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/v1", listener.local_addr().unwrap());
    let service = Router::new().fallback(receive).with_state(bridge.clone());
    tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
    (bridge, address)
}

#[tokio::test]
async fn call_is_repeated_until_the_bridge_decides() {
    let answers = [
        (503, json!({"code": "carrier_down", "detail": "Jane Doe"})),
        accepted("TN-7"),
    ];
    let (bridge, address) = start_scripted(&answers).await;
    let settings = bridge_settings(&address);
    let harness = Harness::start_with(&settings).await;
    start_order(&harness, "patient").await;
    let ended = harness.wait_for_end("patient").await;
    let shipment = ended.shipment_info.unwrap();
    assert_eq!(
        (&*shipment.tracking_number, &*shipment.provider),
        ("TN-7", "carrier")
    );
    let calls = bridge.calls.lock().unwrap().clone();
    assert_eq!(calls.len(), 2, "{calls:?}");
    let document = std::fs::read_to_string(documentation("carrier-openapi.json")).unwrap();
    let document: Value = serde_json::from_str(&document).unwrap();
    let schema = json!({"$ref": "#/components/schemas/NewShipment"});
    for call in calls {
        assert_eq!(
            (call.method, &*call.path),
            (Method::PUT, "/v1/shipments/patient-PKG-001")
        );
        // The document forbids other fields here, except for the shop's own metadata.
        let mut body = call.body;
        assert_eq!(body["contents"][0]["metadata"], json!({"weight_g": 1_200}));
        // The recipient is the customer, as in each view of the order.
        assert_eq!(body["address"]["name"], "John Doe", "{body}");
        body["contents"][0]
            .as_object_mut()
            .unwrap()
            .remove("metadata");
        assert_eq!(violations(&document, &schema, &body), Vec::<String>::new());
    }
    harness.assert_invariants().await;
}

#[tokio::test]
async fn refused_parcel_fails_the_order_and_is_recalled() {
    let refused = (
        422,
        json!({"code": "address_unknown", "detail": "Jane Doe, 1 Main St"}),
    );
    let recalled = (200, json!({"status": "recalled"}));
    // Three attempts with three calls each, and then the recall.
    let answers = [vec![refused; 9], vec![recalled]].concat();
    let (bridge, address) = start_scripted(&answers).await;
    let settings = bridge_settings(&address);
    let harness = Harness::start_with(&settings).await;
    start_order(&harness, "refused").await;
    let ended = harness.wait_for_end("refused").await;
    let failure = ended.failure.unwrap();
    assert_eq!(failure.code.as_str(), "dispatch_failed");
    assert!(
        failure.detail.contains("422 address_unknown"),
        "{}",
        failure.detail
    );
    assert!(!failure.detail.contains("Jane"), "{}", failure.detail);
    assert_eq!(
        harness.provider_movements("refused").await,
        ["capture", "refund"]
    );
    let calls = bridge.calls.lock().unwrap().clone();
    let last = calls.last().unwrap();
    assert_eq!(
        (&last.method, &*last.path),
        (&Method::POST, "/v1/shipments/refused-PKG-001/recall")
    );
    assert_eq!(last.body, json!({"order_id": "refused"}));
    harness.assert_invariants().await;
}

async fn report(harness: &Harness, id: &str, (kind, shipment, at): (&str, &str, &str)) -> u16 {
    let body = json!({
        "type": format!("shipment.{kind}"), "timestamp": at,
        "data": {"shipment_id": shipment, "description": kind},
    });
    send_report(harness, id, &body).await
}

/// Sends a report as the bridge does, and returns the status of the response.
pub(crate) async fn send_report(harness: &Harness, id: &str, body: &Value) -> u16 {
    let message = Message {
        headers: Vec::new(),
        body: body.to_string().into_bytes(),
    };
    let secrets = Secrets::parse(WebhookProvider::Standard, SECRET).unwrap();
    let signing = Signing {
        now: chrono::Utc::now().timestamp(),
        message_id: id,
        notification_url: None,
    };
    let message = sign(&secrets, message, &signing).unwrap();
    let headers: Vec<_> = message
        .headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let text = String::from_utf8(message.body).unwrap();
    let send = async || {
        let body = Some(text.clone());
        harness
            .send(Method::POST, "/webhooks/carrier", &headers, body)
            .await
    };
    // The bridge sends a report again after a 503.
    let is_answered = |response: &ApiResponse| response.status != 503;
    let response = harness.wait_until("a response", send, is_answered).await;
    response.status.as_u16()
}

async fn wait_for_reports(harness: &Harness, id: &str, kinds: &[&str]) -> Value {
    let read = async || harness.get(&format!("/orders/{id}")).await.body;
    let found = |order: &Value| {
        let events = order["shipments"][0]["events"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        events
            .iter()
            .map(|event| event["type"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
            == kinds
    };
    harness.wait_until(&format!("{kinds:?}"), read, found).await
}

#[tokio::test]
async fn reports_confirm_the_delivery_and_go_on_after_it() {
    let settings = [("WEBHOOK_SECRETS_CARRIER", SECRET), ("DELIVERY", "confirm")];
    let harness = Harness::start_with(&settings).await;
    let id = "tracked";
    let parcel = "tracked-PKG-001";
    start_order(&harness, id).await;
    harness.wait_for_status(id, "shipped").await;
    // The later report arrives first, and one twice.
    let (early, late) = ("2026-11-22T08:00:00Z", "2026-11-22T09:00:00Z");
    assert_eq!(
        report(&harness, "m-2", ("exception", parcel, late)).await,
        200
    );
    assert_eq!(
        report(&harness, "m-1", ("in_transit", parcel, early)).await,
        200
    );
    assert_eq!(
        report(&harness, "m-1", ("in_transit", parcel, early)).await,
        200
    );
    wait_for_reports(&harness, id, &["in_transit", "exception"]).await;
    let now = chrono::Utc::now().to_rfc3339();
    // A parcel that this order did not hand over.
    assert_eq!(
        report(&harness, "m-0", ("delivered", "tracked-PKG-002", &now)).await,
        200
    );
    assert_eq!(
        report(&harness, "m-3", ("delivered", parcel, &now)).await,
        200
    );
    let ended = harness.wait_for_end(id).await;
    assert_eq!(ended.status.as_str(), "delivered");
    assert_eq!(
        ended
            .shipment_info
            .unwrap()
            .delivered_at
            .unwrap()
            .to_rfc3339(),
        now
    );
    let later = chrono::Utc::now().to_rfc3339();
    assert_eq!(
        report(&harness, "m-4", ("returned", parcel, &later)).await,
        200
    );
    assert_eq!(
        report(&harness, "m-4", ("returned", parcel, &later)).await,
        200
    );
    assert_eq!(
        report(&harness, "m-9", ("exception", "tracked-PKG-002", &later)).await,
        200
    );
    let kinds = ["in_transit", "exception", "delivered", "returned"];
    wait_for_reports(&harness, id, &kinds).await;
    let log = harness.audit_event_types(id).await;
    let tracked = log
        .iter()
        .filter(|kind| *kind == "shipment_tracked")
        .count();
    assert_eq!(tracked, 4, "{log:?}");
    let log = harness.get(&format!("/orders/{id}/events")).await.body;
    for event in log["events"].as_array().unwrap() {
        let is_reported = ["shipment_tracked", "order_delivered"].map(Value::from);
        let is_reported = is_reported.contains(&event["type"]);
        assert_eq!(event["actor"] == "webhook:carrier", is_reported, "{event}");
    }

    assert_eq!(
        report(&harness, "m-5", ("delivered", "unknown-PKG-001", &now)).await,
        200
    );
    assert_eq!(
        report(&harness, "m-6", ("delivered", "no shipment", &now)).await,
        422
    );
    assert_eq!(
        report(&harness, "m-7", ("weighed", parcel, &now)).await,
        200
    );
    let forged = [
        ("webhook-id", "m-8"),
        ("webhook-timestamp", "1"),
        ("webhook-signature", "v1,AAAA"),
    ];
    let forged = harness
        .send(
            Method::POST,
            "/webhooks/carrier",
            &forged,
            Some("{}".to_owned()),
        )
        .await;
    forged.expect_problem(400, "webhook_rejected");
    harness.assert_invariants().await;
}

#[tokio::test]
async fn report_before_the_dispatch_counts_after_it() {
    let settings = [
        ("WEBHOOK_SECRETS_CARRIER", SECRET),
        ("SHIPPING_DELAY", "60s"),
        ("DELIVERY", "confirm"),
    ];
    let harness = Harness::start_with(&settings).await;
    let id = "tracked-early";
    start_order(&harness, id).await;
    harness.wait_for_reason(id, "shipping_delay").await;
    let now = chrono::Utc::now().to_rfc3339();
    let parcel = "tracked-early-PKG-001";
    assert_eq!(
        report(&harness, "m-1", ("delivered", parcel, &now)).await,
        200
    );
    // A change of the address ends the delay.
    harness
        .post(
            &format!("/orders/{id}/signals/update-address"),
            json!({"street": "2 Side St"}),
        )
        .await
        .expect_status(200);
    assert_eq!(harness.wait_for_end(id).await.status.as_str(), "delivered");
    wait_for_reports(&harness, id, &["delivered"]).await;
    harness.assert_invariants().await;
}

/// A carrier's clock can be wrong, and an order can end at its dispatch.
#[tokio::test]
async fn reported_delivery_lies_between_dispatch_and_now() {
    let settings = [
        ("WEBHOOK_SECRETS_CARRIER", SECRET),
        ("DELIVERY", "confirm"),
        ("ALLOW_PROFILE_OVERRIDE", "on"),
    ];
    let harness = Harness::start_with(&settings).await;
    for (id, profile, reported, status) in [
        (
            "delivered-before",
            "production",
            "1999-01-01T00:00:00Z",
            "delivered",
        ),
        (
            "delivered-after",
            "production",
            "2999-01-01T00:00:00Z",
            "delivered",
        ),
        ("ended-shipped", "quick", "1999-01-01T00:00:00Z", "shipped"),
    ] {
        let mut order = order_with_payment(&format!("pmt-{id}"));
        order["profile"] = json!(profile);
        let path = format!("/orders/{id}/start");
        harness.post(&path, order).await.expect_status(202);
        harness.wait_for_status(id, "shipped").await;
        if status == "shipped" {
            harness.wait_for_end(id).await;
        }
        let parcel = format!("{id}-PKG-001");
        let sent = ("delivered", &*parcel, reported);
        assert_eq!(report(&harness, id, sent).await, 200);
        wait_for_reports(&harness, id, &["delivered"]).await;
        let ended = harness.wait_for_end(id).await;
        assert_eq!(ended.status.as_str(), status);
        let shipment = ended.shipment_info.unwrap();
        let (shipped_at, delivered_at) =
            (shipment.shipped_at.unwrap(), shipment.delivered_at.unwrap());
        assert!(
            shipped_at <= delivered_at && delivered_at <= chrono::Utc::now(),
            "{id}: {shipped_at} {delivered_at}"
        );
        assert_eq!(
            shipment.events[0].at.to_rfc3339(),
            reported.replace('Z', "+00:00")
        );
    }
    harness.assert_invariants().await;
}
