//! The programs that the images call as health checks. They need only the address of the service.

use std::{
    process::{Output, Stdio},
    time::Duration,
};

use axum::{Router, http::StatusCode, routing::get};
use serde_json::{Value, json};
use tokio::{net::TcpListener, process::Command, time::Instant};
use url::Url;

use crate::{harness::Harness, status_report::start_database_proxy};
use devstack::ports;
use store::adhoc_query;

const WORKER: &str = env!("CARGO_BIN_EXE_worker-under-test");
const ORDERFLOW: &str = env!("CARGO_BIN_EXE_orderflow-under-test");

/// Runs the program with these settings as its only environment.
async fn run_check(program: &str, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(settings.iter().copied())
        .current_dir(folder.path());
    command.output().await.unwrap()
}

async fn check_worker(address: &str) -> (Option<i32>, String) {
    exit_code_and_stderr(
        &run_check(
            WORKER,
            &["health"],
            &[("ORDERFLOW_HEALTH_ADDRESS", address)],
        )
        .await,
    )
}

/// Returns exit code and error output. A healthy check prints nothing.
fn exit_code_and_stderr(output: &Output) -> (Option<i32>, String) {
    assert!(output.stdout.is_empty(), "{output:?}");
    (
        output.status.code(),
        String::from_utf8(output.stderr.clone()).unwrap(),
    )
}

fn healthy() -> (Option<i32>, String) {
    (Some(0), String::new())
}

#[tokio::test]
async fn running_worker_and_api_are_healthy() {
    let harness = Harness::start().await;
    let address = |name: &str| {
        let found = harness
            .environment
            .iter()
            .find(|(existing, _)| existing == name);
        found.unwrap().1.clone()
    };
    let at = address("ORDERFLOW_HEALTH_ADDRESS");
    assert_eq!(check_worker(&at).await, healthy());
    // A worker that listens on all addresses is checked on the loopback address, and never through
    // a proxy.
    let everywhere = at.replace("127.0.0.1", "0.0.0.0");
    let proxy = ("HTTP_PROXY", "http://127.0.0.1:9");
    let settings = [
        ("ORDERFLOW_HEALTH_ADDRESS", everywhere.as_str()),
        proxy,
        ("http_proxy", proxy.1),
    ];
    assert_eq!(
        exit_code_and_stderr(&run_check(WORKER, &["health"], &settings).await),
        healthy()
    );
    // In the image of compose.yaml the whole program runs the check.
    assert_eq!(
        exit_code_and_stderr(&run_check(ORDERFLOW, &["health", "worker"], &settings).await),
        healthy()
    );
    let http = address("ORDERFLOW_HTTP_ADDRESS");
    assert_eq!(
        exit_code_and_stderr(
            &run_check(
                ORDERFLOW,
                &["health", "api"],
                &[("ORDERFLOW_HTTP_ADDRESS", &http)]
            )
            .await
        ),
        healthy()
    );
    // The same check fails after the worker is gone.
    harness.worker.kill().await;
    assert_eq!(check_worker(&at).await.0, Some(1));
}

/// Returns the status code and the body of an endpoint of the worker; code 0 before it listens.
async fn get_worker_state(harness: &Harness, address: &str, path: &str) -> (u16, Value) {
    match harness
        .http
        .get(format!("http://{address}{path}"))
        .send()
        .await
    {
        Ok(response) => (response.status().as_u16(), response.json().await.unwrap()),
        Err(_) => (0, Value::Null),
    }
}

#[tokio::test]
async fn worker_without_privileges_is_not_ready() {
    let harness = Harness::start().await;
    let role = format!("unprivileged_{}", std::process::id());
    let run = async |script: String| {
        adhoc_query::run_script(&harness.pool, &script)
            .await
            .unwrap();
    };
    run(format!("create role {role} login password 'secret'")).await;
    let mut database = Url::parse(&harness.database_url).unwrap();
    database.set_username(&role).unwrap();
    database.set_password(Some("secret")).unwrap();
    let address = format!("127.0.0.1:{}", ports::free_port().unwrap());
    let mut worker = Command::new(WORKER)
        .envs(harness.environment.iter().cloned())
        .env("DATABASE_URL", database.as_str())
        .env("ORDERFLOW_HEALTH_ADDRESS", &address)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let not_ready = json!({"status": "not_ready", "database": "down", "temporal": "up"});
    for path in ["/health", "/ready"] {
        harness
            .wait_until(
                "an unready worker",
                async || get_worker_state(&harness, &address, path).await,
                |state| *state == (503, not_ready.clone()),
            )
            .await;
    }
    let (code, stderr) = check_worker(&address).await;
    assert!(
        code == Some(1) && stderr.contains("503"),
        "{code:?} {stderr}"
    );

    // The privileges are the only obstacle.
    run(format!("grant select on orders to {role}")).await;
    harness
        .wait_until(
            "a ready worker",
            async || check_worker(&address).await,
            |checked| *checked == healthy(),
        )
        .await;
    worker.kill().await.unwrap();
    run(format!("drop owned by {role}; drop role {role}")).await;
}

#[tokio::test]
async fn outage_does_not_make_a_worker_unhealthy() {
    let harness = Harness::start().await;
    let (database, cut_database) = start_database_proxy(&harness.database_url).await;
    let address = format!("127.0.0.1:{}", ports::free_port().unwrap());
    let settings = [
        ("DATABASE_URL", database.as_str()),
        ("ORDERFLOW_HEALTH_ADDRESS", &address),
    ];
    let _worker = harness.start_another_worker("cut", &settings).await;
    let state = async || get_worker_state(&harness, &address, "/health").await;
    let up = json!({"status": "up", "database": "up", "temporal": "up"});
    assert_eq!(state().await, (200, up));
    cut_database.abort();
    let cut = json!({"status": "up", "database": "down", "temporal": "up"});
    harness
        .wait_until("an outage", state, |state| state.1["database"] == "down")
        .await;
    assert_eq!(state().await, (200, cut.clone()));
    // An outage of minutes would make it unready.
    assert_eq!(
        get_worker_state(&harness, &address, "/ready").await,
        (200, cut)
    );
    assert_eq!(check_worker(&address).await, healthy());
}

#[tokio::test]
async fn failed_health_check_names_the_address() {
    let closed_port = format!("127.0.0.1:{}", ports::free_port().unwrap());
    let (code, stderr) = check_worker(&closed_port).await;
    assert_eq!((code, stderr.lines().count()), (Some(1), 1), "{stderr}");
    assert!(
        stderr.contains(&closed_port) && stderr.contains("refused"),
        "{stderr}"
    );

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let unhealthy = listener.local_addr().unwrap().to_string();
    let app = Router::new().route("/health", get(|| async { StatusCode::SERVICE_UNAVAILABLE }));
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let (code, stderr) = check_worker(&unhealthy).await;
    assert_eq!(
        (code, stderr.trim()),
        (
            Some(1),
            &*format!("http://{unhealthy}/health answers 503 Service Unavailable")
        )
    );
    server.abort();
}

/// Docker kills a health check after 5 s, and the reason would not be printed.
#[tokio::test]
async fn silent_worker_fails_health_check_in_time() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let began = Instant::now();
    let (code, stderr) = check_worker(&address).await;
    assert!(code == Some(1) && stderr.contains(&address), "{stderr}");
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn health_check_without_address_names_the_setting() {
    for settings in [
        &[][..],
        &[("ORDERFLOW_HEALTH_ADDRESS", "")],
        &[("ORDERFLOW_HEALTH_ADDRESS", "here")],
    ] {
        let (code, stderr) = exit_code_and_stderr(&run_check(WORKER, &["health"], settings).await);
        assert!(
            code == Some(1) && stderr.contains("ORDERFLOW_HEALTH_ADDRESS"),
            "{settings:?}: {stderr}"
        );
    }
}

#[tokio::test]
async fn worker_rejects_unknown_arguments() {
    for arguments in [&["fly"][..], &["health", "now"], &["--help"], &[""]] {
        let (code, stderr) = exit_code_and_stderr(&run_check(WORKER, arguments, &[]).await);
        assert!(
            code == Some(2)
                && stderr.starts_with("usage: worker")
                && stderr.contains("worker health"),
            "{stderr}"
        );
    }
}
