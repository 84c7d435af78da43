//! A local HTTP server that records its calls.

use std::{
    sync::{Arc, Mutex},
    time::SystemTime,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::Response,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};
use url::form_urlencoded;

use crate::{Past, RefundRequest};
use domain::{Currency, Money, OrderId, PaymentId, TransactionId};

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Call {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(of, _)| of == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn query(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(of, _)| of == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Returns a field of the form in the body.
    pub(super) fn field(&self, name: &str) -> Option<String> {
        form_urlencoded::parse(self.body.as_bytes())
            .find(|(of, _)| of == name)
            .map(|(_, value)| value.into_owned())
    }

    pub(super) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// A response: status, headers, body.
pub(super) struct Reply(
    pub(super) u16,
    pub(super) Vec<(&'static str, String)>,
    pub(super) Value,
);

pub(super) trait Handler: Send + 'static {
    fn respond(&mut self, call: &Call) -> Reply;
}

struct Shared<H> {
    handler: H,
    calls: Vec<Call>,
}

pub(super) struct Server<H> {
    pub(super) url: String,
    shared: Arc<Mutex<Shared<H>>>,
    task: JoinHandle<()>,
}

impl<H> Drop for Server<H> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<H: Handler> Server<H> {
    pub(super) async fn start(handler: H) -> Self {
        let shared = Arc::new(Mutex::new(Shared {
            handler,
            calls: Vec::new(),
        }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new()
            .fallback(respond::<H>)
            .with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, shared, task }
    }

    /// Changes or reads the state of the handler.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut H) -> T) -> T {
        change(&mut self.shared.lock().unwrap().handler)
    }

    /// Returns the calls since the last time.
    pub(super) fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.shared.lock().unwrap().calls)
    }

    /// Returns method and path of the calls since the last time.
    pub(super) fn take_lines(&self) -> Vec<String> {
        self.take_calls().iter().map(Call::line).collect()
    }
}

async fn respond<H: Handler>(
    State(shared): State<Arc<Mutex<Shared<H>>>>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1024 * 1024).await.unwrap().to_vec();
    let query = parts.uri.query().unwrap_or_default();
    let call = Call {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect(),
        headers: parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect(),
        body: String::from_utf8(body).unwrap(),
    };
    let mut shared = shared.lock().unwrap();
    let Reply(status, headers, body) = shared.handler.respond(&call);
    shared.calls.push(call);
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(Body::from(body.to_string())).unwrap()
}

pub(super) fn now() -> DateTime<Utc> {
    SystemTime::now().into()
}

pub(super) fn usd(minor: i64) -> Money {
    Money::from_minor(minor, Currency::parse("USD").unwrap()).unwrap()
}

pub(super) fn order(id: &str) -> OrderId {
    OrderId::parse(id).unwrap()
}

pub(super) fn transaction(id: &str) -> TransactionId {
    TransactionId::parse(id).unwrap()
}

pub(super) fn past(age: TimeDelta, transaction_id: Option<&str>) -> Past {
    Past {
        since: now() - age,
        asked: true,
        transaction_id: transaction_id.map(transaction),
    }
}

/// A refund of a part of the payment `pmt-1` of the order `order-1`.
pub(super) fn part(amount: i64, key: &str, provider: &str, transaction_id: &str) -> RefundRequest {
    RefundRequest {
        payment_id: PaymentId::parse("pmt-1").unwrap(),
        order_id: order("order-1"),
        amount: usd(amount),
        key: key.to_owned(),
        whole: false,
        provider: provider.to_owned(),
        past: past(TimeDelta::zero(), Some(transaction_id)),
    }
}
