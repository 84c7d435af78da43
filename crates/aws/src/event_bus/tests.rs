//! The bus against an HTTP server in the role of EventBridge.

use std::sync::{
    Arc, Mutex as StdMutex,
    atomic::{AtomicUsize, Ordering},
};

use aws_credential_types::{
    credential_fn::provide_credentials_fn, provider::error::CredentialsError,
};
use axum::{Router, http::StatusCode};
use tokio::net::TcpListener;

use super::*;

const EVENT: BusEvent<'static> = BusEvent {
    source: "orderflow",
    detail_type: "order.paid",
    detail: "{}",
    resource: "msg_1",
};

/// Returns a bus whose server sends this response, and the bodies of its requests.
async fn start(status: u16, response: &'static str) -> (EventBus, Arc<StdMutex<Vec<String>>>) {
    let bodies = Arc::new(StdMutex::new(Vec::new()));
    let received = Arc::clone(&bodies);
    let respond = async move |body: String| {
        received.lock().unwrap().push(body);
        (StatusCode::from_u16(status).unwrap(), response)
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let service = Router::new().fallback(respond);
    tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
    let environment = Environment::from_pairs([
        ("EVENT_BUS_NAME", "shop"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ENDPOINT_URL", &url),
    ]);
    let mut bus = EventBus::from_settings(&environment).unwrap().unwrap();
    bus.provider =
        SharedCredentialsProvider::new(Credentials::new("id", "key", None, None, "test"));
    (bus, bodies)
}

fn failed(status: u16, reason: &str) -> Result<(), PutError> {
    Err(PutError::Failed {
        status: Some(status),
        reason: reason.to_owned(),
    })
}

/// The tests of the infrastructure compare this body with botocore's.
#[tokio::test]
async fn accepted_event_has_the_name_of_the_bus() {
    let (bus, bodies) = start(200, r#"{"FailedEntryCount":0,"Entries":[{"EventId":"1"}]}"#).await;
    assert_eq!(bus.put(&EVENT).await, Ok(()));
    let body: serde_json::Value = serde_json::from_str(&bodies.lock().unwrap()[0]).unwrap();
    let expected: serde_json::Value =
        serde_json::from_str(include_str!("put-events.json")).unwrap();
    assert_eq!(body, expected);
}

#[tokio::test]
async fn response_without_an_accepted_event_is_a_failure() {
    for (status, response, expected) in [
        (
            200,
            r#"{"FailedEntryCount":1,"Entries":[{"ErrorCode":"InternalFailure","ErrorMessage":"marked"}]}"#,
            "EventBridge returned InternalFailure",
        ),
        (
            400,
            r#"{"__type":"com.amazonaws#AccessDeniedException","message":"marked"}"#,
            "EventBridge returned AccessDeniedException; the role and its permissions boundary must allow events:PutEvents on the bus",
        ),
        (200, "{}", "EventBridge returned status 200"),
        (503, "marked", "EventBridge returned status 503"),
    ] {
        let (bus, _) = start(status, response).await;
        assert_eq!(bus.put(&EVENT).await, failed(status, expected));
    }
}

#[tokio::test]
async fn event_of_the_limit_is_not_sent() {
    let (bus, bodies) = start(200, r#"{"FailedEntryCount":0}"#).await;
    let rest = EVENT.source.len() + EVENT.detail_type.len() + EVENT.resource.len();
    let largest = "x".repeat(MAX_EVENT - 1 - rest);
    let event = BusEvent {
        detail: &largest,
        ..EVENT
    };
    assert_eq!(bus.put(&event).await, Ok(()));
    let larger = format!("{largest}x");
    let event = BusEvent {
        detail: &larger,
        ..EVENT
    };
    let error = bus.put(&event).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the event has 1048576 bytes, and EventBridge accepts less than 1048576"
    );
    assert_eq!(bodies.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn credentials_are_read_again_before_they_end() {
    let (mut bus, bodies) = start(200, r#"{"FailedEntryCount":0}"#).await;
    // The second ones end soon, so they are read for each event.
    let lifetimes = [3600, 60, 60];
    let reads = Arc::new(StdMutex::new(0));
    let counted = Arc::clone(&reads);
    bus.provider = SharedCredentialsProvider::new(provide_credentials_fn(move || {
        let counted = Arc::clone(&counted);
        async move {
            let mut count = counted.lock().unwrap();
            let Some(lifetime) = lifetimes.get(*count) else {
                return Err(CredentialsError::not_loaded("marked"));
            };
            *count += 1;
            let end = SystemTime::now() + Duration::from_secs(*lifetime);
            Ok(Credentials::new("id", "key", None, Some(end), "test"))
        }
    }));
    let put = async |expected_reads: usize| {
        assert_eq!(bus.put(&EVENT).await, Ok(()));
        assert_eq!(*reads.lock().unwrap(), expected_reads);
    };
    put(1).await;
    put(1).await;
    *bus.credentials.lock().await = None;
    put(2).await;
    put(3).await;
    let error = bus.put(&EVENT).await.unwrap_err().to_string();
    assert_eq!(error, "this program has no credentials of AWS");
    assert_eq!(bodies.lock().unwrap().len(), 4);
}

#[tokio::test]
async fn outdated_credentials_are_read_again() {
    for (response, expected_reads) in [
        (r#"{"__type":"com.amazonaws#ExpiredTokenException"}"#, 2),
        (r#"{"__type":"UnrecognizedClientException"}"#, 2),
        (r#"{"__type":"InvalidSignatureException"}"#, 2),
        (r#"{"__type":"AccessDeniedException"}"#, 1),
    ] {
        let (mut bus, _) = start(400, response).await;
        let reads = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&reads);
        bus.provider = SharedCredentialsProvider::new(provide_credentials_fn(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            async { Ok(Credentials::new("id", "key", None, None, "test")) }
        }));
        for _ in 0..2 {
            assert!(bus.put(&EVENT).await.is_err(), "{response}");
        }
        assert_eq!(reads.load(Ordering::SeqCst), expected_reads, "{response}");
    }
}

#[test]
fn invalid_setting_is_rejected() {
    let read = |pairs: &[(&str, &str)]| {
        let bus = EventBus::from_settings(&Environment::from_pairs(pairs.iter().copied()));
        bus.map(|bus| bus.map(|bus| bus.name().to_owned()))
            .map_err(|error| error.name())
    };
    let name = ("EVENT_BUS_NAME", "shop.orders_1");
    assert_eq!(read(&[]), Ok(None));
    assert_eq!(read(&[name]), Err("AWS_REGION"));
    for region in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
        let bus = read(&[name, (region, "eu-central-1")]);
        assert_eq!(bus, Ok(Some("shop.orders_1".to_owned())));
    }
    let arn = "arn:aws:events:eu-central-1:123456789012:event-bus/shop";
    for wrong in [arn, "a shop", &"x".repeat(257)] {
        let error = read(&[("EVENT_BUS_NAME", wrong), ("AWS_REGION", "eu-central-1")]);
        assert_eq!(error, Err("EVENT_BUS_NAME"), "{wrong}");
    }
}
