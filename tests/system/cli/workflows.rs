//! `describe` and `history`: what Temporal has of an order.

use super::assert_matches_snapshot;
use crate::harness::Harness;

#[tokio::test]
async fn a_workflow_is_described_by_either_id() {
    let world = Harness::start().await;
    world
        .run_json(&["start-order", "cli-history", "pmt-history", "--json"])
        .await;
    world.wait_for_end("cli-history").await;
    let look = async || {
        world
            .run_json(&["describe", "order-cli-history", "--json"])
            .await
    };
    let by_workflow = world
        .wait_until("the close", look, |found| found["status"] == "Completed")
        .await;
    assert_eq!(
        world.run_json(&["describe", "cli-history", "--json"]).await,
        by_workflow
    );
    assert_eq!(
        by_workflow["search_attributes"]["OrderStatus"], "delivered",
        "{by_workflow}"
    );
    let shown = Harness::expect_stdout(
        world
            .run_orderflow(&["describe", "shipping-cli-history-1"])
            .await,
    );
    for part in ["ShippingWorkflow", "order-cli-history", "Completed"] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    assert_matches_snapshot(
        "describe_unknown",
        &world
            .record_session(&[&["describe", "nothing"], &["history", "not an id"]])
            .await,
    );
}

#[tokio::test]
async fn a_history_can_be_read_and_has_its_shipments() {
    let world = Harness::start().await;
    world
        .run_json(&[
            "start-order",
            "cli-told",
            "pmt-told",
            "--street",
            "123 Main St",
            "--json",
        ])
        .await;
    world.wait_for_end("cli-told").await;
    let look = async || {
        world
            .run_json(&["history", "order-cli-told", "--json"])
            .await
    };
    let closed = |history: &serde_json::Value| {
        history["events"].as_array().is_some_and(|events| {
            events
                .iter()
                .any(|event| event["type"] == "WorkflowExecutionCompleted")
        })
    };
    let history = world.wait_until("the close", look, closed).await;
    let started = &history["events"][0];
    assert_eq!(
        (&started["event_id"], &started["type"]),
        (&1.into(), &"WorkflowExecutionStarted".into())
    );
    // A payload is what it says, not what it is encoded as.
    let payment = &started["attributes"]["input"]["payloads"][0]["order"]["payment"]["payment_id"];
    assert_eq!(payment, "pmt-told", "{started}");
    let child = &history["children"][0];
    assert_eq!(child["workflow_id"], "shipping-cli-told-1");
    assert!(
        child["events"]
            .as_array()
            .is_some_and(|events| events.len() > 5),
        "{child}"
    );
    // For people: a line each, either id will do.
    let told = Harness::expect_stdout(world.run_orderflow(&["history", "cli-told"]).await);
    let line = |part: &str| {
        told.lines()
            .find(|line| line.contains(part))
            .unwrap_or_else(|| panic!("{part} is not in {told}"))
    };
    for part in [
        "ReceiveOrder",
        "ChargePayment",
        "shipping-cli-told-1",
        "OrderStatus",
        "DispatchCarrier",
    ] {
        line(part);
    }
    // The column after the kind begins at one place in every line that has one.
    let column = |part: &str| {
        line(part).chars().count() - line(part).split(part).nth(1).unwrap().chars().count()
    };
    let widest = column("StartChildWorkflowExecutionInitiated  ");
    assert_eq!(
        column("MarkerRecorded                        "),
        widest,
        "{told}"
    );
    let lines =
        history["events"].as_array().unwrap().len() + child["events"].as_array().unwrap().len() + 2;
    assert_eq!(told.lines().count(), lines, "{told}");
    assert_matches_snapshot("history_line", line("  OrderWorkflow  input"));
}
