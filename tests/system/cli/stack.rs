//! The local stack as `up` starts it, on free ports and in its own folder. The tests share one
//! stack.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Output,
    time::{Duration, Instant},
};

use chrono::Utc;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::{assert_matches_snapshot, format_session_entry, program};
use crate::harness::{Harness, MAX_WAIT};
use devstack::{Process, Readiness, guard::GuardOptions, ports};
use domain::{Currency, Money, OrderId, TransactionId, WebhookProvider};
use payment_webhooks::{
    Facts, Message, SQUARE_URL, SampleKind, Secrets, Signing, sample, secrets_variable,
};

struct Up {
    folder: PathBuf,
    ports: [String; 5],
    _process: Process,
}

static UP: OnceCell<Up> = OnceCell::const_new();

/// Creates a folder that the database's unprivileged user can enter.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn up_arguments(ports: &[String; 5]) -> Vec<String> {
    let flags = [
        "--http-port",
        "--temporal-port",
        "--ui-port",
        "--metrics-port",
        "--mail-port",
    ];
    ["up".to_owned()]
        .into_iter()
        .chain(
            flags
                .iter()
                .zip(ports)
                .flat_map(|(flag, port)| [(*flag).to_owned(), port.clone()]),
        )
        .collect()
}

fn free_ports() -> [String; 5] {
    [(); 5].map(|()| ports::free_port().unwrap().to_string())
}

/// Starts a stack under a guard, which stops the stack and removes its folder when this process
/// ends.
async fn in_foreground(folder: &Path, ports: &[String; 5], arguments: &[&str]) -> Process {
    let command = ["/bin/sh", "-c", "cd \"$0\" && exec \"$@\""]
        .map(Into::into)
        .into_iter();
    let command = command
        .chain([folder.into(), super::PROGRAM.into()])
        .chain(up_arguments(ports).into_iter().map(Into::into))
        .chain(arguments.iter().map(Into::into));
    let options = GuardOptions {
        name: "up".to_owned(),
        command: command.collect(),
        environment: [("REVIEW_THRESHOLD", "5000"), ("LOG_LEVEL", "info")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        removed_environment: [
            "DATABASE_URL",
            "ORDER_PROFILE",
            "DELIVERY",
            "TEMPORAL_ADDRESS",
        ]
        .map(str::to_owned)
        .to_vec(),
        log: folder.join("up.log"),
        user: None,
        stop_signal: "TERM",
        grace_period: Duration::from_secs(60),
        remove_folder: Some(folder.to_owned()),
    };
    let address = format!("127.0.0.1:{}", ports[0]);
    Process::start(
        options,
        Readiness::Http {
            address,
            path: "/health".to_owned(),
        },
        MAX_WAIT,
    )
    .await
    .unwrap()
}

/// Returns the stack that these tests share.
async fn up() -> &'static Up {
    UP.get_or_init(|| async {
        let folder = folder().keep();
        let ports = free_ports();
        let process = in_foreground(&folder, &ports, &[]).await;
        let up = Up {
            folder,
            ports,
            _process: process,
        };
        up.ready().await;
        up
    })
    .await
}

impl Up {
    /// Waits until the stack reports that all of its services are ready.
    async fn ready(&self) {
        let began = Instant::now();
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        while !self.run(&["env"]).await.status.success() {
            assert!(began.elapsed() < MAX_WAIT, "the stack is not ready");
            ticks.tick().await;
        }
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        run_in(&self.folder, arguments).await
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&Harness::expect_stdout(self.run(arguments).await)).unwrap()
    }
}

async fn run_in(folder: &Path, arguments: &[&str]) -> Output {
    program()
        .args(arguments)
        .current_dir(folder)
        .output()
        .await
        .unwrap()
}

#[tokio::test]
async fn ps_lists_running_services() {
    let up = up().await;
    let services = up.json(&["ps", "--json"]).await;
    for service in services.as_array().unwrap() {
        assert_eq!(service["state"], "running", "{service}");
        assert!(
            service["pid"].is_u64()
                && service["url"]
                    .as_str()
                    .is_some_and(|url| url.contains("127.0.0.1")),
            "{service}"
        );
    }
    let shown = Harness::expect_stdout(up.run(&["ps"]).await);
    for service in ["postgres", "temporal", "mail", "worker", "api"] {
        assert!(
            shown
                .lines()
                .any(|line| line.starts_with(service) && line.contains("running")),
            "{shown}"
        );
    }
    // Temporal has one address for its API and one for its UI.
    assert!(
        shown.contains(&format!("UI at http://127.0.0.1:{}", up.ports[2])),
        "{shown}"
    );
}

#[tokio::test]
async fn repeated_up_prints_the_addresses() {
    let up = up().await;
    let arguments = up_arguments(&up.ports);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let again = Harness::expect_stdout(up.run(&arguments).await);
    assert!(again.starts_with("the stack is already running"), "{again}");
    assert!(
        again.contains(&format!("http://127.0.0.1:{}", up.ports[0])),
        "{again}"
    );
    let json = up
        .json(&[&arguments[..], &["--detach", "--json"]].concat())
        .await;
    assert_eq!(
        json["http_url"],
        format!("http://127.0.0.1:{}", up.ports[0])
    );
    // The running stack keeps its options; the ignored ones are reported.
    let other = up
        .run(&[
            "up",
            "--profile",
            "approval",
            "--no-worker",
            "--http-port",
            "1",
            "--ui-port",
            &up.ports[2],
        ])
        .await;
    let message = String::from_utf8_lossy(&other.stderr).into_owned();
    assert_eq!(
        (other.status.code(), message.lines().count()),
        (Some(0), 1),
        "{message}"
    );
    let there = format!(
        "--http-port 1 (it uses {}), --profile approval (it uses production), --no-worker (it has a worker)",
        up.ports[0]
    );
    assert!(
        message.contains(&there)
            && message.contains("orderflow down")
            && !message.contains("--ui-port"),
        "{message}"
    );
    assert!(up.run(&arguments).await.stderr.is_empty());
}

#[tokio::test]
async fn env_has_all_settings_of_a_worker() {
    let up = up().await;
    let json = up.json(&["env", "--json"]).await;
    for (name, value) in [
        ("SAMPLE_CART", "on"),
        ("ALLOW_PROFILE_OVERRIDE", "on"),
        ("DELIVERY", "auto:2s"),
        ("DEFAULT_STOCK", "1000000"),
        ("ORDER_PROFILE", "production"),
        // The user's setting.
        ("REVIEW_THRESHOLD", "5000"),
        ("TEMPORAL_NAMESPACE", "default"),
    ] {
        assert_eq!(json[name], value, "{name} of {json}");
    }
    // Through a shell, as documented: another process finds every server by these settings.
    let script = format!(
        "eval \"$({} env)\" && cd / && {} check && echo \"$ORDERFLOW_URL\"",
        super::PROGRAM,
        super::PROGRAM
    );
    let shell = tokio::process::Command::new("/bin/sh")
        .args(["-c", &script])
        .current_dir(&up.folder)
        .output()
        .await
        .unwrap();
    let message = Harness::expect_stdout(shell);
    assert!(
        message
            .lines()
            .filter(|line| line.starts_with("ok"))
            .count()
            >= 7,
        "{message}"
    );
    assert!(
        message.ends_with(&format!("http://127.0.0.1:{}\n", up.ports[0])),
        "{message}"
    );
}

#[tokio::test]
async fn stack_accepts_events_signed_with_env_secrets() {
    let up = up().await;
    let env = up.json(&["env", "--json"]).await;
    let shown = |name: &str| {
        env[name]
            .as_str()
            .unwrap_or_else(|| panic!("no {name} in {env}"))
            .to_owned()
    };
    let square_url = shown(SQUARE_URL);
    assert_eq!(
        square_url,
        format!("http://127.0.0.1:{}/webhooks/square", up.ports[0])
    );
    let facts = Facts {
        order_id: &OrderId::parse("webhook-stack").unwrap(),
        amount: Money::from_minor(9_999, Currency::parse("USD").unwrap()).unwrap(),
        transaction_id: &TransactionId::parse("tx-webhook-stack").unwrap(),
        event_id: "evt-webhook-stack",
        now: Utc::now().timestamp(),
    };
    let signing = Signing {
        now: facts.now,
        message_id: "msg-webhook-stack",
        notification_url: Some(&square_url),
    };
    for provider in WebhookProvider::ALL {
        let secrets = Secrets::parse(*provider, &shown(&secrets_variable(*provider))).unwrap();
        let message = payment_webhooks::sign(
            &secrets,
            sample(*provider, SampleKind::Paid, &facts).unwrap(),
            &signing,
        )
        .unwrap();
        let mut request = reqwest::Client::new().post(format!(
            "http://127.0.0.1:{}/webhooks/{provider}",
            up.ports[0]
        ));
        for (name, value) in message.header_pairs() {
            request = request.header(name, value);
        }
        let answer = request.body(message.body.clone()).send().await.unwrap();
        assert!(answer.status().is_success(), "{provider}: {answer:?}");
    }
    // The command finds the secrets by itself.
    let send = [
        "webhook",
        "send",
        "adyen",
        "webhook-stack",
        "--amount",
        "99.99",
        "--currency",
        "USD",
        "--json",
    ];
    let sent = up.json(&send).await;
    assert_eq!(
        (&sent["status"], &sent["answer"]),
        (&200.into(), &"[accepted]".into()),
        "{sent}"
    );
    for file in ["webhooks.env", "state.json"] {
        let mode = fs::metadata(up.folder.join(".orderflow").join(file))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    // No log contains a secret.
    let logs = Harness::expect_stdout(up.run(&["logs", "--lines", "100000"]).await);
    for provider in WebhookProvider::ALL {
        assert!(
            !logs.contains(&shown(&secrets_variable(*provider))),
            "the secret of {provider} is in a log"
        );
    }
}

#[tokio::test]
async fn commands_find_the_stack_of_their_folder() {
    let up = up().await;
    let started = up
        .json(&["start-order", "--payment-id", "pmt-stack", "--json"])
        .await;
    let id = started["order_id"].as_str().unwrap();
    let result = up.json(&["result", id, "--wait", "--json"]).await;
    assert_eq!(result["status"], "delivered", "{result}");
    assert!(Harness::expect_stdout(up.run(&["db", "select id from orders"]).await).contains(id));
    assert!(Harness::expect_stdout(up.run(&["verify"]).await).starts_with("ok"));
    assert!(Harness::expect_stdout(up.run(&["describe", id]).await).contains("OrderWorkflow"));
}

#[tokio::test]
async fn logs_are_shown_by_service() {
    let up = up().await;
    let both = Harness::expect_stdout(up.run(&["logs", "--service", "app", "--lines", "50"]).await);
    assert!(
        both.contains("worker     | ") && both.contains("api        | "),
        "{both}"
    );
    let last = Harness::expect_stdout(up.run(&["logs", "--service", "worker", "-n", "1"]).await);
    assert_eq!(last.lines().count(), 1, "{last}");
    let json = Harness::expect_stdout(
        up.run(&["logs", "--service", "api", "-n", "1", "--json"])
            .await,
    );
    let line: Value = serde_json::from_str(json.trim()).unwrap();
    assert_eq!(line["service"], "api", "{line}");
    // Other servers may write colours; a pipe receives none.
    for arguments in [
        &["logs", "--lines", "1000"][..],
        &["logs", "--lines", "1000", "--json"],
    ] {
        let all = Harness::expect_stdout(up.run(arguments).await);
        assert!(!all.contains('\u{1b}') && !all.contains("\\u001b"), "{all}");
    }
    assert_matches_snapshot(
        "logs_unknown_service",
        &format_session_entry(
            &["logs", "--service", "mainframe"],
            &up.run(&["logs", "--service", "mainframe"]).await,
        ),
    );
}

#[tokio::test]
async fn stack_without_worker_uses_the_users_worker() {
    let (folder, ports) = (folder().keep(), free_ports());
    let process = in_foreground(&folder, &ports, &["--no-worker"]).await;
    let up = Up {
        folder,
        ports,
        _process: process,
    };
    up.ready().await;
    let services = up.json(&["ps", "--json"]).await;
    let worker = services
        .as_array()
        .unwrap()
        .iter()
        .find(|line| line["service"] == "worker")
        .unwrap();
    assert_eq!(
        (&worker["state"], &worker["url"], &worker["pid"]),
        (&"external".into(), &"".into(), &Value::Null)
    );
    let refused = up.run(&["restart", "worker"]).await;
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        refused.status.code() == Some(1) && message.contains("started without a worker"),
        "{message}"
    );
    Harness::expect_stdout(up.run(&["restart", "app"]).await);
    // A worker of the user, with the settings of `env` only.
    let env = up.json(&["env", "--json"]).await;
    assert_eq!(env.get("ORDERFLOW_WORKER_METRICS_URL"), None);
    let settings = env.as_object().unwrap().iter();
    let settings = settings.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
    let address = format!("127.0.0.1:{}", ports::free_port().unwrap());
    let options = GuardOptions {
        name: "worker".to_owned(),
        command: vec![env!("CARGO_BIN_EXE_worker-under-test").into()],
        environment: settings
            .chain([("ORDERFLOW_HEALTH_ADDRESS".to_owned(), address.clone())])
            .collect(),
        removed_environment: Vec::new(),
        log: up.folder.join("own-worker.log"),
        user: None,
        stop_signal: "TERM",
        grace_period: Duration::from_secs(15),
        remove_folder: None,
    };
    let ready = Readiness::Http {
        address,
        path: "/health".to_owned(),
    };
    let own = Process::start(options, ready, MAX_WAIT).await.unwrap();
    Harness::expect_stdout(
        up.run(&["start-order", "own-worker", "pmt-own-worker"])
            .await,
    );
    let result = up.json(&["result", "own-worker", "--wait", "--json"]).await;
    assert_eq!(result["status"], "delivered", "{result}");
    assert!(Harness::expect_stdout(up.run(&["verify"]).await).starts_with("ok"));
    own.stop().await;
}

#[tokio::test]
async fn detached_stack_survives_restarts_until_reset() {
    let folder = folder();
    let ports = free_ports();
    let arguments = up_arguments(&ports);
    let alias: Vec<&str> = ["start"]
        .into_iter()
        .chain(arguments[1..].iter().map(String::as_str))
        .chain(["--detach"])
        .collect();
    let run = async |arguments: &[&str]| run_in(folder.path(), arguments).await;
    let mut session = String::new();
    for arguments in [
        &["ps"][..],
        &["ps", "--json"],
        &["env"],
        &["logs"],
        &["restart", "worker"],
        &["down"],
        &["reset"],
    ] {
        session += &format_session_entry(arguments, &run(arguments).await);
    }
    assert_matches_snapshot("without_a_stack", &session);
    // `.env` in the working folder is read.
    fs::write(
        folder.path().join(".env"),
        "ORDER_PROFILE=approval\nWEBHOOK_SECRETS_MOLLIE=my-own-secret\n",
    )
    .unwrap();
    let ready = Harness::expect_stdout(run(&alias).await);
    assert!(ready.starts_with("the stack is ready"), "{ready}");
    let started = Harness::expect_stdout(run(&["start-order", "mine", "pmt-mine", "--json"]).await);
    let env = Harness::expect_stdout(run(&["env"]).await);
    assert!(env.contains("export ORDER_PROFILE='approval'"), "{env}");
    // The user's own secret is used and not printed.
    assert!(
        env.contains("export WEBHOOK_SECRETS_STRIPE='whsec_")
            && !env.contains("WEBHOOK_SECRETS_MOLLIE"),
        "{env}"
    );
    let mollie = async |secret: &str| {
        let secrets = Secrets::new(WebhookProvider::Mollie, [secret]).unwrap();
        let signing = Signing {
            now: 0,
            message_id: "-",
            notification_url: None,
        };
        let event = r#"{"resource": "event", "id": "event_of_my_own", "type": "profile.verified"}"#;
        let message = payment_webhooks::sign(&secrets, Message::new(event), &signing).unwrap();
        let (_, signature) = message.header_pairs()[0];
        let url = format!("http://127.0.0.1:{}/webhooks/mollie", ports[0]);
        let request = reqwest::Client::new()
            .post(url)
            .header("x-mollie-signature", signature)
            .body(event);
        request.send().await.unwrap().status().as_u16()
    };
    let kept = fs::read_to_string(folder.path().join(".orderflow/webhooks.env")).unwrap();
    let made_up = kept
        .lines()
        .find_map(|line| line.strip_prefix("WEBHOOK_SECRETS_MOLLIE="))
        .unwrap();
    assert_eq!(
        (mollie("my-own-secret").await, mollie(made_up).await),
        (200, 400)
    );
    let pid = async |service: &str| {
        let services: Value =
            serde_json::from_str(&Harness::expect_stdout(run(&["ps", "--json"]).await)).unwrap();
        services
            .as_array()
            .unwrap()
            .iter()
            .find(|line| line["service"] == service)
            .unwrap()["pid"]
            .clone()
    };
    let (worker, api) = (pid("worker").await, pid("api").await);
    Harness::expect_stdout(run(&["restart", "worker"]).await);
    assert!(pid("worker").await != worker && pid("api").await == api);
    assert_eq!(run(&["restart", "mainframe"]).await.status.code(), Some(2));
    Harness::expect_stdout(run(&["approve", "mine"]).await);
    Harness::expect_stdout(run(&["result", "mine", "--wait"]).await);
    // A stop keeps the data, a reset deletes it.
    Harness::expect_stdout(run(&["stop"]).await);
    assert!(
        tokio::net::TcpStream::connect(format!("127.0.0.1:{}", ports[0]))
            .await
            .is_err()
    );
    Harness::expect_stdout(run(&alias).await);
    assert!(
        Harness::expect_stdout(run(&["show", "mine"]).await).contains("mine"),
        "{started}"
    );
    let secrets = |env: &str| {
        env.lines()
            .filter(|line| line.contains("WEBHOOK_"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        secrets(&Harness::expect_stdout(run(&["env"]).await)),
        secrets(&env),
        "the secrets changed after a restart"
    );
    Harness::expect_stdout(run(&["reset", "--yes"]).await);
    assert!(!folder.path().join(".orderflow").exists());
}
