//! Secrets in AWS Secrets Manager: loaded, refreshed, and kept during an outage. MiniStack
//! (<https://pypi.org/project/ministack>) replaces the service, behind a proxy that counts calls
//! and can reject them.

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

const VERSIONS: &str = include_str!("../../../tools/requirements/ministack.txt");
const STRIPE: WebhookProvider = WebhookProvider::Stripe;
const MOLLIE: WebhookProvider = WebhookProvider::Mollie;

struct CountingProxy {
    target: String,
    http: reqwest::Client,
    calls: AtomicUsize,
    is_unavailable: AtomicBool,
}

/// A Secrets Manager with one secret.
struct SecretsManager {
    url: String,
    arn: String,
    proxy: Arc<CountingProxy>,
    server: JoinHandle<()>,
    _process: Process,
    _folder: tempfile::TempDir,
}

impl Drop for SecretsManager {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl SecretsManager {
    async fn start(text: &str) -> Option<Self> {
        static PYTHON: OnceCell<Option<PathBuf>> = OnceCell::const_new();
        let install = || {
            install_python(
                "ministack",
                VERSIONS,
                "the AWS Secrets Manager tests need python3 with venv",
            )
        };
        let python = PYTHON.get_or_init(install).await.as_ref()?;
        // This also installs the TLS provider that an HTTP client needs.
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
        let proxy = Arc::new(CountingProxy {
            target: format!("http://{address}"),
            http: reqwest::Client::new(),
            calls: AtomicUsize::new(0),
            is_unavailable: AtomicBool::new(false),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let service = Router::new()
            .fallback(forward)
            .with_state(Arc::clone(&proxy));
        let server = tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        let made = call_secrets_manager(
            &proxy,
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
            proxy,
            server,
            _process: process,
            _folder: folder,
        })
    }

    async fn put_secret(&self, text: &str) {
        let put = call_secrets_manager(
            &self.proxy,
            "PutSecretValue",
            json!({"SecretId": self.arn, "SecretString": text}),
        )
        .await;
        assert_eq!(put["ARN"], self.arn.as_str(), "{put}");
    }

    /// Starts a harness whose API reads the secret.
    async fn start_harness(&self, more: &[(&str, &str)]) -> Harness {
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

    fn call_count(&self) -> usize {
        self.proxy.calls.load(Ordering::Relaxed)
    }

    fn set_unavailable(&self, is_unavailable: bool) {
        self.proxy
            .is_unavailable
            .store(is_unavailable, Ordering::Relaxed);
    }
}

/// Sends a request of the test itself; MiniStack does not check signatures.
async fn call_secrets_manager(proxy: &CountingProxy, action: &str, body: Value) -> Value {
    let authorization = "AWS4-HMAC-SHA256 Credential=test/20261121/eu-central-1/secretsmanager/aws4_request, \
        SignedHeaders=host, Signature=0";
    let request = proxy
        .http
        .post(&proxy.target)
        .header("x-amz-target", format!("secretsmanager.{action}"));
    let request = request
        .header("content-type", "application/x-amz-json-1.1")
        .header("authorization", authorization);
    let response = request
        .body(body.to_string())
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    serde_json::from_str(&response).unwrap_or(Value::String(response))
}

async fn forward(State(proxy): State<Arc<CountingProxy>>, request: Request) -> (StatusCode, Bytes) {
    proxy.calls.fetch_add(1, Ordering::Relaxed);
    if proxy.is_unavailable.load(Ordering::Relaxed) {
        return (StatusCode::INTERNAL_SERVER_ERROR, Bytes::from("{}"));
    }
    let (parts, body) = request.into_parts();
    let signed = parts.headers["authorization"].to_str().unwrap();
    assert!(
        signed.contains("/eu-central-1/secretsmanager/aws4_request")
            && parts.headers.contains_key("x-amz-security-token")
    );
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let response = proxy
        .http
        .post(&proxy.target)
        .headers(parts.headers)
        .body(body)
        .send()
        .await
        .unwrap();
    (response.status(), response.bytes().await.unwrap())
}

#[tokio::test]
async fn changed_secret_applies_immediately_with_limited_refreshes() {
    let Some(manager) = SecretsManager::start(&secret_lines(&[1])).await else {
        return;
    };
    let harness = manager.start_harness(&[("SECRETS_REFRESH", "1h")]).await;
    assert_eq!(manager.call_count(), 0);
    send_signed_event(&harness, STRIPE, 1)
        .await
        .expect_accepted(STRIPE);
    send_signed_event(&harness, MOLLIE, 1)
        .await
        .expect_accepted(MOLLIE);
    assert_eq!(
        manager.call_count(),
        1,
        "the secret is read once and cached"
    );

    // The provider signs with the new secret immediately; a rejected event triggers a refresh.
    manager.put_secret(&secret_lines(&[2])).await;
    let began = Instant::now();
    let response = async || send_signed_event(&harness, STRIPE, 2).await.status.as_u16();
    harness
        .wait_until("the new secret", response, |status| *status == 200)
        .await;
    assert!(
        began.elapsed() < Duration::from_secs(60),
        "the refresh interval of one hour is not the reason"
    );
    send_signed_event(&harness, STRIPE, 1)
        .await
        .expect_rejected(STRIPE, "signature");
    send_signed_event(&harness, MOLLIE, 2)
        .await
        .expect_accepted(MOLLIE);
    // This holds for any number of events in the meantime.
    let looks = 2 + began.elapsed().as_secs() / 10;
    assert!(
        manager.call_count() as u64 <= looks,
        "{} calls in {:?}",
        manager.call_count(),
        began.elapsed()
    );

    let (began, before) = (Instant::now(), manager.call_count());
    for _ in 0..200 {
        send_signed_event(&harness, MOLLIE, 9)
            .await
            .expect_rejected(MOLLIE, "signature");
    }
    let looks = 1 + began.elapsed().as_secs() / 10;
    assert!(
        (manager.call_count() - before) as u64 <= looks,
        "{} calls in {:?}",
        manager.call_count() - before,
        began.elapsed()
    );

    // An invalid secret is ignored and logged once.
    manager.put_secret("marked: no line").await;
    let warnings = async || {
        send_signed_event(&harness, MOLLIE, 9)
            .await
            .expect_rejected(MOLLIE, "signature");
        harness
            .read_log("api")
            .matches("the previous secret stays in use")
            .count()
    };
    harness
        .wait_until("the log line about the invalid secret", warnings, |count| {
            *count == 1
        })
        .await;
    send_signed_event(&harness, STRIPE, 2)
        .await
        .expect_accepted(STRIPE);
    assert!(
        !harness.read_log("api").contains("marked"),
        "a credential or the secret's text is in the log"
    );
}

#[tokio::test]
async fn cached_secrets_work_while_secrets_manager_is_unavailable() {
    let Some(manager) = SecretsManager::start(&secret_lines(&[1])).await else {
        return;
    };
    manager.set_unavailable(true);
    let harness = manager.start_harness(&[("SECRETS_REFRESH", "1s")]).await;
    // The API cannot verify an event yet, so the provider must repeat it.
    for _ in 0..3 {
        let response = send_signed_event(&harness, STRIPE, 1).await;
        assert_eq!(response.header("retry-after"), "5");
        response.expect_problem(503, "auth_unavailable");
    }
    manager.set_unavailable(false);
    let response = async || send_signed_event(&harness, STRIPE, 1).await.status.as_u16();
    harness
        .wait_until("the first secret", response, |status| *status == 200)
        .await;

    manager.set_unavailable(true);
    let before = manager.call_count();
    let failed = async || {
        send_signed_event(&harness, STRIPE, 1)
            .await
            .expect_accepted(STRIPE);
        send_signed_event(&harness, STRIPE, 2)
            .await
            .expect_rejected(STRIPE, "signature");
        manager.call_count() - before
    };
    harness
        .wait_until("a refresh that fails", failed, |count| *count >= 2)
        .await;
    assert!(
        harness
            .read_log("api")
            .contains("the secret cannot be read"),
        "the outage is not in the log"
    );

    // No rejected event triggers a refresh: the old secret ends by the periodic refresh alone.
    manager.set_unavailable(false);
    manager.put_secret(&secret_lines(&[2])).await;
    let response = async || send_signed_event(&harness, STRIPE, 1).await.status.as_u16();
    harness
        .wait_until("the end of the old secret", response, |status| {
            *status == 400
        })
        .await;
    send_signed_event(&harness, STRIPE, 2)
        .await
        .expect_accepted(STRIPE);
}
