//! An HTTP server in the role of EventBridge.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{Json, Router, extract::State, http::HeaderMap};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// One attempt to put an event on a bus.
#[derive(Debug, Clone)]
pub(super) struct Put {
    pub(super) target: String,
    pub(super) authorization: String,
    pub(super) entry: Value,
    pub(super) detail: Value,
    is_accepted: bool,
}

impl Put {
    pub(super) fn kind(&self) -> &str {
        self.entry["DetailType"].as_str().unwrap()
    }

    pub(super) fn message_id(&self) -> &str {
        self.entry["Resources"][0].as_str().unwrap()
    }
}

/// The response to an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Accept,
    /// The entry has failed with this code.
    Fail(&'static str),
    /// Never responds.
    Hang,
}

/// Decides about an attempt. The number of earlier ones with the same type is the argument beside
/// it.
type Decision = Box<dyn Fn(&Put, usize) -> Answer + Send>;

#[derive(Default)]
struct Inner {
    puts: Vec<Put>,
    decision: Option<Decision>,
}

/// A server that accepts every event. It ends with the test.
#[derive(Clone)]
pub(super) struct EventBridge {
    inner: Arc<Mutex<Inner>>,
    url: String,
}

impl EventBridge {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let bridge = Self {
            inner: Arc::default(),
            url: format!("http://{}", listener.local_addr().unwrap()),
        };
        let app = Router::new().fallback(receive).with_state(bridge.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        bridge
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// Sets the decision about each attempt.
    pub(super) fn decide(&self, decision: impl Fn(&Put, usize) -> Answer + Send + 'static) {
        self.lock().decision = Some(Box::new(decision));
    }

    pub(super) fn puts(&self) -> Vec<Put> {
        self.lock().puts.clone()
    }

    /// Returns the attempts with events of this type.
    pub(super) fn puts_of(&self, kind: &str) -> Vec<Put> {
        let puts = self.puts().into_iter();
        puts.filter(|put| put.kind() == kind).collect()
    }

    /// Returns the accepted events in the order of their arrival.
    pub(super) fn accepted(&self) -> Vec<Put> {
        let puts = self.puts().into_iter();
        puts.filter(|put| put.is_accepted).collect()
    }

    /// Returns the types of the accepted events of each order.
    pub(super) fn types_by_order(&self) -> BTreeMap<String, Vec<String>> {
        let mut orders: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for put in self.accepted() {
            let order = put.detail["data"]["order_id"].as_str().unwrap_or_default();
            let types = orders.entry(order.to_owned()).or_default();
            types.push(put.kind().to_owned());
        }
        orders
    }
}

async fn receive(
    State(bridge): State<EventBridge>,
    headers: HeaderMap,
    body: String,
) -> Json<Value> {
    let answer = {
        let mut inner = bridge.lock();
        let text = |name: &str| headers[name].to_str().unwrap().to_owned();
        let request: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(request["Entries"].as_array().unwrap().len(), 1);
        let entry = request["Entries"][0].clone();
        let mut put = Put {
            target: text("x-amz-target"),
            authorization: text("authorization"),
            detail: serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap(),
            entry,
            is_accepted: false,
        };
        let alike = inner.puts.iter().filter(|known| known.kind() == put.kind());
        let earlier = alike.count();
        let decided = inner.decision.as_ref().map(|decide| decide(&put, earlier));
        let answer = decided.unwrap_or(Answer::Accept);
        put.is_accepted = answer == Answer::Accept;
        inner.puts.push(put);
        answer
    };
    match answer {
        Answer::Accept => Json(json!({"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]})),
        Answer::Fail(code) => Json(
            json!({"FailedEntryCount": 1, "Entries": [{"ErrorCode": code, "ErrorMessage": "marked"}]}),
        ),
        Answer::Hang => std::future::pending().await,
    }
}
