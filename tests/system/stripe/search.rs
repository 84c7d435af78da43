//! The lists and searches of Stripe that localstripe does not have: a server in front of localstripe
//! makes them of the list of all intents.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use url::form_urlencoded;

/// The server; it stops when this is dropped.
pub(super) struct Search {
    pub(super) url: String,
    /// The seconds by which the list since a time shows each intent older than it is.
    pub(super) age: Arc<AtomicI64>,
    server: JoinHandle<()>,
}

impl Drop for Search {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[derive(Clone)]
struct Target {
    url: String,
    age: Arc<AtomicI64>,
    http: reqwest::Client,
}

impl Search {
    /// Starts the server in front of localstripe at `target`.
    pub(super) async fn start(target: &str) -> Self {
        let age = Arc::new(AtomicI64::new(0));
        let target = Target {
            url: target.to_owned(),
            age: Arc::clone(&age),
            http: reqwest::Client::new(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(answer).with_state(target);
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, age, server }
    }
}

async fn answer(State(target): State<Target>, request: Request) -> Response {
    let query: Vec<(String, String)> =
        form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
    let field = |name: &str| {
        let found = query.iter().find(|(of, _)| of == name);
        found.map(|(_, value)| value.clone())
    };
    let is_read = request.method() == "GET";
    match request.uri().path() {
        "/v1/payment_intents/search" if is_read => {
            // metadata['order_id']:'1'
            let text = field("query").unwrap();
            let parts: Vec<_> = text.split('\'').collect();
            let [_, name, _, value, _] = parts.as_slice() else {
                panic!("unknown search: {text}");
            };
            list_intents(&target, request, 0, |intent| {
                intent["metadata"][*name] == *value
            })
            .await
        }
        "/v1/payment_intents" if is_read && field("created[gte]").is_some() => {
            let since: i64 = field("created[gte]").unwrap().parse().unwrap();
            let age = target.age.load(Ordering::SeqCst);
            list_intents(&target, request, age, |intent| {
                intent["created"].as_i64().unwrap() >= since
            })
            .await
        }
        path => {
            let query = request.uri().query();
            let path = query.map_or(path.to_owned(), |query| format!("{path}?{query}"));
            forward(&target, &path, request).await
        }
    }
}

/// Lists the intents, made older by `age` seconds, that `is_wanted` selects, the newest first, as one page.
async fn list_intents(
    target: &Target,
    request: Request,
    age: i64,
    is_wanted: impl Fn(&Value) -> bool,
) -> Response {
    let all = forward(target, "/v1/payment_intents?limit=10000", request).await;
    let status = all.status();
    let body = to_bytes(all.into_body(), usize::MAX).await.unwrap();
    if !status.is_success() {
        return (status, body).into_response();
    }
    let mut all: Value = serde_json::from_slice(&body).unwrap();
    let mut data = std::mem::take(all["data"].as_array_mut().unwrap());
    for intent in &mut data {
        intent["created"] = json!(intent["created"].as_i64().unwrap() - age);
    }
    data.retain(is_wanted);
    data.reverse();
    Json(json!({"object": "list", "data": data, "has_more": false})).into_response()
}

async fn forward(target: &Target, path: &str, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1024 * 1024).await.unwrap();
    let mut call = target
        .http
        .request(parts.method, format!("{}{path}", target.url));
    for name in ["authorization", "content-type", "stripe-version"] {
        if let Some(value) = parts.headers.get(name) {
            call = call.header(name, value);
        }
    }
    let Ok(response) = call.body(body).send().await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let status = response.status();
    (status, Body::from(response.bytes().await.unwrap())).into_response()
}
