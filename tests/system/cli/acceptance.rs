//! The demo, the acceptance scenarios, the load generator and the chaos run.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::program;
use crate::harness::Harness;

/// The README's first command must succeed and leave no process and no file.
#[tokio::test]
async fn demo_shows_both_orders_and_leaves_nothing() {
    for arguments in [&["demo"][..], &["demo", "--fast"]] {
        let folder = tempfile::tempdir().unwrap();
        let output = program()
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .await
            .unwrap();
        let shown = Harness::expect_stdout(output);
        for part in [
            "order_delivered",
            "→ delivered, payment captured",
            "payment_refunded",
            "→ cancelled, payment refunded",
        ] {
            assert!(shown.contains(part), "{part} is not in {shown}");
        }
        for url in shown.lines().filter_map(|line| {
            line.split_once("http://")
                .map(|(_, address)| address.trim())
        }) {
            assert!(
                tokio::net::TcpStream::connect(url).await.is_err(),
                "something still listens at {url}"
            );
        }
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            0,
            "the demo left files behind"
        );
    }
}

#[tokio::test]
async fn acceptance_scenarios_pass() {
    let harness = Harness::start().await;
    let output = harness.run_orderflow(&["test-workflow", "--json"]).await;
    let lines: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    for line in &lines {
        assert_eq!(line["outcome"], "passed", "{line}");
    }
    assert!(output.status.success(), "{output:?}");
    let names: Vec<_> = lines.iter().map(|line| &line["scenario"]).collect();
    assert_eq!(names.len(), 22, "{names:?}");
    for name in [
        "happy path",
        "return of units",
        "rejected and cancelled returns",
        "fewer units",
        "stock of an item",
        "webhook endpoint",
        "search and table",
        "statistics",
        "refused payment in the work list",
        "bad input",
    ] {
        assert!(names.contains(&&json!(name)), "{name}: {names:?}");
    }
    harness.assert_invariants().await;
}

#[tokio::test]
async fn scenarios_a_deployment_forbids_are_skipped() {
    // The settings of the SAM template: deliveries are confirmed, a request cannot set a profile,
    // and a SKU must be in stock.
    let strict = [
        ("ALLOW_PROFILE_OVERRIDE", "off"),
        ("DELIVERY", "confirm"),
        ("DEFAULT_STOCK", "0"),
    ];
    let harness = Harness::start_with(&strict).await;
    Harness::expect_stdout(
        harness
            .run_orderflow(&["stock", "set", "ABC123", "100"])
            .await,
    );
    let shown = Harness::expect_stdout(
        program()
            .args(["test-workflow", "--url", &harness.url])
            .output()
            .await
            .unwrap(),
    );
    let outcome = |name: &str| {
        shown
            .lines()
            .find(|line| line.contains(name))
            .unwrap_or_else(|| panic!("{shown}"))
    };
    assert!(
        outcome("happy path").starts_with("ok") && outcome("bad input").starts_with("ok"),
        "{shown}"
    );
    for name in [
        "rejected and cancelled returns",
        "stock of an item",
        "webhook endpoint",
        "search and table",
        "statistics",
    ] {
        assert!(outcome(name).starts_with("ok"), "{name}: {shown}");
    }
    assert!(outcome("approval").starts_with("skipped"), "{shown}");
    assert!(
        outcome("approval").contains("ALLOW_PROFILE_OVERRIDE"),
        "{shown}"
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn scenarios_fail_when_orders_end_wrongly() {
    // Every order is reviewed and the review times out, so an order that should be charged is
    // cancelled.
    let broken = [
        ("REVIEW", "approval"),
        ("MANUAL_REVIEW_TIMEOUT", "1s"),
        ("REVIEW_ON_TIMEOUT", "cancel"),
        ("REVIEW_THRESHOLD", "0.01"),
    ];
    let harness = Harness::start_with(&broken).await;
    let output = harness.run_orderflow(&["test-workflow"]).await;
    let (shown, message) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(1), "{shown}");
    assert!(
        shown.contains("FAILED") && message.contains("orderflow check"),
        "{shown}{message}"
    );
}

#[tokio::test]
async fn load_measures_and_checks_every_order() {
    let harness = Harness::start().await;
    let report = harness
        .run_json(&["load", "--orders", "12", "--concurrency", "4", "--json"])
        .await;
    assert_eq!(
        (&report["started"], &report["ended_right"]),
        (&12.into(), &12.into()),
        "{report}"
    );
    assert!(
        report["start_latency"]["p99_ms"]
            .as_u64()
            .is_some_and(|time| time > 0),
        "{report}"
    );
    assert!(
        report["orders_per_second"]
            .as_f64()
            .is_some_and(|rate| rate > 0.0),
        "{report}"
    );
    harness.assert_invariants().await;
    // Nothing is in stock, so every order ends with a failure.
    Harness::expect_stdout(
        harness
            .run_orderflow(&["stock", "set", "ABC123", "0"])
            .await,
    );
    let failed = harness.run_orderflow(&["load", "--orders", "2"]).await;
    assert_eq!(failed.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&failed.stdout).starts_with("FAILED  0 of 2"),
        "{failed:?}"
    );
    assert!(
        String::from_utf8_lossy(&failed.stderr).contains("ended failed with payment none"),
        "{failed:?}"
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn status_is_watched_until_the_end() {
    let harness = Harness::start_with(&[("DELIVERY", "confirm")]).await;
    harness
        .run_json(&["start-order", "watched", "pmt-watched", "--json"])
        .await;
    let began = Instant::now();
    let mut watch = harness.command();
    let watch = watch
        .args(["status", "watched", "--watch", "--json"])
        .stdout(std::process::Stdio::piped());
    let watch = watch.spawn().unwrap();
    harness.wait_for_status("watched", "shipped").await;
    Harness::expect_stdout(
        harness
            .run_orderflow(&["confirm-delivery", "watched"])
            .await,
    );
    let seen = Harness::expect_stdout(watch.wait_with_output().await.unwrap());
    let last: Value = serde_json::from_str(seen.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["status"], &last["is_running"]),
        (&"delivered".into(), &false.into()),
        "{seen}"
    );
    assert!(began.elapsed() < Duration::from_secs(240));
}

/// A smaller run than `orderflow chaos` makes by itself, because other tests use the same processors.
#[tokio::test]
async fn orders_end_right_under_kills_and_freezes() {
    const ORDERS: u64 = 100;
    let folder = tempfile::tempdir().unwrap();
    let output = program()
        .args(["chaos", "--orders", &ORDERS.to_string()])
        .args(["--seconds", "40", "--seed", "7", "--json"])
        .current_dir(folder.path())
        .output()
        .await
        .unwrap();
    let report: Value = serde_json::from_str(&Harness::expect_stdout(output)).unwrap();
    assert_eq!(report["wrong"], json!([]), "{report}");
    let count = |name: &str| report[name].as_u64().unwrap();
    assert_eq!(count("delivered") + count("cancelled"), ORDERS, "{report}");
    assert!(count("cancelled") > 5, "{report}");
    let faults = report["faults"].as_array().unwrap();
    for service in ["worker", "api", "temporal", "postgres"] {
        let is_met = faults.iter().any(|fault| fault["service"] == service);
        assert!(is_met, "{service}: {report}");
    }
}
