//! A receiver of messages: an HTTP server that verifies signatures with the public library.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{
        HeaderMap, StatusCode,
        header::{LOCATION, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
};
use serde_json::Value;
use standardwebhooks::Webhook;
use tokio::{net::TcpListener, task::JoinHandle};

/// One attempt to send a message.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pub(super) path: String,
    pub(super) message_id: String,
    pub(super) signatures: Vec<String>,
    pub(super) body: Bytes,
    pub(super) json: Value,
    pub(super) is_accepted: bool,
}

impl Attempt {
    pub(super) fn kind(&self) -> &str {
        self.json["type"].as_str().unwrap()
    }

    pub(super) fn order_id(&self) -> &str {
        self.json["data"]["order_id"].as_str().unwrap_or_default()
    }
}

/// Decides about an attempt. The number of earlier attempts is the argument beside it.
type Decision = Box<dyn Fn(&Attempt, usize) -> Answer + Send>;

/// The receiver's response to an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Accept,
    Reject(u16),
    /// Responds that the resource is at `/elsewhere`.
    Redirect,
    /// Responds with a status, and asks to wait for a number of seconds.
    Busy(u16, u32),
    /// Never responds.
    Hang,
}

#[derive(Default)]
struct Inner {
    secrets: Vec<String>,
    attempts: Vec<Attempt>,
    decision: Option<Decision>,
    pause: Duration,
    /// Every which response takes another time, and how long.
    slow: Option<(usize, Duration)>,
    /// Requests whose signature no secret verifies.
    refused: usize,
}

/// The state of the receiver, which outlives its server.
#[derive(Clone, Default)]
pub(super) struct Receiver {
    inner: Arc<Mutex<Inner>>,
    port: u16,
}

/// A running server of a receiver.
pub(super) struct Server(JoinHandle<()>);

impl Server {
    /// Closes the port and all connections.
    pub(super) async fn stop(self) {
        self.0.abort();
        let _ = self.0.await;
    }
}

impl Receiver {
    /// Starts a receiver that accepts every message.
    pub(super) async fn start() -> (Self, Server) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self {
            port: listener.local_addr().unwrap().port(),
            ..Self::default()
        };
        let server = receiver.serve(listener);
        (receiver, server)
    }

    /// Starts the server again on the same port.
    pub(super) async fn restart(&self) -> Server {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        self.serve(listener)
    }

    fn serve(&self, listener: TcpListener) -> Server {
        let app = Router::new().fallback(receive).with_state(self.clone());
        Server(tokio::spawn(async move {
            axum::serve(listener, app).await.unwrap();
        }))
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hooks", self.port)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// Sets the secrets, of which one must verify each message.
    pub(super) fn trust(&self, secrets: &[&str]) {
        self.lock().secrets = secrets.iter().map(|secret| (*secret).to_owned()).collect();
    }

    /// Sets the decision about each attempt.
    pub(super) fn decide(&self, decision: impl Fn(&Attempt, usize) -> Answer + Send + 'static) {
        self.lock().decision = Some(Box::new(decision));
    }

    /// Sets the time that each response takes.
    pub(super) fn take(&self, pause: Duration) {
        self.lock().pause = pause;
    }

    /// Lets each response whose number is a multiple of `every` take `pause`.
    pub(super) fn take_sometimes(&self, every: usize, pause: Duration) {
        self.lock().slow = Some((every, pause));
    }

    pub(super) fn attempts(&self) -> Vec<Attempt> {
        self.lock().attempts.clone()
    }

    pub(super) fn count_attempts(&self) -> usize {
        self.lock().attempts.len()
    }

    pub(super) fn count_refused(&self) -> usize {
        self.lock().refused
    }

    /// Returns the accepted messages in the order of their arrival, also repeated ones.
    pub(super) fn accepted(&self) -> Vec<Attempt> {
        let accepted = self.attempts().into_iter();
        accepted.filter(|attempt| attempt.is_accepted).collect()
    }

    /// Returns the types of the accepted messages of each order.
    pub(super) fn types_by_order(&self) -> BTreeMap<String, Vec<String>> {
        let mut orders: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for attempt in self.accepted() {
            let types = orders.entry(attempt.order_id().to_owned()).or_default();
            types.push(attempt.kind().to_owned());
        }
        orders
    }
}

async fn receive(
    State(receiver): State<Receiver>,
    uri: axum::http::Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (answer, pause) = {
        let mut inner = receiver.lock();
        let text = |name: &str| headers[name].to_str().unwrap().to_owned();
        let is_verified = inner.secrets.iter().any(|secret| {
            let webhook = Webhook::new(secret).unwrap();
            webhook.verify(&body, &headers).is_ok()
        });
        if !is_verified {
            inner.refused += 1;
            return StatusCode::UNAUTHORIZED.into_response();
        }
        let mut attempt = Attempt {
            path: uri.path().to_owned(),
            message_id: text("webhook-id"),
            signatures: text("webhook-signature")
                .split(' ')
                .map(str::to_owned)
                .collect(),
            json: serde_json::from_slice(&body).unwrap(),
            body,
            is_accepted: false,
        };
        let count = inner.attempts.len();
        let decided = inner
            .decision
            .as_ref()
            .map(|decide| decide(&attempt, count));
        let answer = decided.unwrap_or(Answer::Accept);
        attempt.is_accepted = answer == Answer::Accept;
        inner.attempts.push(attempt);
        let slow = inner.slow.filter(|(every, _)| count % every == 0);
        (answer, slow.map_or(inner.pause, |(_, pause)| pause))
    };
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
    match answer {
        Answer::Accept => StatusCode::NO_CONTENT.into_response(),
        Answer::Reject(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Answer::Redirect => (StatusCode::FOUND, [(LOCATION, "/elsewhere")]).into_response(),
        Answer::Busy(status, seconds) => {
            let wish = [(RETRY_AFTER, seconds.to_string())];
            (StatusCode::from_u16(status).unwrap(), wish).into_response()
        }
        Answer::Hang => std::future::pending().await,
    }
}
