//! Orders whose workflow was terminated or deleted, and the search that ends them from their rows.

use std::collections::BTreeSet;

use futures::future::join_all;
use serde_json::{Value, json};
use temporalio_client::WorkflowTerminateOptions;

use crate::{
    api::order_with_payment,
    harness::Harness,
    write_path::{assert_gapless_audit_log, completed_tasks, execute, reset},
};
use workflows::OrderWorkflow;

async fn start(harness: &Harness, id: &str, profile: Option<&str>) {
    let mut order = order_with_payment(&format!("pmt-{id}"));
    if let Some(profile) = profile {
        order["profile"] = json!(profile);
    }
    harness
        .post(&format!("/orders/{id}/start"), order)
        .await
        .expect_status(202);
}

/// Waits until the row of the order has this audit event.
pub(crate) async fn wait_for_event(harness: &Harness, id: &str, kind: &str) {
    let types = async || harness.audit_event_types(id).await;
    let has_kind = |types: &Vec<String>| types.iter().any(|found| found == kind);
    harness.wait_until(kind, types, has_kind).await;
}

pub(crate) async fn terminate(harness: &Harness, id: &str) {
    harness
        .connect_to_temporal()
        .await
        .get_workflow_handle::<OrderWorkflow>(format!("order-{id}"))
        .terminate(WorkflowTerminateOptions::default())
        .await
        .unwrap();
}

/// Searches until the reports together have `count` orders in this list, and returns the last report.
/// An order must have been idle for a second, so a search can find only a part of them.
pub(crate) async fn recover(harness: &Harness, list: &str, count: usize) -> Value {
    let mut found = BTreeSet::new();
    let search = async || {
        let report = harness
            .run_json(&["recover", "--idle-for", "1s", "--json"])
            .await;
        let orders = report[list].as_array().unwrap().iter();
        found.extend(orders.map(|order| order["order_id"].as_str().unwrap().to_owned()));
        (found.len(), report)
    };
    let is_found = |(found, _): &(usize, Value)| *found == count;
    let (_, report) = harness.wait_until("lost orders", search, is_found).await;
    report
}

/// Searches until `count` orders were idle for a second, and returns the report.
async fn check_idle(harness: &Harness, count: u64) -> Value {
    let search = async || {
        harness
            .run_json(&["recover", "--idle-for", "1s", "--json"])
            .await
    };
    let is_idle = |report: &Value| report["checked"] == count;
    harness.wait_until("idle orders", search, is_idle).await
}

/// Starts an order, terminates its workflow and recovers it.
pub(crate) async fn run_lost_order(harness: &Harness, id: &str) {
    start(harness, id, Some("checkout")).await;
    wait_for_event(harness, id, "payment_requested").await;
    terminate(harness, id).await;
    recover(harness, "recovered", 1).await;
    harness.wait_for_end(id).await;
}

/// Returns the reason of the recovery in the audit log.
async fn recovery_reason(harness: &Harness, id: &str) -> Value {
    let events = harness.get(&format!("/orders/{id}/events")).await.body;
    let events = events["events"].as_array().unwrap();
    let recovered: Vec<_> = events
        .iter()
        .filter(|event| event["type"] == "order_recovered")
        .collect();
    assert_eq!(recovered.len(), 1, "{events:#?}");
    recovered[0]["payload"]["reason"].clone()
}

#[tokio::test]
async fn terminated_orders_are_compensated() {
    let harness = Harness::start_with(&[("SHIPPING_DELAY", "60s")]).await;
    start(&harness, "lost-paid", None).await;
    start(&harness, "lost-unpaid", Some("checkout")).await;
    start(&harness, "not-lost", None).await;
    wait_for_event(&harness, "lost-paid", "shipment_started").await;
    wait_for_event(&harness, "not-lost", "shipment_started").await;
    wait_for_event(&harness, "lost-unpaid", "payment_requested").await;
    assert_eq!(
        check_idle(&harness, 3).await,
        json!({"checked": 3, "recovered": [], "withheld": []})
    );
    terminate(&harness, "lost-paid").await;
    terminate(&harness, "lost-unpaid").await;
    // Too young for the hourly search.
    let young = harness.run_json(&["recover", "--json"]).await;
    assert_eq!(young["checked"], 0);
    execute(
        &harness,
        "update orders set updated_at = now() - interval '2 minutes'",
    )
    .await;
    let verified = harness.run_orderflow(&["verify", "--json"]).await;
    assert_eq!(verified.status.code(), Some(1));
    let verified: Value = serde_json::from_slice(&verified.stdout).unwrap();
    let rule = "an open order has no running workflow: terminated";
    assert_eq!(
        verified["violations"],
        json!([
            {"rule": rule, "subject": "lost-paid"},
            {"rule": rule, "subject": "lost-unpaid"}
        ])
    );
    recover(&harness, "recovered", 2).await;
    for (id, movements) in [
        ("lost-paid", &["capture", "refund"][..]),
        ("lost-unpaid", &[]),
    ] {
        let ended = harness.wait_for_end(id).await;
        assert_eq!(ended.status.as_str(), "cancelled", "{id}");
        assert_eq!(harness.provider_movements(id).await, movements, "{id}");
        assert_eq!(ended.items.len(), 1, "{id}: the row keeps its contents");
        assert_eq!(
            recovery_reason(&harness, id).await,
            "the order's workflow was terminated"
        );
        assert_gapless_audit_log(&harness, id).await;
    }
    // A repeated start is still the same order.
    let again = harness
        .post(
            "/orders/lost-paid/start",
            order_with_payment("pmt-lost-paid"),
        )
        .await;
    assert_eq!(again.expect_status(202)["already_started"], true);
    assert_eq!(
        check_idle(&harness, 1).await,
        json!({"checked": 1, "recovered": [], "withheld": []})
    );
    harness
        .post("/orders/not-lost/cancel", json!({}))
        .await
        .expect_status(200);
    harness.wait_for_end("not-lost").await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn deleted_order_is_compensated() {
    let harness = Harness::start_with(&[("SHIPPING_DELAY", "60s")]).await;
    start(&harness, "deleted", None).await;
    wait_for_event(&harness, "deleted", "shipment_started").await;
    harness.delete_workflow("deleted").await;
    recover(&harness, "recovered", 1).await;
    let ended = harness.wait_for_end("deleted").await;
    assert_eq!(ended.status.as_str(), "cancelled");
    assert_eq!(
        recovery_reason(&harness, "deleted").await,
        "Temporal has no workflow of the order"
    );
    assert_eq!(
        harness.provider_movements("deleted").await,
        ["capture", "refund"]
    );
    assert_gapless_audit_log(&harness, "deleted").await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn recovery_survives_killed_worker() {
    let harness = Harness::start_with(&[("SHIPPING_DELAY", "60s")]).await;
    let ids: Vec<_> = (0..8)
        .map(|number| format!("recovery-killed-{number}"))
        .collect();
    for id in &ids {
        start(&harness, id, None).await;
    }
    for id in &ids {
        wait_for_event(&harness, id, "shipment_started").await;
    }
    check_idle(&harness, 8).await;
    let terminated = ids.iter().map(|id| terminate(&harness, id));
    join_all(terminated).await;
    let ending = async || {
        let ended =
            sqlx::query_scalar::<_, i64>("select count(*) from orders where not is_running");
        ended.fetch_one(&harness.pool).await.unwrap()
    };
    let kills = async {
        for step in 1..=3 {
            let recovering = async || {
                let found = "select count(*) from events where type in ('order_recovered', 'payment_refunded')";
                let found = sqlx::query_scalar::<_, i64>(found);
                found.fetch_one(&harness.pool).await.unwrap()
            };
            harness
                .wait_until("progress", recovering, |found| *found >= 3 * step)
                .await;
            harness.worker.kill().await;
            harness.worker.restart().await.unwrap();
        }
    };
    let (_, ()) = futures::join!(recover(&harness, "recovered", 8), kills);
    harness
        .wait_until("the end of all orders", ending, |ended| *ended == 8)
        .await;
    for id in &ids {
        assert_eq!(
            harness.provider_movements(id).await,
            ["capture", "refund"],
            "{id}"
        );
        recovery_reason(&harness, id).await;
        assert_gapless_audit_log(&harness, id).await;
    }
    harness.assert_invariants().await;
}

/// The carrier has the parcel, first without the write of its dispatch, then with it.
#[tokio::test]
async fn dispatched_order_is_completed() {
    let harness = Harness::start_with(&[("SHIPPING_DELAY", "10s"), ("DELIVERY", "confirm")]).await;
    start(&harness, "unrecorded", None).await;
    wait_for_event(&harness, "unrecorded", "shipment_started").await;
    terminate(&harness, "unrecorded").await;
    execute(
        &harness,
        "insert into simulator.parcels (shipment_id, order_id, tracking_number, state)
         values ('unrecorded-PKG-001', 'unrecorded', 'TRACK-UNRECORDED', 'dispatched')",
    )
    .await;
    recover(&harness, "recovered", 1).await;
    harness.wait_for_status("unrecorded", "shipped").await;
    // The delivery is open again, and the workflow is lost a second time.
    wait_for_event(&harness, "unrecorded", "order_shipped").await;
    terminate(&harness, "unrecorded").await;
    recover(&harness, "recovered", 1).await;
    harness
        .post("/orders/unrecorded/signals/confirm-delivery", json!({}))
        .await
        .expect_status(200);
    let ended = harness.wait_for_end("unrecorded").await;
    assert_eq!(ended.status.as_str(), "delivered");
    assert_eq!(
        ended.shipment_info.unwrap().tracking_number,
        "TRACK-UNRECORDED"
    );
    assert_eq!(harness.provider_movements("unrecorded").await, ["capture"]);
    assert_gapless_audit_log(&harness, "unrecorded").await;
    harness.assert_invariants().await;
}

/// Many missing workflows mean a wrong namespace or a lost Temporal, so an operator decides.
#[tokio::test]
async fn many_missing_workflows_need_an_operator() {
    let harness = Harness::start_with(&[("SHIPPING_DELAY", "60s")]).await;
    let ids: Vec<_> = (0..21).map(|number| format!("missing-{number}")).collect();
    join_all(ids.iter().map(|id| start(&harness, id, None))).await;
    for id in &ids {
        wait_for_event(&harness, id, "shipment_started").await;
    }
    // With fewer of them, the search would recover those.
    check_idle(&harness, 21).await;
    join_all(ids.iter().map(|id| harness.delete_workflow(id))).await;
    let report = recover(&harness, "withheld", 21).await;
    assert_eq!(report["recovered"], json!([]));
    let all = ["recover", "--idle-for", "1s", "--all", "--json"];
    let report = harness.run_json(&all).await;
    assert_eq!(report["recovered"].as_array().unwrap().len(), 21);
    for id in &ids {
        assert_eq!(
            harness.wait_for_end(id).await.status.as_str(),
            "cancelled",
            "{id}"
        );
        assert_gapless_audit_log(&harness, id).await;
    }
    harness.assert_invariants().await;
}

/// The workflow has completed the order, and the database lost the end. The history has the truth, so
/// an operator resets the workflow instead.
#[tokio::test]
async fn lost_end_is_written_by_reset() {
    let harness = Harness::start().await;
    start(&harness, "ended", None).await;
    let before = harness.wait_for_end("ended").await;
    execute(
        &harness,
        "update orders set is_running = true, state = 'shipped', step = 'deliver', last_seq = last_seq - 1;
         delete from events where type = 'order_delivered';
         delete from notifications where kind = 'order_delivered'",
    )
    .await;
    let report = recover(&harness, "withheld", 1).await;
    assert_eq!(report["withheld"][0]["cause"], "completed");
    assert_eq!(report["recovered"], json!([]));
    let last = completed_tasks(&harness, "ended").await.pop().unwrap();
    reset(&harness, "ended", last).await;
    let ended = harness.wait_for_end("ended").await;
    assert_eq!((ended.status, ended.seq), (before.status, before.seq));
    assert_gapless_audit_log(&harness, "ended").await;
    harness.assert_invariants().await;
}
