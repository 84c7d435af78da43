//! Traces: one trace from the HTTP request through Temporal into activities, SQL and the provider.

mod collector;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use axum::{Router, extract::State, http::HeaderMap, response::IntoResponse};
use collector::{Collector, Span};
use reqwest::Method;
use serde_json::{Value, json};
use temporalio_client::WorkflowFetchHistoryOptions;
use tokio::net::TcpListener;

use crate::{
    api::order_with_payment,
    e2e::{
        api_gateway::{ApiKind, Call},
        lambda::Lambda,
    },
    harness::Harness,
};
use devstack::ports;
use workflows::OrderWorkflow;

const CALLER_TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER_SPAN: &str = "00f067aa0b1902b7";

/// The header of a caller that records its own trace.
fn traceparent() -> String {
    format!("00-{CALLER_TRACE}-{CALLER_SPAN}-01")
}

async fn start_traced(collector: &Collector, settings: &[(&str, &str)]) -> Harness {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.as_str());
    Harness::start_with(&[&[endpoint], settings].concat()).await
}

impl Harness {
    /// Waits until the trace has a span with each of these names, and returns its spans.
    async fn wait_for_spans(&self, collector: &Collector, trace: &str, names: &[&str]) -> Trace {
        let read = async || Trace(collector.spans_of(trace));
        self.wait_until(&format!("{names:?}"), read, |trace| {
            names.iter().all(|name| trace.find(name).is_some())
        })
        .await
    }

    /// Returns the JSON text of the history of an order.
    async fn read_history(&self, order_id: &str) -> String {
        let events = self
            .connect_to_temporal()
            .await
            .get_workflow_handle::<OrderWorkflow>(format!("order-{order_id}"))
            .fetch_history(WorkflowFetchHistoryOptions::default())
            .into_events()
            .await
            .unwrap();
        serde_json::to_string(&events).unwrap()
    }
}

/// The spans of one trace.
#[derive(Debug)]
struct Trace(Vec<Span>);

impl Trace {
    fn find(&self, name: &str) -> Option<&Span> {
        self.0.iter().find(|span| span.name == name)
    }

    /// Returns the names of a span and its ancestors, from the root.
    fn path(&self, name: &str) -> Vec<&str> {
        let mut path = Vec::new();
        let mut next = self.find(name);
        while let Some(span) = next {
            path.insert(0, span.name.as_str());
            next = self.0.iter().find(|other| other.id == span.parent);
        }
        path
    }
}

/// The spans above each activity of an order.
const ORDER: [&str; 3] = [
    "POST /orders",
    "temporal.start",
    "RunWorkflow:OrderWorkflow",
];

#[tokio::test]
async fn one_trace_covers_request_to_delivery() {
    let collector = Collector::start().await;
    let key = ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=secret%20key");
    let harness = start_traced(&collector, &[key]).await;
    let order = order_with_payment("pmt-traced");
    let headers = [
        ("traceparent", &*traceparent()),
        ("tracestate", "email=john@example.com"),
    ];
    let response = harness.post_with_headers("/orders", order, &headers).await;
    let request_id = response.header("x-request-id").to_owned();
    let id = response.expect_started();
    assert_eq!(harness.wait_for_end(&id).await.status.as_str(), "delivered");
    let names = [
        "POST /orders",
        "fedex dispatch",
        "store.order_write",
        "RunActivity:ConfirmDelivery",
    ];
    let trace = harness
        .wait_for_spans(&collector, CALLER_TRACE, &names)
        .await;

    let root = trace.find("POST /orders").unwrap();
    assert_eq!(root.parent, CALLER_SPAN, "the caller's trace continues");
    for (name, value) in [
        ("http.request.method", "POST"),
        ("http.route", "/orders"),
        ("http.response.status_code", "202"),
        ("request_id", &request_id),
    ] {
        assert_eq!(root.attributes[name], value, "{name}");
    }
    for (name, below) in [
        (
            "store.inventory.reserve",
            &["RunActivity:ReserveInventory"][..],
        ),
        ("payment provider simulator", &["RunActivity:ChargePayment"]),
        ("store.ledger.claim_charge", &["RunActivity:ChargePayment"]),
        (
            "fedex dispatch",
            &[
                "RunWorkflow:ShippingWorkflow",
                "RunActivity:DispatchCarrier",
            ],
        ),
    ] {
        assert_eq!(trace.path(name), [&ORDER, below, &[name]].concat());
    }
    let reserve = trace.find("store.inventory.reserve").unwrap();
    let mut below = trace.0.iter().filter(|span| span.parent == reserve.id);
    let statement = below.next().unwrap();
    assert_eq!(statement.name, "SQL SELECT");
    assert!(statement.attributes["db.query.summary"].starts_with("select outcome"));
    let known: BTreeSet<_> = trace.0.iter().map(|span| span.id.as_str()).collect();
    for span in &trace.0 {
        let has_parent = known.contains(span.parent.as_str());
        assert!(has_parent || span.parent == CALLER_SPAN, "{span:?}");
        assert!(!span.is_error, "{span:?}");
    }
    assert_eq!(known.len(), trace.0.len(), "each span has its own id");
    // The requests of the test's supervisor, the outbox and the status report begin no trace.
    for span in collector.spans() {
        let is_poll = span.name.contains("health") || span.name == "store.ping";
        assert!(!is_poll, "{span:?}");
    }
    let received = format!("{:?}", collector.spans());
    for personal in [
        "john@",
        "John",
        "123 Main",
        "94102",
        "CUST-001",
        "pmt-traced",
    ] {
        assert!(!received.contains(personal), "{personal} is in a span");
    }
    for headers in collector.headers() {
        assert_eq!(headers["api-key"], "secret key");
    }
    assert!(harness.read_history(&id).await.contains("_tracer-data"));
    harness.assert_invariants().await;
}

/// The quota per minute needs a value of the interceptor that counts requests, also below the
/// interceptor of traces.
#[tokio::test]
async fn quota_applies_to_traced_requests() {
    let collector = Collector::start().await;
    let harness = start_traced(&collector, &[("REVIEW_THRESHOLD", "1")]).await;
    let order = order_with_payment("pmt-traced-quota");
    let id = harness.post("/orders", order).await.expect_started();
    harness.wait_for_step(&id, "manual_review").await;
    let path = format!("/orders/{id}/signals/update-address");
    let traced = [("traceparent", &*traceparent())];
    let mut statuses = Vec::new();
    for number in 0..100 {
        let street = json!({"street": format!("{number} Trace St")});
        let response = harness.post_without_retry(&path, &street, &traced).await;
        statuses.push(response.status.as_u16());
    }
    assert!(statuses.contains(&429), "{statuses:?}");
    harness
        .post(&format!("/orders/{id}/cancel"), json!({}))
        .await
        .expect_status(200);
    harness.wait_for_end(&id).await;
    harness.assert_invariants().await;
}

/// A payment provider that answers each call with a declined card and keeps the headers of its calls.
async fn start_declining_stripe() -> (String, Arc<Mutex<Vec<HeaderMap>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let calls = Arc::<Mutex<Vec<HeaderMap>>>::default();
    let decline = async |State(calls): State<Arc<Mutex<Vec<HeaderMap>>>>, headers: HeaderMap| {
        calls.lock().unwrap().push(headers);
        let error = json!({"type": "card_error", "code": "card_declined", "decline_code": "generic_decline",
            "message": "Your card was declined."});
        (
            axum::http::StatusCode::PAYMENT_REQUIRED,
            axum::Json(json!({"error": error})),
        )
            .into_response()
    };
    let service = Router::new().fallback(decline).with_state(calls.clone());
    tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
    (url, calls)
}

#[tokio::test]
async fn call_to_provider_carries_the_trace() {
    let collector = Collector::start().await;
    let (url, calls) = start_declining_stripe().await;
    let stripe = [
        ("PAYMENT_PROVIDER", "stripe"),
        ("STRIPE_API_KEY", "sk_test_traced"),
        ("STRIPE_API_BASE", &url),
    ];
    let harness = start_traced(&collector, &stripe).await;
    let mut order = order_with_payment("pmt-declined");
    order["payment"]["method"] = json!("pm_card_visa");
    let headers = [("traceparent", &*traceparent())];
    let started = harness.post_with_headers("/orders", order, &headers).await;
    started.expect_started();
    let names = [
        ORDER[0],
        "POST",
        "payment provider stripe",
        "RunActivity:ChargePayment",
    ];
    let trace = harness
        .wait_for_spans(&collector, CALLER_TRACE, &names)
        .await;
    let call = [
        "RunActivity:ChargePayment",
        "payment provider stripe",
        "stripe.payment_intents.create",
        "POST",
    ];
    assert_eq!(trace.path("POST"), [&ORDER[..], &call].concat());
    let sent = trace.find("POST").unwrap();
    assert_eq!(sent.attributes["server.address"], "127.0.0.1");
    assert_eq!(sent.attributes["http.response.status_code"], "402");
    assert!(sent.is_error);
    let header = calls.lock().unwrap()[0]["traceparent"].clone();
    assert_eq!(header, format!("00-{CALLER_TRACE}-{}-01", sent.id));
    let received = format!("{:?}", collector.spans());
    for secret in ["sk_test", "pm_card", "declined"] {
        assert!(!received.contains(secret), "{secret} is in a span");
    }
}

#[tokio::test]
async fn request_joins_after_replay_and_no_span_repeats() {
    let collector = Collector::start().await;
    let harness = start_traced(&collector, &[("REVIEW_THRESHOLD", "50")]).await;
    let id = harness
        .post("/orders", order_with_payment("pmt-reviewed"))
        .await
        .expect_started();
    harness.wait_for_step(&id, "manual_review").await;
    // A killed worker loses the spans that it has not exported.
    let reservation = "RunActivity:ReserveInventory";
    let read = async || collector.spans();
    let find = |spans: &[Span], name: &str| spans.iter().find(|span| span.name == name).cloned();
    let is_exported = |spans: &Vec<Span>| {
        [ORDER[2], reservation]
            .iter()
            .all(|name| find(spans, name).is_some())
    };
    let spans = harness
        .wait_until("the first spans", read, is_exported)
        .await;
    let start = find(&spans, ORDER[2]).unwrap();
    // The next worker replays the order.
    harness.worker.kill().await;
    harness.worker.restart().await.unwrap();
    let path = format!("/orders/{id}/signals/approve");
    let headers = [("traceparent", &*traceparent())];
    let approved = harness.post_with_headers(&path, json!({}), &headers).await;
    approved.expect_status(200);
    assert_eq!(harness.wait_for_end(&id).await.status.as_str(), "delivered");

    let update = "HandleUpdate:approve_order";
    let request = "POST /orders/{id}/signals/approve";
    let approval = harness
        .wait_for_spans(&collector, CALLER_TRACE, &[update, request])
        .await;
    assert_eq!(approval.path(update), [request, "temporal.update", update]);
    let charge = "RunActivity:ChargePayment";
    let names = [ORDER[0], charge, "RunActivity:ConfirmDelivery"];
    let trace = harness
        .wait_for_spans(&collector, &start.trace, &names)
        .await;
    assert_eq!(trace.path(charge), [&ORDER[..], &[charge]].concat());
    for name in [ORDER[2], reservation, charge] {
        let count = trace.0.iter().filter(|span| span.name == name).count();
        assert_eq!(count, 1, "{name}");
    }
}

#[tokio::test]
async fn tracing_off_adds_nothing_to_history() {
    let harness = Harness::start().await;
    let headers = [("traceparent", &*traceparent())];
    let order = order_with_payment("pmt-untraced");
    let started = harness.post_with_headers("/orders", order, &headers).await;
    let id = started.expect_started();
    harness.wait_for_end(&id).await;
    let history = harness.read_history(&id).await;
    assert!(history.contains("ActivityTaskScheduled"), "{history}");
    for trace in ["_tracer-data", CALLER_TRACE] {
        assert!(!history.contains(trace), "{trace} is in the history");
    }
}

#[tokio::test]
async fn order_is_delivered_without_a_collector() {
    // Nothing listens at the first address. The second one accepts connections and never responds.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addresses = [
        format!("127.0.0.1:{}", ports::free_port().unwrap()),
        silent.local_addr().unwrap().to_string(),
    ];
    futures::future::join_all(addresses.iter().map(deliver_without_collector)).await;
}

async fn deliver_without_collector(address: &String) {
    let endpoint = format!("http://{address}");
    let harness = Harness::start_with(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]).await;
    for number in 0..3 {
        let payment = format!("pmt-lost-{number}");
        let started = harness.post("/orders", order_with_payment(&payment)).await;
        let id = started.expect_started();
        assert_eq!(harness.wait_for_end(&id).await.status.as_str(), "delivered");
    }
    for service in ["api", "worker"] {
        let count = async || {
            let log = harness.read_log(service);
            log.matches("traces are lost").count()
        };
        let warned = harness
            .wait_until("the warning", count, |count| *count > 0)
            .await;
        assert_eq!(warned, 1, "{service}");
    }
    harness.worker.stop().await;
    let log = harness.read_log("worker");
    assert_eq!(log.matches("traces are lost").count(), 1);
    harness.assert_invariants().await;
}

#[tokio::test]
async fn function_continues_the_gateways_request() {
    let collector = Collector::start().await;
    let harness = start_traced(&collector, &[("LOG_FORMAT", "json")]).await;
    let mut environment = harness.environment.clone();
    let lambda = Lambda::start(&environment).await;
    environment.push(("OTEL_TRACES_EXPORTER".to_owned(), "none".to_owned()));
    let silent = Lambda::start(&environment).await;
    for kind in ApiKind::ALL {
        let call = Call::get("/orders/nobody").header("traceparent", &traceparent());
        let response = lambda
            .call(kind, &call.header("X-Request-Id", "mine"))
            .await;
        // The gateway's id of `api_gateway::gateway_event`, which its access log has.
        assert_eq!(response.header("x-request-id"), "request");
    }
    // A function sends its spans before its response, because Lambda freezes it afterwards.
    let of_function = |span: &&Span| span.service == "orderflow-query" && !span.parent.is_empty();
    let spans = collector.spans();
    let roots = spans.iter().filter(of_function);
    let roots: Vec<_> = roots.filter(|span| span.parent == CALLER_SPAN).collect();
    assert_eq!(roots.len(), ApiKind::ALL.len(), "{spans:?}");
    for root in roots {
        assert_eq!(root.name, "GET /orders/{id}");
        assert_eq!(root.attributes["request_id"], "request");
    }
    let log = lambda.read_log(orderflow_http::Function::Query);
    let line = log
        .lines()
        .find(|line| line.contains("GET /orders/{id} 404"));
    let line: Value = serde_json::from_str(line.unwrap()).unwrap();
    assert_eq!(
        (
            &line["request_id"],
            &line["caller_request_id"],
            &line["trace_id"]
        ),
        (&json!("request"), &json!("mine"), &json!(CALLER_TRACE))
    );

    // A function without the export passes the caller's context on.
    let start = Call::post("/orders", &order_with_payment("pmt-passed-on"));
    let start = start.header("traceparent", &traceparent());
    let id = silent.call(ApiKind::Http, &start).await.expect_started();
    assert_eq!(harness.wait_for_end(&id).await.status.as_str(), "delivered");
    let names = [ORDER[2], "RunActivity:ConfirmDelivery"];
    let trace = harness
        .wait_for_spans(&collector, CALLER_TRACE, &names)
        .await;
    assert_eq!(trace.find(ORDER[2]).unwrap().parent, CALLER_SPAN);
    assert_eq!(trace.find("POST /orders"), None);
}

#[tokio::test]
async fn gateway_generates_the_request_id() {
    let harness = Harness::start_with(&[("LOG_FORMAT", "json")]).await;
    let mine = [("x-request-id", "mine")];
    let response = harness
        .send(Method::GET, "/orders/nobody", &mine, None)
        .await;
    let id = response.header("x-request-id").to_owned();
    assert_eq!(id.len(), 32, "{id}");
    let line = harness
        .wait_until(
            "the log line",
            async || harness.read_log("api"),
            |log| log.contains(&id),
        )
        .await;
    let line = line.lines().find(|line| line.contains(&id)).unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["caller_request_id"], "mine");
    assert_eq!(line["trace_id"], Value::Null, "tracing is off by default");
}
