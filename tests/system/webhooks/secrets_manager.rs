//! Secrets in AWS Secrets Manager: read, renewed, and missed without harm while it is away. MiniStack stands in for it
//! (<https://pypi.org/project/ministack>), behind a door that counts and can be shut.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Bytes, to_bytes},
    extract::{Request, State},
    http::StatusCode,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::OnceCell, task::JoinHandle};

use super::{
    secret_rotation::{secret_lines, send_signed_event},
    start_with_webhooks,
};
use crate::{harness::Harness, shared_servers::shared_servers, stripe::tools::install_python};
use devstack::{Process, Readiness, guard::GuardOptions, ports};
use domain::WebhookProvider;

const VERSIONS: &str = include_str!("../../../localstack/requirements/ministack.txt");
const STRIPE: WebhookProvider = WebhookProvider::Stripe;
const MOLLIE: WebhookProvider = WebhookProvider::Mollie;

struct Door {
    target: String,
    http: reqwest::Client,
    asked: AtomicUsize,
    is_shut: AtomicBool,
}

/// Secrets Manager with one secret.
struct Manager {
    url: String,
    arn: String,
    door: Arc<Door>,
    server: JoinHandle<()>,
    _process: Process,
    _folder: tempfile::TempDir,
}

impl Drop for Manager {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Manager {
    async fn start(text: &str) -> Option<Self> {
        static PYTHON: OnceCell<Option<PathBuf>> = OnceCell::const_new();
        let install = || {
            install_python(
                "ministack",
                VERSIONS,
                "the tests of AWS Secrets Manager need python3 with venv",
            )
        };
        let python = PYTHON.get_or_init(install).await.as_ref()?;
        // It makes TLS ready as well, which an HTTP client asks for.
        shared_servers().await;
        let folder = tempfile::tempdir().unwrap();
        let address = format!("127.0.0.1:{}", ports::free_port().unwrap());
        let port = address.rsplit_once(':').unwrap().1;
        let options = GuardOptions {
            name: "ministack".to_owned(),
            command: [python.to_str().unwrap(), "-m", "ministack"]
                .map(Into::into)
                .to_vec(),
            environment: [
                ("GATEWAY_PORT", port),
                ("PYTHONUNBUFFERED", "1"),
                ("HOME", folder.path().to_str().unwrap()),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
            removed_environment: Vec::new(),
            log: folder.path().join("log"),
            user: None,
            stop_signal: "TERM",
            grace_period: Duration::from_secs(5),
            remove_folder: None,
        };
        let ready = Readiness::Http {
            address: address.clone(),
            path: "/_ministack/health".to_owned(),
        };
        let process = Process::start(options, ready, Duration::from_secs(60))
            .await
            .unwrap();
        let door = Arc::new(Door {
            target: format!("http://{address}"),
            http: reqwest::Client::new(),
            asked: AtomicUsize::new(0),
            is_shut: AtomicBool::new(false),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let service = Router::new().fallback(pass).with_state(Arc::clone(&door));
        let server = tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        let made = call(
            &door,
            "CreateSecret",
            json!({"Name": "orderflow/webhooks", "SecretString": text}),
        )
        .await;
        let arn = made["ARN"]
            .as_str()
            .unwrap_or_else(|| panic!("{made}"))
            .to_owned();
        Some(Self {
            url,
            arn,
            door,
            server,
            _process: process,
            _folder: folder,
        })
    }

    async fn put(&self, text: &str) {
        let put = call(
            &self.door,
            "PutSecretValue",
            json!({"SecretId": self.arn, "SecretString": text}),
        )
        .await;
        assert_eq!(put["ARN"], self.arn.as_str(), "{put}");
    }

    /// A world whose API reads the secret.
    async fn world(&self, more: &[(&str, &str)]) -> Harness {
        let settings = [
            ("WEBHOOK_SECRETS_ARN", self.arn.as_str()),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", self.url.as_str()),
            ("AWS_ACCESS_KEY_ID", "marked-key-id"),
            ("AWS_SECRET_ACCESS_KEY", "marked-access-key"),
            ("AWS_SESSION_TOKEN", "marked-session-token"),
        ];
        start_with_webhooks(&[&settings, more].concat()).await
    }

    fn asked(&self) -> usize {
        self.door.asked.load(Ordering::Relaxed)
    }

    fn shut(&self, is_shut: bool) {
        self.door.is_shut.store(is_shut, Ordering::Relaxed);
    }
}

/// What the test itself wants of it; MiniStack looks at no signature.
async fn call(door: &Door, action: &str, body: Value) -> Value {
    let authorization = "AWS4-HMAC-SHA256 Credential=test/20261121/eu-central-1/secretsmanager/aws4_request, \
        SignedHeaders=host, Signature=0";
    let request = door
        .http
        .post(&door.target)
        .header("x-amz-target", format!("secretsmanager.{action}"));
    let request = request
        .header("content-type", "application/x-amz-json-1.1")
        .header("authorization", authorization);
    let answer = request
        .body(body.to_string())
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    serde_json::from_str(&answer).unwrap_or(Value::String(answer))
}

async fn pass(State(door): State<Arc<Door>>, request: Request) -> (StatusCode, Bytes) {
    door.asked.fetch_add(1, Ordering::Relaxed);
    if door.is_shut.load(Ordering::Relaxed) {
        return (StatusCode::INTERNAL_SERVER_ERROR, Bytes::from("{}"));
    }
    let (parts, body) = request.into_parts();
    let signed = parts.headers["authorization"].to_str().unwrap();
    assert!(
        signed.contains("/eu-central-1/secretsmanager/aws4_request")
            && parts.headers.contains_key("x-amz-security-token")
    );
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let answer = door
        .http
        .post(&door.target)
        .headers(parts.headers)
        .body(body)
        .send()
        .await
        .unwrap();
    (answer.status(), answer.bytes().await.unwrap())
}

#[tokio::test]
async fn changed_secret_applies_immediately_with_limited_refreshes()
 {
    let Some(manager) = Manager::start(&secret_lines(&[1])).await else {
        return;
    };
    let world = manager.world(&[("WEBHOOK_SECRETS_REFRESH", "1h")]).await;
    assert_eq!(manager.asked(), 0);
    send_signed_event(&world, STRIPE, 1)
        .await
        .expect_accepted(STRIPE);
    send_signed_event(&world, MOLLIE, 1)
        .await
        .expect_accepted(MOLLIE);
    assert_eq!(manager.asked(), 1, "read once, and kept");

    // The provider signs with the new one at once; a refused notification has us look.
    manager.put(&secret_lines(&[2])).await;
    let began = Instant::now();
    let answer = async || send_signed_event(&world, STRIPE, 2).await.status.as_u16();
    world
        .wait_until("the new secret", answer, |status| *status == 200)
        .await;
    assert!(
        began.elapsed() < Duration::from_secs(60),
        "long before the hour"
    );
    send_signed_event(&world, STRIPE, 1)
        .await
        .expect_rejected(STRIPE, "signature");
    send_signed_event(&world, MOLLIE, 2)
        .await
        .expect_accepted(MOLLIE);
    // However many came in the meantime.
    let looks = 2 + began.elapsed().as_secs() / 10;
    assert!(
        manager.asked() as u64 <= looks,
        "asked {} times in {:?}",
        manager.asked(),
        began.elapsed()
    );

    let (began, before) = (Instant::now(), manager.asked());
    for _ in 0..200 {
        send_signed_event(&world, MOLLIE, 9)
            .await
            .expect_rejected(MOLLIE, "signature");
    }
    let looks = 1 + began.elapsed().as_secs() / 10;
    assert!(
        (manager.asked() - before) as u64 <= looks,
        "{} times in {:?}",
        manager.asked() - before,
        began.elapsed()
    );

    // What is no good is not taken, and told once.
    manager.put("marked: no line").await;
    let told = async || {
        send_signed_event(&world, MOLLIE, 9)
            .await
            .expect_rejected(MOLLIE, "signature");
        world
            .read_log("api")
            .matches("the secrets of before are used")
            .count()
    };
    world
        .wait_until("a word about the broken text", told, |count| *count == 1)
        .await;
    send_signed_event(&world, STRIPE, 2)
        .await
        .expect_accepted(STRIPE);
    assert!(
        !world.read_log("api").contains("marked"),
        "a credential or the secret's text is in the log"
    );
}

#[tokio::test]
async fn cached_secrets_work_while_secrets_manager_is_unavailable() {
    let Some(manager) = Manager::start(&secret_lines(&[1])).await else {
        return;
    };
    manager.shut(true);
    let world = manager.world(&[("WEBHOOK_SECRETS_REFRESH", "1s")]).await;
    // Nobody can tell yet what is genuine: it must come again.
    for _ in 0..3 {
        let answer = send_signed_event(&world, STRIPE, 1).await;
        assert_eq!(answer.header("retry-after"), "5");
        answer.expect_problem(503, "auth_unavailable");
    }
    manager.shut(false);
    let answer = async || send_signed_event(&world, STRIPE, 1).await.status.as_u16();
    world
        .wait_until("the first secret", answer, |status| *status == 200)
        .await;

    manager.shut(true);
    let before = manager.asked();
    let failed = async || {
        send_signed_event(&world, STRIPE, 1)
            .await
            .expect_accepted(STRIPE);
        send_signed_event(&world, STRIPE, 2)
            .await
            .expect_rejected(STRIPE, "signature");
        manager.asked() - before
    };
    world
        .wait_until("a look that fails", failed, |count| *count >= 2)
        .await;
    assert!(
        world.read_log("api").contains("must be readable"),
        "not a word about it"
    );

    // Nothing is refused that would have us look: the old one ends by the refresh alone.
    manager.shut(false);
    manager.put(&secret_lines(&[2])).await;
    let answer = async || send_signed_event(&world, STRIPE, 1).await.status.as_u16();
    world
        .wait_until("the end of the old secret", answer, |status| *status == 400)
        .await;
    send_signed_event(&world, STRIPE, 2)
        .await
        .expect_accepted(STRIPE);
}
