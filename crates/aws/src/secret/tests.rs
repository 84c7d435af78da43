//! The cache against an HTTP server in the role of Secrets Manager, with a clock that the test sets.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::UNIX_EPOCH,
};

use axum::{Router, extract::State as Shared, http::StatusCode};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle, time::timeout};

use super::*;
use settings::API_KEYS_SECRET_ARN;

const ARN: &str = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:orderflow/keys-AbCdEf";

#[derive(Debug, Clone)]
struct Clock(Arc<StdMutex<SystemTime>>);

impl TimeSource for Clock {
    fn now(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }
}

struct Server {
    /// The secret's text, or `None` for an outage.
    text: StdMutex<Option<&'static str>>,
    requests: AtomicUsize,
    /// The number of requests that get a response; later ones hang.
    allowed: watch::Sender<usize>,
}

struct Fixture {
    server: Arc<Server>,
    clock: Clock,
    secret: Secret<String>,
    task: JoinHandle<()>,
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn respond(Shared(server): Shared<Arc<Server>>) -> (StatusCode, String) {
    let number = server.requests.fetch_add(1, Ordering::SeqCst) + 1;
    let mut allowed = server.allowed.subscribe();
    allowed.wait_for(|count| *count >= number).await.unwrap();
    let text = *server.text.lock().unwrap();
    text.map_or_else(
        || {
            (
                StatusCode::BAD_REQUEST,
                r#"{"__type":"AccessDeniedException","Message":"marked"}"#.to_owned(),
            )
        },
        |text| (StatusCode::OK, format!(r#"{{"SecretString":"{text}"}}"#)),
    )
}

impl Fixture {
    /// Starts a server whose requests end immediately, and a secret that is read every 100 s.
    async fn start(text: Option<&'static str>) -> Self {
        let server = Arc::new(Server {
            text: StdMutex::new(text),
            requests: AtomicUsize::new(0),
            allowed: watch::Sender::new(usize::MAX),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let service = Router::new()
            .fallback(respond)
            .with_state(Arc::clone(&server));
        let task = tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        let environment = Environment::from_pairs([
            ("API_KEYS_SECRET_ARN", ARN),
            ("SECRETS_REFRESH", "100s"),
            ("AWS_ENDPOINT_URL", &url),
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "key"),
        ]);
        let clock = Clock(Arc::new(StdMutex::new(
            UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        )));
        let parse = |text: &str| {
            if text == "invalid" {
                Err(API_KEYS_SECRET_ARN.reject_hidden("not a key"))
            } else {
                Ok(text.to_owned())
            }
        };
        let secret = Secret::with_clock(&API_KEYS_SECRET_ARN, &environment, clock.clone(), parse);
        Self {
            server,
            clock,
            secret: secret.unwrap().unwrap(),
            task,
        }
    }

    fn set(&self, text: Option<&'static str>) {
        *self.server.text.lock().unwrap() = text;
    }

    fn pass(&self, seconds: u64) {
        *self.clock.0.lock().unwrap() += Duration::from_secs(seconds);
    }

    fn requests(&self) -> usize {
        self.server.requests.load(Ordering::SeqCst)
    }

    /// Makes all requests after the first `count` hang.
    fn allow(&self, count: usize) {
        self.server.allowed.send_replace(count);
    }

    async fn wait_for_request(&self, number: usize) {
        let condition = async {
            while self.requests() < number {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(10), condition).await.unwrap();
    }

    async fn current(&self) -> Result<String, SecretUnavailable> {
        self.secret.current().await.map(|value| value.to_string())
    }

    /// Waits until no read is running.
    async fn settle(&self) {
        drop(self.secret.cache.reading.lock().await);
    }
}

fn ok(text: &str) -> Result<String, SecretUnavailable> {
    Ok(text.to_owned())
}

#[tokio::test]
async fn fresh_value_causes_no_read() {
    let fixture = Fixture::start(Some("a")).await;
    assert_eq!(fixture.requests(), 0);
    for _ in 0..3 {
        assert_eq!(fixture.current().await, ok("a"));
    }
    fixture.pass(79);
    assert_eq!(fixture.current().await, ok("a"));
    fixture.settle().await;
    assert_eq!(fixture.requests(), 1);
}

#[tokio::test]
async fn due_read_does_not_delay_the_call() {
    let fixture = Fixture::start(Some("a")).await;
    fixture.current().await.unwrap();
    fixture.allow(1);
    fixture.set(Some("b"));
    fixture.pass(80);
    for _ in 0..3 {
        assert_eq!(fixture.current().await, ok("a"));
    }
    fixture.wait_for_request(2).await;
    fixture.allow(2);
    fixture.settle().await;
    assert_eq!(fixture.current().await, ok("b"));
    assert_eq!(fixture.requests(), 2);
}

#[tokio::test]
async fn revoked_value_is_not_used_after_a_freeze() {
    let fixture = Fixture::start(Some("revoked")).await;
    fixture.current().await.unwrap();
    for frozen in [100, 3600] {
        fixture.pass(frozen);
        fixture.set(Some(if frozen == 100 { "b" } else { "c" }));
        let expected = if frozen == 100 { "b" } else { "c" };
        assert_eq!(fixture.current().await, ok(expected));
    }
}

#[tokio::test]
async fn read_that_a_freeze_broke_is_repeated() {
    let fixture = Fixture::start(Some("revoked")).await;
    fixture.current().await.unwrap();
    fixture.allow(1);
    fixture.pass(80);
    fixture.current().await.unwrap();
    fixture.wait_for_request(2).await;
    // The sandbox is frozen during the second read, which then fails.
    fixture.pass(600);
    fixture.set(None);
    let (value, ()) = tokio::join!(fixture.current(), async {
        fixture.allow(2);
        fixture.wait_for_request(3).await;
        fixture.set(Some("b"));
        fixture.allow(3);
    });
    assert_eq!(value, ok("b"));
}

#[tokio::test]
async fn clock_that_was_set_back_causes_a_read() {
    let fixture = Fixture::start(Some("a")).await;
    fixture.current().await.unwrap();
    *fixture.clock.0.lock().unwrap() -= Duration::from_secs(5000);
    fixture.set(Some("b"));
    assert_eq!(fixture.current().await, ok("b"));
}

#[tokio::test]
async fn value_survives_an_outage_for_an_hour() {
    let fixture = Fixture::start(Some("a")).await;
    fixture.current().await.unwrap();
    fixture.set(None);
    let mut reads = 1;
    for _ in 0..35 {
        fixture.pass(100);
        reads += 1;
        for _ in 0..3 {
            assert_eq!(fixture.current().await, ok("a"));
        }
        // One read in 30 s.
        assert_eq!(fixture.requests(), reads);
    }
    fixture.pass(100);
    let error = fixture.current().await.unwrap_err().to_string();
    assert!(
        error.contains("cannot be read: AccessDeniedException; the role needs")
            && !error.contains("marked"),
        "{error}"
    );
    fixture.pass(30);
    fixture.set(Some("b"));
    assert_eq!(fixture.current().await, ok("b"));
}

#[tokio::test]
async fn invalid_text_keeps_the_previous_value() {
    let fixture = Fixture::start(Some("a")).await;
    fixture.current().await.unwrap();
    fixture.set(Some("invalid"));
    fixture.pass(100);
    assert_eq!(fixture.current().await, ok("a"));
    fixture.pass(3600);
    let error = fixture.current().await.unwrap_err().to_string();
    assert!(error.contains("not a key"), "{error}");
}

#[tokio::test]
async fn first_read_is_repeated_after_a_second() {
    let fixture = Fixture::start(None).await;
    for _ in 0..3 {
        assert!(fixture.current().await.is_err());
    }
    assert_eq!(fixture.requests(), 1);
    fixture.set(Some("a"));
    fixture.pass(1);
    assert_eq!(fixture.current().await, ok("a"));
}

#[tokio::test]
async fn concurrent_first_calls_share_a_read() {
    let fixture = Fixture::start(Some("a")).await;
    let (one, two) = tokio::join!(fixture.current(), fixture.current());
    assert_eq!((one, two), (ok("a"), ok("a")));
    assert_eq!(fixture.requests(), 1);
}

#[tokio::test]
async fn rejection_reads_again_after_a_pause() {
    let fixture = Fixture::start(Some("a")).await;
    let used = fixture.secret.current().await.unwrap();
    fixture.set(Some("b"));
    for _ in 0..3 {
        assert_eq!(fixture.secret.replacement(&used).await, None);
    }
    assert_eq!(fixture.requests(), 1);
    fixture.pass(10);
    let renewed = fixture.secret.replacement(&used).await.unwrap();
    assert_eq!(*renewed, "b");
    assert_eq!(fixture.secret.replacement(&used).await, Some(renewed));
    assert_eq!(fixture.requests(), 2);
}

#[test]
fn invalid_setting_is_rejected() {
    let create = |pairs: &[(&str, &str)]| {
        let environment = Environment::from_pairs(pairs.iter().copied());
        let parse = |text: &str| Ok(text.to_owned());
        let secret = Secret::from_setting(&API_KEYS_SECRET_ARN, &environment, parse);
        secret
            .map(|secret| secret.is_some())
            .map_err(|error| error.to_string())
    };
    assert_eq!(create(&[]), Ok(false));
    let arn = ("API_KEYS_SECRET_ARN", ARN);
    let error = create(&[arn]).unwrap_err();
    assert!(
        error.starts_with("AWS_ACCESS_KEY_ID: not set, but API_KEYS_SECRET_ARN requires it"),
        "{error}"
    );
    let keys = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")];
    assert_eq!(create(&[arn, keys[0], keys[1]]), Ok(true));
    let error = create(&[("API_KEYS_SECRET_ARN", "keys"), keys[0], keys[1]]).unwrap_err();
    assert!(error.contains("not the ARN of a secret"), "{error}");
}
