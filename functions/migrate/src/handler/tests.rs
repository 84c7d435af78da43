use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    vec,
};

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    routing::put,
};
use serde_json::json;

use super::*;

/// A substitute for CloudFormation's bucket. It responds with the given statuses, then with 200.
struct Bucket {
    url: String,
    state: Arc<BucketState>,
}

#[derive(Default)]
struct BucketState {
    statuses: Mutex<vec::IntoIter<u16>>,
    answers: Mutex<Vec<Value>>,
    attempts: AtomicUsize,
}

async fn receive(
    State(state): State<Arc<BucketState>>,
    Path(_): Path<String>,
    headers: HeaderMap,
    body: String,
) -> StatusCode {
    state.attempts.fetch_add(1, Ordering::Relaxed);
    assert_eq!(headers.get("content-type"), None);
    if let Some(status) = state.statuses.lock().unwrap().next() {
        return StatusCode::from_u16(status).unwrap();
    }
    let answer = serde_json::from_str(&body).unwrap();
    state.answers.lock().unwrap().push(answer);
    StatusCode::OK
}

impl Bucket {
    async fn start(statuses: Vec<u16>) -> Self {
        let state = Arc::new(BucketState {
            statuses: Mutex::new(statuses.into_iter()),
            ..BucketState::default()
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!(
            "http://{}/response?X-Amz-Signature=secret",
            listener.local_addr().unwrap()
        );
        let router = Router::new()
            .route("/{key}", put(receive))
            .with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, state }
    }

    fn event(&self, kind: &str, version: &str, old: Option<&str>) -> Value {
        let mut event = json!({
            "RequestType": kind, "ResponseURL": self.url, "StackId": "arn:stack", "RequestId": "5f2c",
            "LogicalResourceId": "Migration", "ResourceType": "AWS::CloudFormation::CustomResource",
            "ResourceProperties": {"ServiceToken": "arn:function", "Version": version},
        });
        if kind != "Create" {
            event["PhysicalResourceId"] = json!("migration");
        }
        if let Some(old) = old {
            event["OldResourceProperties"] =
                json!({"ServiceToken": "arn:function", "Version": old});
        }
        event
    }

    /// Returns status and reason of the only response.
    #[track_caller]
    fn answer(&self) -> (String, String) {
        let answers = self.state.answers.lock().unwrap();
        assert_eq!(answers.len(), 1, "{answers:?}");
        let mut answer = answers[0].clone();
        let mut take = |name: &str| answer[name].take().as_str().unwrap().to_owned();
        let result = (take("Status"), take("Reason"));
        let rest = json!({
            "Status": null, "Reason": null, "PhysicalResourceId": "migration", "StackId": "arn:stack",
            "RequestId": "5f2c", "LogicalResourceId": "Migration",
        });
        assert_eq!(answer, rest);
        result
    }
}

enum Behaviour {
    Succeed,
    Fail,
    Panic,
    Hang,
}

#[derive(Clone, Default)]
struct Calls {
    runs: Arc<AtomicUsize>,
    stops: Arc<AtomicUsize>,
}

struct Stub(Behaviour, Calls);

impl Work for Stub {
    async fn run(&self) -> Result<String, Failure> {
        self.1.runs.fetch_add(1, Ordering::Relaxed);
        match self.0 {
            Behaviour::Succeed => Ok("schema 0016, up to date".to_owned()),
            Behaviour::Fail => Err(Failure::new("migration 0016: SQLSTATE 42P07", "read it")),
            Behaviour::Panic => panic!("a bug"),
            Behaviour::Hang => std::future::pending().await,
        }
    }

    async fn stop(&self) {
        self.1.stops.fetch_add(1, Ordering::Relaxed);
    }
}

async fn handle(event: Value, seconds: u64, behaviour: Behaviour) -> (Result<(), String>, Calls) {
    let calls = Calls::default();
    let invocation = Invocation {
        time_left: Duration::from_secs(seconds),
        log_group: "orderflow-MigrateLogs".to_owned(),
    };
    let handler = Handler::new(AnswerSender::new().unwrap().without_pauses());
    let work = Stub(behaviour, calls.clone());
    (handler.handle(event, &invocation, work).await, calls)
}

#[tokio::test]
async fn creation_and_update_report_success() {
    for (kind, version, old) in [("Create", "1", None), ("Update", "10", Some("9"))] {
        let bucket = Bucket::start(Vec::new()).await;
        let (result, calls) =
            handle(bucket.event(kind, version, old), 900, Behaviour::Succeed).await;
        assert_eq!(result, Ok(()));
        assert_eq!(
            bucket.answer(),
            ("SUCCESS".to_owned(), "schema 0016, up to date".to_owned())
        );
        assert_eq!(calls.runs.load(Ordering::Relaxed), 1);
    }
}

#[tokio::test]
async fn failure_is_reported_with_remedy_and_log_group() {
    let bucket = Bucket::start(Vec::new()).await;
    let (result, _) = handle(bucket.event("Create", "1", None), 900, Behaviour::Fail).await;
    assert_eq!(result, Ok(()));
    let (status, reason) = bucket.answer();
    assert_eq!(status, "FAILED");
    assert_eq!(
        reason,
        "migration 0016: SQLSTATE 42P07; read it; log group orderflow-MigrateLogs"
    );
}

#[tokio::test]
async fn rollback_and_deletion_succeed_without_work() {
    for event in [("Update", "9", Some("10")), ("Delete", "10", None)] {
        let bucket = Bucket::start(Vec::new()).await;
        let (kind, version, old) = event;
        let (_, calls) = handle(bucket.event(kind, version, old), 900, Behaviour::Fail).await;
        assert_eq!(bucket.answer().0, "SUCCESS", "{kind}");
        assert_eq!(calls.runs.load(Ordering::Relaxed), 0);
    }
}

#[tokio::test]
async fn panic_is_reported_as_a_failure() {
    let bucket = Bucket::start(Vec::new()).await;
    let (result, _) = handle(bucket.event("Create", "1", None), 900, Behaviour::Panic).await;
    assert_eq!(result, Ok(()));
    let (status, reason) = bucket.answer();
    assert_eq!(status, "FAILED");
    assert!(reason.contains("because of a bug"), "{reason}");
}

#[tokio::test]
async fn work_is_stopped_before_the_time_limit() {
    let bucket = Bucket::start(Vec::new()).await;
    // One second is left after the reserve for the response.
    let event = bucket.event("Update", "10", Some("9"));
    let (result, calls) = handle(event, 61, Behaviour::Hang).await;
    assert_eq!(result, Ok(()));
    let (status, reason) = bucket.answer();
    assert_eq!(status, "FAILED");
    assert!(reason.contains("by hand"), "{reason}");
    assert_eq!(calls.stops.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn repeated_request_is_answered_again() {
    let bucket = Bucket::start(Vec::new()).await;
    let event = bucket.event("Create", "1", None);
    for _ in 0..2 {
        let (result, calls) = handle(event.clone(), 900, Behaviour::Succeed).await;
        assert_eq!(result, Ok(()));
        assert_eq!(calls.runs.load(Ordering::Relaxed), 1);
        assert_eq!(bucket.answer().0, "SUCCESS");
        bucket.state.answers.lock().unwrap().clear();
    }
}

#[tokio::test]
async fn unknown_request_type_is_rejected() {
    let bucket = Bucket::start(Vec::new()).await;
    let (_, calls) = handle(bucket.event("Import", "1", None), 900, Behaviour::Succeed).await;
    let (status, reason) = bucket.answer();
    assert_eq!(status, "FAILED");
    assert!(
        reason.starts_with(r#"unknown request type "Import""#),
        "{reason}"
    );
    assert_eq!(calls.runs.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn response_is_sent_again_after_a_failure() {
    let bucket = Bucket::start(vec![503]).await;
    let (result, _) = handle(bucket.event("Create", "1", None), 900, Behaviour::Succeed).await;
    assert_eq!(result, Ok(()));
    assert_eq!(bucket.answer().0, "SUCCESS");
    assert_eq!(bucket.state.attempts.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn undelivered_response_is_an_error_without_the_address() {
    let event = json!({
        "RequestType": "Delete", "ResponseURL": "https://127.0.0.1:1/?X-Amz-Signature=secret",
        "StackId": "arn:stack", "RequestId": "5f2c", "LogicalResourceId": "Migration",
        "PhysicalResourceId": "migration",
    });
    let (result, _) = handle(event, 900, Behaviour::Succeed).await;
    let error = result.unwrap_err();
    assert!(
        error.contains("S3 is unreachable") && !error.contains("secret"),
        "{error}"
    );
}

#[tokio::test]
async fn other_event_is_an_error() {
    let (result, calls) = handle(json!({"httpMethod": "GET"}), 900, Behaviour::Succeed).await;
    assert!(
        result
            .unwrap_err()
            .contains("not a request of CloudFormation")
    );
    assert_eq!(calls.runs.load(Ordering::Relaxed), 0);
}
