//! A proxy between the worker and Stripe. It records the calls, loses responses on request, and
//! implements `Idempotency-Key` as Stripe documents it, because localstripe ignores that header.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

/// A fault of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The call is executed, and no response is sent.
    LoseResponse,
    /// The call is not executed, and the response has this status.
    Reject(u16),
    /// The call is executed, and the response has this status.
    ExecuteThenFail(u16),
}

/// A call of the worker, and the status of the response.
#[derive(Debug, Clone)]
pub(super) struct RecordedCall {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) key: Option<String>,
    pub(super) body: String,
    pub(super) status: u16,
}

type StoredResponse = (u16, Bytes);

#[derive(Default)]
struct ProxyState {
    target: String,
    http: reqwest::Client,
    calls: Mutex<Vec<RecordedCall>>,
    /// The faults of the next calls: method, end of the path, fault.
    faults: Mutex<VecDeque<(&'static str, &'static str, Fault)>>,
    /// The first request of each key, and its response.
    keys: Mutex<BTreeMap<String, (String, StoredResponse)>>,
    /// Fields that replace those of every response.
    overlay: Mutex<Option<Value>>,
}

pub(super) struct Proxy {
    pub(super) url: String,
    shared: Arc<ProxyState>,
    server: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Proxy {
    pub(super) async fn start(target: &str) -> Self {
        let shared = Arc::new(ProxyState {
            target: target.to_owned(),
            ..ProxyState::default()
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new()
            .fallback(forward)
            .with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            url,
            shared,
            server,
        }
    }

    pub(super) fn calls(&self) -> Vec<RecordedCall> {
        self.shared.calls.lock().unwrap().clone()
    }

    /// Returns the calls that create a charge.
    pub(super) fn charge_calls(&self) -> Vec<RecordedCall> {
        let is_charge =
            |call: &RecordedCall| call.method == "POST" && call.path == "/v1/payment_intents";
        self.calls().into_iter().filter(is_charge).collect()
    }

    /// Makes the next call of `method` fail whose path ends with `ending`.
    pub(super) fn fail_next(&self, method: &'static str, ending: &'static str, fault: Fault) {
        self.shared
            .faults
            .lock()
            .unwrap()
            .push_back((method, ending, fault));
    }

    /// From now on, every object in a response has these fields.
    pub(super) fn override_fields(&self, fields: Value) {
        *self.shared.overlay.lock().unwrap() = Some(fields);
    }
}

async fn forward(State(shared): State<Arc<ProxyState>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = String::from_utf8(to_bytes(body, 1024 * 1024).await.unwrap().to_vec()).unwrap();
    let (method, path) = (parts.method.to_string(), parts.uri.path().to_owned());
    let key = parts
        .headers
        .get("idempotency-key")
        .map(|key| key.to_str().unwrap().to_owned());
    let fault = {
        let mut faults = shared.faults.lock().unwrap();
        let found = faults
            .iter()
            .position(|(of, ending, _)| *of == method && path.ends_with(ending));
        found
            .and_then(|found| faults.remove(found))
            .map(|(_, _, fault)| fault)
    };
    let record_call = |status: u16| {
        let call = RecordedCall {
            method: method.clone(),
            path: path.clone(),
            key: key.clone(),
            body: body.clone(),
            status,
        };
        shared.calls.lock().unwrap().push(call);
    };
    if let Some(Fault::Reject(status)) = fault {
        record_call(status);
        return error_response(status, "api_error");
    }
    let known = key
        .as_ref()
        .and_then(|key| shared.keys.lock().unwrap().get(key).cloned());
    let (status, text) = match known {
        Some((first, response)) if first == body => response,
        Some(_) => {
            record_call(400);
            return error_response(400, "idempotency_error");
        }
        None => {
            let mut call = shared.http.request(
                parts.method.clone(),
                format!("{}{}", shared.target, parts.uri),
            );
            for name in ["authorization", "content-type", "stripe-version"] {
                if let Some(value) = parts.headers.get(name) {
                    call = call.header(name, value);
                }
            }
            let response = call.body(body.clone()).send().await.unwrap();
            let response: StoredResponse =
                (response.status().as_u16(), response.bytes().await.unwrap());
            if let Some(key) = &key {
                shared
                    .keys
                    .lock()
                    .unwrap()
                    .insert(key.clone(), (body.clone(), response.clone()));
            }
            response
        }
    };
    match fault {
        Some(Fault::LoseResponse) => {
            record_call(0);
            std::future::pending().await
        }
        Some(Fault::ExecuteThenFail(status)) => {
            record_call(status);
            error_response(status, "api_error")
        }
        Some(Fault::Reject(_)) | None => {
            record_call(status);
            let overlay = shared.overlay.lock().unwrap().clone();
            let text = overlay.map_or(text.clone(), |fields| with_fields(&text, &fields));
            (StatusCode::from_u16(status).unwrap(), Body::from(text)).into_response()
        }
    }
}

fn error_response(status: u16, kind: &str) -> Response {
    let body = json!({"error": {"type": kind, "message": "invented: 4242 4242 4242 4242"}});
    (StatusCode::from_u16(status).unwrap(), body.to_string()).into_response()
}

fn with_fields(text: &[u8], fields: &Value) -> Bytes {
    let mut response: Value = serde_json::from_slice(text).unwrap();
    let add = |object: &mut Value| {
        for (name, value) in fields.as_object().unwrap() {
            object[name] = value.clone();
        }
    };
    match response.get_mut("data").and_then(Value::as_array_mut) {
        Some(list) => list.iter_mut().for_each(add),
        None => add(&mut response),
    }
    response.to_string().into()
}
