//! A day in seconds: on Temporal's own test server, which skips to the next timer when nothing else is to do.
//!
//! It needs Java and Maven. Without them the test says so loudly and passes; `.ci/run` takes that as a failure.

use crate::{api::paid_order, shared::shared, world::World};
use devstack::{
    SEARCH_ATTRIBUTES,
    guard::{Guard, GuardOptions},
    ports,
};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};
use temporalio_client::{Connection, ConnectionOptions, tonic::IntoRequest};
use temporalio_common::protos::temporal::api::{
    enums::v1::IndexedValueType, operatorservice::v1::AddSearchAttributesRequest,
};
use url::Url;

/// `.ci/run` looks for this.
const SKIPPED: &str = "SKIPPED: the time-skipping test needs java and mvn";

fn has(program: &str) -> bool {
    Command::new(program).arg("-version").output().is_ok_and(|output| output.status.success())
}

/// The server's jars, from Maven Central, kept for the next time.
fn jars() -> PathBuf {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("temporal-test-server-1.38.0");
    if target.join("complete").exists() {
        return target;
    }
    eprintln!("fetching Temporal's test server from Maven Central");
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("time-skipping/pom.xml");
    let fetched = Command::new("mvn")
        .args(["--batch-mode", "--quiet", "-f"])
        .arg(project)
        .arg("dependency:copy-dependencies")
        .arg(format!("-DoutputDirectory={}", target.display()))
        .status();
    assert!(fetched.unwrap().success(), "mvn failed; see its words above");
    fs::write(target.join("complete"), "").unwrap();
    target
}

async fn server(folder: &Path) -> (Guard, String) {
    let port = ports::free_port().unwrap();
    let classes = format!("{}/*", jars().display());
    let main = "io.temporal.testserver.TestServer";
    let port_text = port.to_string();
    let command = ["java", "-XX:+UseSerialGC", "-cp", &classes, main, &port_text, "--enable-time-skipping"];
    let guard = Guard::spawn(&GuardOptions {
        name: "temporal-test-server".to_owned(),
        command: command.iter().map(Into::into).collect(),
        environment: Vec::new(),
        removed_environment: Vec::new(),
        log: folder.join("server.log"),
        user: None,
        stop_signal: "TERM",
        patience: Duration::from_secs(5),
        remove_folder: None,
    });
    let address = format!("127.0.0.1:{port}");
    let connection = connect(&address).await;
    // The server fails the task of a workflow that upserts what it does not know.
    for (name, kind) in SEARCH_ATTRIBUTES {
        let kind = if kind == "Int" { IndexedValueType::Int } else { IndexedValueType::Keyword };
        let attributes = [(name.to_owned(), kind as i32)].into();
        let request = AddSearchAttributesRequest { namespace: "default".to_owned(), search_attributes: attributes };
        connection.operator_service().add_search_attributes(request.into_request()).await.unwrap();
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
            Err(error) => assert!(started.elapsed() < Duration::from_secs(60), "no test server: {error}"),
        }
    }
}

#[tokio::test]
async fn an_order_that_nobody_pays_is_cancelled_after_24_hours() {
    if !has("java") || !has("mvn") {
        // Past the test harness's capture, so that it is seen.
        use std::io::Write;
        writeln!(std::io::stderr().lock(), "{SKIPPED}").unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (guard, address) = server(folder.path()).await;
    let database = shared().await.database("time_skipping").await;
    let world = World::on(&database, &address, &[("PAYMENT", "confirm")]).await;
    let id = world.post("/orders", paid_order()).await.started();
    let view = world.ended(&id).await;
    assert_eq!(view.status.as_str(), "cancelled");
    assert_eq!(view.cancellation_reason.as_deref(), Some("no payment within 1d"));
    let hours = (view.updated_at - view.created_at).num_hours();
    assert_eq!(hours, 24, "{view:?}");
    assert!(world.trail(&id).await.contains(&"payment_timed_out".to_owned()));
    world.verify().await;
    drop(world);
    guard.stop().await;
}
