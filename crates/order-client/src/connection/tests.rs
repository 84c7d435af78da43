//! Rotation of an API key, with small servers in the roles of Temporal and of Secrets Manager.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex as StdMutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, HeaderValue, Request, Response},
};
use h2::{RecvStream, server::SendResponse};
use temporalio_client::tonic::Code;
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::OrderClient;
use settings::Environment;

const ARN: &str = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:temporal-AbCdEf";

/// A gRPC server that accepts some API keys.
#[derive(Default)]
struct Temporal {
    accepted: StdMutex<Vec<&'static str>>,
    /// The key of the last accepted call.
    last_key: StdMutex<String>,
    connections: AtomicUsize,
    refusals: AtomicUsize,
}

impl Temporal {
    async fn serve(self: &Arc<Self>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = Arc::clone(self);
        tokio::spawn(async move {
            while let Ok((caller, _)) = listener.accept().await {
                server.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(Arc::clone(&server).serve_connection(caller));
            }
        });
        address
    }

    async fn serve_connection(self: Arc<Self>, caller: TcpStream) {
        let mut connection = h2::server::handshake(caller).await.unwrap();
        while let Some(Ok((request, respond))) = connection.accept().await {
            self.respond(&request, respond);
        }
    }

    fn respond(&self, request: &Request<RecvStream>, mut respond: SendResponse<Bytes>) {
        let headers = request.headers();
        let key = headers
            .get("authorization")
            .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
            .unwrap_or_default();
        let code = if headers.contains_key("grpc-encoding") {
            // The client then repeats the call without compression.
            Code::Unimplemented
        } else if self.accepted.lock().unwrap().contains(&key) {
            key.clone_into(&mut self.last_key.lock().unwrap());
            Code::Ok
        } else {
            self.refusals.fetch_add(1, Ordering::SeqCst);
            Code::Unauthenticated
        };
        let response = Response::builder().header("content-type", "application/grpc");
        let mut stream = respond
            .send_response(response.body(()).unwrap(), false)
            .unwrap();
        if code == Code::Ok {
            stream
                .send_data(Bytes::from_static(&[0; 5]), false)
                .unwrap();
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from(code as i32));
        if code == Code::Unimplemented {
            trailers.insert("grpc-message", HeaderValue::from_static("no decompressor"));
        }
        stream.send_trailers(trailers).unwrap();
    }

    fn accept(&self, keys: &[&'static str]) {
        *self.accepted.lock().unwrap() = keys.to_vec();
    }

    fn last_key(&self) -> String {
        self.last_key.lock().unwrap().clone()
    }
}

struct Fixture {
    temporal: Arc<Temporal>,
    secret: Arc<StdMutex<&'static str>>,
    orders: OrderClient,
}

impl Fixture {
    async fn start(key: &'static str, refresh: &str) -> Self {
        let temporal = Arc::new(Temporal::default());
        temporal.accept(&[key]);
        let address = temporal.serve().await;
        let secret = Arc::new(StdMutex::new(key));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let text = Arc::clone(&secret);
        let manager = Router::new().fallback(async move || {
            let text = *text.lock().unwrap();
            format!(r#"{{"SecretString":"{text}"}}"#)
        });
        tokio::spawn(async move { axum::serve(listener, manager).await.unwrap() });
        let environment = Environment::from_pairs([
            ("TEMPORAL_ADDRESS", address.as_str()),
            ("TEMPORAL_TLS", "false"),
            ("TEMPORAL_API_KEY_SECRET_ARN", ARN),
            ("SECRETS_REFRESH", refresh),
            ("AWS_ENDPOINT_URL", &url),
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "key"),
        ]);
        let settings = TemporalSettings::read(&environment, HashMap::new()).unwrap();
        Self {
            temporal,
            secret,
            orders: OrderClient::new(settings),
        }
    }

    fn set_secret(&self, key: &'static str) {
        *self.secret.lock().unwrap() = key;
    }

    async fn call(&self) -> Result<(), Error> {
        self.orders.check_health().await
    }

    /// Calls until `is_reached`. Returns the results of the calls.
    async fn call_until(
        &self,
        is_reached: impl Fn(&Result<(), Error>) -> bool,
    ) -> Vec<Result<(), Error>> {
        let mut results = Vec::new();
        let calls = async {
            loop {
                let result = self.call().await;
                let reached = is_reached(&result);
                results.push(result);
                if reached {
                    break;
                }
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(60), calls).await.unwrap();
        results
    }
}

#[tokio::test]
async fn rotated_key_is_used_without_a_failed_call() {
    let fixture = Fixture::start("old", "200ms").await;
    fixture.call().await.unwrap();
    assert_eq!(fixture.temporal.last_key(), "old");
    fixture.temporal.accept(&["old", "new"]);
    fixture.set_secret("new");
    let results = fixture
        .call_until(|_| fixture.temporal.last_key() == "new")
        .await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    fixture.temporal.accept(&["new"]);
    fixture.call().await.unwrap();
    // One connection for each key, and each needs two attempts, because the first compresses.
    assert_eq!(fixture.temporal.connections.load(Ordering::SeqCst), 4);
    assert_eq!(fixture.temporal.refusals.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn invalid_new_key_keeps_the_previous_connection() {
    let fixture = Fixture::start("old", "200ms").await;
    fixture.call().await.unwrap();
    fixture.set_secret("wrong");
    let refusals = || fixture.temporal.refusals.load(Ordering::SeqCst);
    let results = fixture.call_until(|_| refusals() > 0).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    for _ in 0..20 {
        fixture.call().await.unwrap();
    }
    assert_eq!(fixture.temporal.last_key(), "old");
    // The wrong key is tried once in 30 s.
    assert_eq!(refusals(), 1);
}

#[tokio::test]
async fn refused_key_is_read_again() {
    let fixture = Fixture::start("old", "1h").await;
    fixture.call().await.unwrap();
    fixture.temporal.accept(&["new"]);
    fixture.set_secret("new");
    // Not before the pause of ten seconds, so that refusals cause few reads.
    let error = fixture.call().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    fixture.call_until(Result::is_ok).await;
    assert_eq!(fixture.temporal.last_key(), "new");
}

#[tokio::test]
async fn unreadable_secret_is_the_reason() {
    let fixture = Fixture::start("", "1h").await;
    let error = fixture.call().await.unwrap_err().to_string();
    assert!(
        error.contains("TEMPORAL_API_KEY_SECRET_ARN") && error.contains("not an API key"),
        "{error}"
    );
    assert_eq!(fixture.temporal.connections.load(Ordering::SeqCst), 0);
}
