//! A day in seconds: Temporal's test server skips to the next timer when no other work remains.
//!
//! The server needs Java and Maven. Without them the test prints a message and passes; `.ci/run`
//! reports that message as a failure.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use serde_json::json;
use temporalio_client::{Connection, ConnectionOptions, tonic::IntoRequest};
use temporalio_common::protos::temporal::api::{
    enums::v1::IndexedValueType, operatorservice::v1::AddSearchAttributesRequest,
};
use url::Url;

use crate::{
    api::{order_with_payment, sample_order},
    carriers::{accepted, bridge_settings, start_scripted},
    harness::Harness,
    shared_servers::shared_servers,
};
use devstack::{
    guard::{Guard, GuardOptions},
    ports,
};
use domain::{SEARCH_ATTRIBUTES, SearchAttributeType};
use store::simulator::{Fault, add_fault};

/// `.ci/run` searches for this text.
const SKIPPED: &str = "SKIPPED: the time-skipping test needs java and mvn";

fn can_run(program: &str) -> bool {
    Command::new(program)
        .arg("-version")
        .output()
        .is_ok_and(|output| output.status.success())
}

/// Returns the folder of the server's jars. The first call downloads them from Maven Central.
fn install_server() -> PathBuf {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("temporal-test-server-1.38.0");
    if target.join("complete").exists() {
        return target;
    }
    eprintln!("downloading Temporal's test server from Maven Central");
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("time-skipping/pom.xml");
    let fetched = Command::new("mvn")
        .args(["--batch-mode", "--quiet", "-f"])
        .arg(project)
        .arg("dependency:copy-dependencies")
        .arg(format!("-DoutputDirectory={}", target.display()))
        .status();
    assert!(
        fetched.unwrap().success(),
        "mvn failed; its output is above"
    );
    fs::write(target.join("complete"), "").unwrap();
    target
}

async fn start_server(folder: &Path) -> (Guard, String) {
    let port = ports::free_port().unwrap();
    let classes = format!("{}/*", install_server().display());
    let main = "io.temporal.testserver.TestServer";
    let port_text = port.to_string();
    let command = [
        "java",
        "-XX:+UseSerialGC",
        "-cp",
        &classes,
        main,
        &port_text,
        "--enable-time-skipping",
    ];
    let guard = Guard::spawn(&GuardOptions {
        name: "temporal-test-server".to_owned(),
        command: command.iter().map(Into::into).collect(),
        environment: Vec::new(),
        removed_environment: Vec::new(),
        log: folder.join("server.log"),
        user: None,
        stop_signal: "TERM",
        grace_period: Duration::from_secs(5),
        remove_folder: None,
    });
    let address = format!("127.0.0.1:{port}");
    let connection = connect(&address).await;
    // The server fails a workflow task that upserts an unknown search attribute.
    for (name, kind) in SEARCH_ATTRIBUTES {
        let kind = match kind {
            SearchAttributeType::Int => IndexedValueType::Int,
            SearchAttributeType::Keyword => IndexedValueType::Keyword,
        };
        let attributes = [(name.to_owned(), kind as i32)].into();
        let request = AddSearchAttributesRequest {
            namespace: "default".to_owned(),
            search_attributes: attributes,
        };
        connection
            .operator_service()
            .add_search_attributes(request.into_request())
            .await
            .unwrap();
    }
    (guard.unwrap(), address)
}

async fn connect(address: &str) -> Connection {
    let url = Url::parse(&format!("http://{address}")).unwrap();
    let started = Instant::now();
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    loop {
        tick.tick().await;
        match Connection::connect(ConnectionOptions::new(url.clone()).build()).await {
            Ok(connection) => return connection,
            Err(error) => assert!(
                started.elapsed() < Duration::from_secs(60),
                "the test server does not answer: {error}"
            ),
        }
    }
}

/// Starts an order of this profile that runs into one of its timeouts.
async fn start_order(
    harness: &Harness,
    id: &str,
    profile: &str,
    price: &str,
    payment_id: Option<&str>,
) {
    let mut order = payment_id.map_or_else(sample_order, order_with_payment);
    order["profile"] = json!(profile);
    order["items"][0]["unit_price"] = json!(price);
    harness
        .post(&format!("/orders/{id}/start"), order)
        .await
        .expect_status(202);
}

/// Returns the order's status, reason and duration in seconds.
async fn wait_for_outcome(harness: &Harness, id: &str) -> (String, Option<String>, i64) {
    let view = harness.wait_for_end(id).await;
    let why = view
        .cancellation_reason
        .or(view.failure.map(|failure| failure.code.to_string()));
    (
        view.status.to_string(),
        why,
        (view.updated_at - view.created_at).num_seconds(),
    )
}

const HOUR: i64 = 3_600;

#[tokio::test]
async fn each_profile_ends_by_its_timeouts() {
    if !can_run("java") || !can_run("mvn") {
        // Written directly to stderr, so that the test harness does not capture the message.
        use std::io::Write;
        writeln!(std::io::stderr().lock(), "{SKIPPED}").unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (guard, address) = start_server(folder.path()).await;
    let database = shared_servers()
        .await
        .create_database("time_skipping")
        .await;
    let harness = Harness::start_on(&database, &address, &[("DELIVERY", "")]).await;

    // The orders are not paid.
    for profile in ["production", "checkout"] {
        let id = format!("unpaid-{profile}");
        let mut order = sample_order();
        order["profile"] = json!(profile);
        let id = harness
            .post_with_headers("/orders", order, &[("idempotency-key", &id)])
            .await
            .expect_started();
        let (status, why, seconds) = wait_for_outcome(&harness, &id).await;
        assert_eq!(
            (status.as_str(), why.as_deref()),
            ("cancelled", Some("no payment within 1d")),
            "{profile}"
        );
        assert_eq!(seconds / HOUR, 24, "{profile}");
        assert!(
            harness
                .audit_event_types(&id)
                .await
                .contains(&"payment_timed_out".to_owned())
        );
    }

    // An order that needs a review gets none: production and approval cancel it, quick continues
    // it.
    start_order(
        &harness,
        "production-dear",
        "production",
        "10000",
        Some("pmt-dear"),
    )
    .await;
    let (status, why, seconds) = wait_for_outcome(&harness, "production-dear").await;
    assert_eq!(
        (status.as_str(), why.as_deref()),
        ("cancelled", Some("the review was not completed in time"))
    );
    assert_eq!(seconds / HOUR, 24);
    start_order(&harness, "approval", "approval", "5", None).await;
    let (status, why, seconds) = wait_for_outcome(&harness, "approval").await;
    assert_eq!(
        (status.as_str(), why.as_deref()),
        ("cancelled", Some("the review was not completed in time"))
    );
    assert!((30..60).contains(&seconds), "{seconds}");
    start_order(&harness, "quick", "quick", "5", None).await;
    let (status, _, seconds) = wait_for_outcome(&harness, "quick").await;
    assert_eq!(status, "shipped");
    assert!(seconds >= 8, "{seconds}");

    // The payment provider is unavailable: quick and approval have a deadline, other profiles retry
    // for ten minutes. A retry that could end too late is not made, so the wait can be half a
    // minute shorter.
    for (id, profile, code, seconds) in [
        ("quick-late", "quick", "deadline_passed", 15..30),
        (
            "lifecycle-late",
            "lifecycle",
            "payment_unavailable",
            570..610,
        ),
    ] {
        add_fault(&harness.pool, "charge", id, Fault::Fail, 1_000)
            .await
            .unwrap();
        start_order(&harness, id, profile, "5", None).await;
        let (status, why, took) = wait_for_outcome(&harness, id).await;
        assert_eq!(
            (status.as_str(), why.as_deref()),
            ("failed", Some(code)),
            "{profile}"
        );
        assert!(seconds.contains(&took), "{profile}: {took}");
    }

    // The carrier does not report the delivery.
    start_order(
        &harness,
        "unconfirmed",
        "production",
        "5",
        Some("pmt-unconfirmed"),
    )
    .await;
    let (status, _, seconds) = wait_for_outcome(&harness, "unconfirmed").await;
    assert_eq!((status.as_str(), seconds / HOUR / 24), ("delivered", 14));
    harness.assert_invariants().await;
    drop(harness);

    // Without its review, approval has only its deadline of one minute.
    let database = shared_servers()
        .await
        .create_database("time_skipping_deadline")
        .await;
    let harness = Harness::start_on(
        &database,
        &address,
        &[("ORDER_PROFILE", "approval"), ("REVIEW", "none")],
    )
    .await;
    add_fault(&harness.pool, "charge", "approval-late", Fault::Fail, 1_000)
        .await
        .unwrap();
    harness
        .post("/orders/approval-late/start", sample_order())
        .await
        .expect_status(202);
    let (status, why, seconds) = wait_for_outcome(&harness, "approval-late").await;
    assert_eq!(
        (status.as_str(), why.as_deref()),
        ("failed", Some("deadline_passed"))
    );
    assert!((60..120).contains(&seconds), "{seconds}");
    harness.assert_invariants().await;
    drop(harness);

    // The carrier is asked about the delivery, and never answers.
    let database = shared_servers()
        .await
        .create_database("time_skipping_carrier")
        .await;
    let answers = [accepted("TN-1"), (503, json!({"code": "carrier_down"}))];
    let (bridge, bridge_address) = start_scripted(&answers).await;
    let [url, secret] = bridge_settings(&bridge_address);
    let settings = [url, secret, ("DELIVERY", "confirm")];
    let harness = Harness::start_on(&database, &address, &settings).await;
    let id = "unanswered";
    start_order(&harness, id, "production", "5", Some("pmt-unanswered")).await;
    let (status, _, seconds) = wait_for_outcome(&harness, id).await;
    assert_eq!((status.as_str(), seconds / HOUR / 24), ("delivered", 14));
    let log = harness.get(&format!("/orders/{id}/events")).await.body;
    let last = log["events"].as_array().unwrap().last().unwrap();
    assert_eq!(last["payload"]["basis"], "not_confirmed_in_time", "{log}");
    assert!(bridge.questions() > 1, "{:?}", bridge.calls());
    harness.assert_invariants().await;
    drop(harness);
    guard.stop().await;
}
