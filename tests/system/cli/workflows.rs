//! `describe` and `history`, and `temporal` itself.

use super::{assert_matches_snapshot, program};
use crate::harness::Harness;

#[tokio::test]
async fn workflow_is_described_by_either_id() {
    let harness = Harness::start().await;
    harness
        .run_json(&["start-order", "cli-history", "pmt-history", "--json"])
        .await;
    harness.wait_for_end("cli-history").await;
    let look = async || {
        harness
            .run_json(&["describe", "order-cli-history", "--json"])
            .await
    };
    let by_workflow = harness
        .wait_until("the close", look, |found| found["status"] == "Completed")
        .await;
    assert_eq!(
        harness
            .run_json(&["describe", "cli-history", "--json"])
            .await,
        by_workflow
    );
    assert_eq!(
        by_workflow["search_attributes"]["OrderStatus"], "delivered",
        "{by_workflow}"
    );
    let shown = Harness::expect_stdout(
        harness
            .run_orderflow(&["describe", "shipping-cli-history-1"])
            .await,
    );
    for part in ["ShippingWorkflow", "order-cli-history", "Completed"] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    assert_matches_snapshot(
        "describe_unknown",
        &harness
            .record_session(&[&["describe", "nothing"], &["history", "not an id"]])
            .await,
    );
}

#[tokio::test]
async fn history_includes_the_shipments() {
    let harness = Harness::start().await;
    harness
        .run_json(&[
            "start-order",
            "cli-history-2",
            "pmt-history-2",
            "--street",
            "123 Main St",
            "--json",
        ])
        .await;
    harness.wait_for_end("cli-history-2").await;
    let look = async || {
        harness
            .run_json(&["history", "order-cli-history-2", "--json"])
            .await
    };
    let closed = |history: &serde_json::Value| {
        history["events"].as_array().is_some_and(|events| {
            events
                .iter()
                .any(|event| event["type"] == "WorkflowExecutionCompleted")
        })
    };
    let history = harness.wait_until("the close", look, closed).await;
    let started = &history["events"][0];
    assert_eq!(
        (&started["event_id"], &started["type"]),
        (&1.into(), &"WorkflowExecutionStarted".into())
    );
    // Payloads are decoded.
    let payment = &started["attributes"]["input"]["payloads"][0]["order"]["payment"]["payment_id"];
    assert_eq!(payment, "pmt-history-2", "{started}");
    let child = &history["children"][0];
    assert_eq!(child["workflow_id"], "shipping-cli-history-2-1");
    assert!(
        child["events"]
            .as_array()
            .is_some_and(|events| events.len() > 5),
        "{child}"
    );
    // The text output has one line per event and accepts either id.
    let history_text =
        Harness::expect_stdout(harness.run_orderflow(&["history", "cli-history-2"]).await);
    let line = |part: &str| {
        history_text
            .lines()
            .find(|line| line.contains(part))
            .unwrap_or_else(|| panic!("{part} is not in {history_text}"))
    };
    for part in [
        "ReserveInventory",
        "ChargePayment",
        "shipping-cli-history-2-1",
        "OrderStatus",
        "DispatchCarrier",
    ] {
        line(part);
    }
    // The column after the kind is aligned.
    let column = |part: &str| {
        line(part).chars().count() - line(part).split(part).nth(1).unwrap().chars().count()
    };
    let widest = column("StartChildWorkflowExecutionInitiated  ");
    assert_eq!(
        column("MarkerRecorded                        "),
        widest,
        "{history_text}"
    );
    let lines =
        history["events"].as_array().unwrap().len() + child["events"].as_array().unwrap().len() + 2;
    assert_eq!(history_text.lines().count(), lines, "{history_text}");
    assert_matches_snapshot("history_line", line("  OrderWorkflow  input"));
}

/// README's lines for Temporal's own CLI, on an order that waits for its payment.
#[tokio::test]
async fn temporal_cli_uses_the_stacks_address() {
    let harness = Harness::start().await;
    let start = [
        "start-order",
        "cli-temporal",
        "--profile",
        "checkout",
        "--json",
    ];
    harness.run_json(&start).await;
    harness.wait_for_step("cli-temporal", "pay").await;
    let query = [
        "temporal",
        "workflow",
        "query",
        "--workflow-id",
        "order-cli-temporal",
        "--type",
        "get_full_state",
    ];
    let state = Harness::expect_stdout(harness.run_orderflow(&query).await);
    assert!(state.contains("cli-temporal"), "{state}");
    let cancel = [
        "temporal",
        "workflow",
        "signal",
        "--workflow-id",
        "order-cli-temporal",
        "--name",
        "cancel_order",
        "--input",
        "\"changed my mind\"",
    ];
    Harness::expect_stdout(harness.run_orderflow(&cancel).await);
    let order = harness.wait_for_end("cli-temporal").await;
    assert_eq!(
        order.cancellation_reason.as_deref(),
        Some("changed my mind")
    );
    // The exit code is that of the CLI.
    let unknown = [
        "temporal",
        "workflow",
        "describe",
        "--workflow-id",
        "order-none",
    ];
    let output = harness.run_orderflow(&unknown).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

#[tokio::test]
async fn temporal_without_a_cli_names_the_remedy() {
    let empty = tempfile::tempdir().unwrap();
    let output = program()
        .args(["temporal", "workflow", "list"])
        .env("PATH", empty.path())
        .env("ORDERFLOW_CACHE", empty.path())
        .output()
        .await
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(
        message.contains("start the stack once with `orderflow up`"),
        "{message}"
    );
}
