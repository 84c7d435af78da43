//! Crashes, hanging calls and lost responses: every order still reaches a correct end.

use futures::future::join_all;
use serde_json::json;
use temporalio_client::{WorkflowDescribeOptions, tonic::IntoRequest};
use temporalio_common::protos::temporal::api::{
    common::v1::WorkflowExecution, workflowservice::v1::DeleteWorkflowExecutionRequest,
};

use crate::{
    api::order_with_payment,
    harness::Harness,
    shared_servers::{TEMPLATE_DATABASE, shared_servers},
};
use devstack::{Postgres, PostgresOptions};
use store::simulator::{Fault, add_fault};
use workflows::OrderWorkflow;

/// Starts an order of two SKUs.
pub(crate) async fn start_order(harness: &Harness, id: &str) {
    let mut order = order_with_payment(&format!("pmt-{id}"));
    order["items"] = json!([{"sku": "A", "quantity": 2, "price": 3}, {"sku": "B", "quantity": 1, "price": "0.5"}]);
    harness
        .post(&format!("/orders/{id}/start"), order)
        .await
        .expect_status(202);
}

#[tokio::test]
async fn carrier_failing_twice_ships_at_third_try() {
    let harness = Harness::start().await;
    add_fault(&harness.pool, "dispatch", "f-1", Fault::Fail, 2)
        .await
        .unwrap();
    start_order(&harness, "f-1").await;
    assert_eq!(
        harness.wait_for_end("f-1").await.status.as_str(),
        "delivered"
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn carrier_failing_permanently_causes_three_attempts_and_refund() {
    let harness = Harness::start().await;
    add_fault(&harness.pool, "dispatch", "f-2", Fault::Fail, 100)
        .await
        .unwrap();
    start_order(&harness, "f-2").await;
    let view = harness.wait_for_end("f-2").await;
    assert_eq!(
        (view.status.as_str(), view.failure.unwrap().code.as_str()),
        ("failed", "dispatch_failed")
    );
    let failed = harness
        .audit_event_types("f-2")
        .await
        .into_iter()
        .filter(|kind| kind == "dispatch_failed")
        .count();
    assert_eq!(failed, 3);
    assert_eq!(
        harness.provider_movements("f-2").await,
        ["capture", "refund"]
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn dispatch_with_lost_responses_is_shipped() {
    let harness = Harness::start().await;
    add_fault(&harness.pool, "dispatch", "f-3", Fault::Lose, 100)
        .await
        .unwrap();
    start_order(&harness, "f-3").await;
    assert_eq!(
        harness.wait_for_end("f-3").await.status.as_str(),
        "delivered"
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn parcel_is_recalled_before_dispatch_to_new_address() {
    let harness = Harness::start_with(&[("SHIPPING_DELAY", "1s")]).await;
    // Three failures end the first attempt. The second attempt waits when the new address arrives.
    add_fault(&harness.pool, "dispatch", "f-10", Fault::Fail, 3)
        .await
        .unwrap();
    start_order(&harness, "f-10").await;
    let trail = async || harness.audit_event_types("f-10").await;
    harness
        .wait_until("a failed attempt", trail, |trail| {
            trail.contains(&"dispatch_failed".to_owned())
        })
        .await;
    let moved = harness
        .post(
            "/orders/f-10/signals/update-address",
            json!({"street": "2 Side St"}),
        )
        .await
        .expect_status(200);
    assert_eq!(moved["shipping_address"]["street"], "2 Side St");
    let view = harness.wait_for_end("f-10").await;
    assert_eq!(view.status.as_str(), "delivered");
    // The number of the first parcel is invalid now: the carrier never accepts it, even if a lost
    // call arrives.
    assert_eq!(
        view.shipment_info.unwrap().tracking_number,
        "FEDEX-f-10-PKG-002"
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn address_change_at_last_attempt_adds_no_attempt() {
    let harness = Harness::start().await;
    add_fault(&harness.pool, "dispatch", "f-13", Fault::Fail, 100)
        .await
        .unwrap();
    start_order(&harness, "f-13").await;
    let attempts = async || {
        harness
            .audit_event_types("f-13")
            .await
            .iter()
            .filter(|kind| *kind == "shipment_started")
            .count()
    };
    harness
        .wait_until("the third attempt", attempts, |count| *count == 3)
        .await;
    // Accepted or too late: in both cases the third attempt is the last.
    let response = harness
        .post(
            "/orders/f-13/signals/update-address",
            json!({"street": "2 Side St"}),
        )
        .await;
    assert!(
        [200, 409].contains(&response.status.as_u16()),
        "{:?}",
        response.body
    );
    let view = harness.wait_for_end("f-13").await;
    assert_eq!(
        (view.status.as_str(), view.failure.unwrap().code.as_str()),
        ("failed", "dispatch_failed")
    );
    assert!(attempts().await <= 4);
    harness.assert_invariants().await;
}

#[tokio::test]
async fn reused_id_after_retention_keeps_old_order() {
    let harness = Harness::start().await;
    start_order(&harness, "f-11").await;
    let before = harness.wait_for_end("f-11").await;
    let client = harness.connect_to_temporal().await;
    let execution = WorkflowExecution {
        workflow_id: "order-f-11".to_owned(),
        run_id: String::new(),
    };
    let request = DeleteWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: Some(execution),
    };
    client
        .connection()
        .workflow_service()
        .delete_workflow_execution(request.into_request())
        .await
        .unwrap();
    let handle = client.get_workflow_handle::<OrderWorkflow>("order-f-11");
    let forgotten = async || {
        handle
            .describe(WorkflowDescribeOptions::default())
            .await
            .is_err()
    };
    harness
        .wait_until("the deletion in Temporal", forgotten, |forgotten| {
            *forgotten
        })
        .await;
    // The second run finds the row and changes nothing.
    let mut other = order_with_payment("pmt-other");
    other["items"][0]["quantity"] = json!(7);
    harness
        .post("/orders/f-11/start", other)
        .await
        .expect_status(202);
    let ended = async || {
        let described = handle
            .describe(WorkflowDescribeOptions::default())
            .await
            .unwrap();
        format!("{:?}", described.status())
    };
    harness
        .wait_until("the second run's end", ended, |status| {
            status == "Completed"
        })
        .await;
    assert_eq!(
        store::orders::read_order(&harness.pool, &before.order_id)
            .await
            .unwrap()
            .unwrap(),
        before
    );
    let state = harness.get("/orders/f-11").await.expect_status(200);
    assert_eq!(
        (&state["status"], &state["total_amount"]),
        (&json!("delivered"), &json!(6.5))
    );
    assert_eq!(harness.provider_movements("f-11").await, ["capture"]);
    harness.assert_invariants().await;
}

#[tokio::test]
async fn stopping_worker_finishes_running_activity() {
    let harness = Harness::start().await;
    add_fault(&harness.pool, "charge", "f-12", Fault::Hang, 1)
        .await
        .unwrap();
    start_order(&harness, "f-12").await;
    let faults_left = async || {
        store::simulator::count_faults(&harness.pool, "charge", "f-12")
            .await
            .unwrap()
    };
    harness
        .wait_until("the provider's call", faults_left, |times| *times == 0)
        .await;
    // The charge is running. It ends without a response after 3 s, and the worker reports that
    // before it exits.
    harness.worker.stop().await;
    let events = async || harness.fetch_history_event_types("f-12").await;
    harness
        .wait_until("the reported charge", events, |kinds| {
            kinds.contains(&"EVENT_TYPE_ACTIVITY_TASK_COMPLETED".to_owned())
        })
        .await;
    harness.worker.restart().await.unwrap();
    assert_eq!(
        harness.wait_for_end("f-12").await.status.as_str(),
        "delivered"
    );
    assert_eq!(harness.provider_movements("f-12").await, ["capture"]);
    harness.assert_invariants().await;
}

#[tokio::test]
async fn lost_or_late_charge_response_charges_once() {
    let harness = Harness::start().await;
    add_fault(&harness.pool, "charge", "f-4", Fault::Lose, 2)
        .await
        .unwrap();
    add_fault(&harness.pool, "charge", "f-5", Fault::Hang, 1)
        .await
        .unwrap();
    futures::join!(start_order(&harness, "f-4"), start_order(&harness, "f-5"));
    for id in ["f-4", "f-5"] {
        assert_eq!(harness.wait_for_end(id).await.status.as_str(), "delivered");
        assert_eq!(harness.provider_movements(id).await, ["capture"]);
    }
    harness.assert_invariants().await;
}

#[tokio::test]
async fn unavailable_provider_fails_order_and_voids_charge() {
    let harness = Harness::start_with(&[("PAYMENT_RETRY_FOR", "2s")]).await;
    add_fault(&harness.pool, "charge", "f-6", Fault::Fail, 100)
        .await
        .unwrap();
    add_fault(&harness.pool, "charge", "f-7", Fault::Lose, 100)
        .await
        .unwrap();
    add_fault(&harness.pool, "refund", "f-7", Fault::Fail, 1)
        .await
        .unwrap();
    futures::join!(start_order(&harness, "f-6"), start_order(&harness, "f-7"));
    for id in ["f-6", "f-7"] {
        let view = harness.wait_for_end(id).await;
        assert_eq!(
            (view.status.as_str(), view.failure.unwrap().code.as_str()),
            ("failed", "payment_unavailable")
        );
    }
    assert_eq!(harness.provider_movements("f-6").await, ["void"]);
    assert_eq!(
        harness.provider_movements("f-7").await,
        ["capture", "refund"]
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn cancel_during_provider_outage_charges_nothing() {
    let harness = Harness::start().await;
    add_fault(&harness.pool, "charge", "f-8", Fault::Fail, 100)
        .await
        .unwrap();
    start_order(&harness, "f-8").await;
    let trail = async || harness.audit_event_types("f-8").await;
    harness
        .wait_until("a failed charge", trail, |trail| {
            trail.contains(&"payment_unavailable".to_owned())
        })
        .await;
    assert_eq!(
        harness
            .post("/orders/f-8/cancel", json!({}))
            .await
            .expect_status(200)["status"],
        "cancelled"
    );
    assert_eq!(
        harness.wait_for_end("f-8").await.status.as_str(),
        "cancelled"
    );
    assert_eq!(harness.provider_movements("f-8").await, ["void"]);
    harness.assert_invariants().await;
}

#[tokio::test]
async fn killed_worker_uses_no_dispatch_attempt() {
    let harness = Harness::start().await;
    // The worker dies four times during the carrier's call, more often than the three tries of an
    // order.
    add_fault(&harness.pool, "dispatch", "f-9", Fault::Hang, 4)
        .await
        .unwrap();
    start_order(&harness, "f-9").await;
    for left in (0..4).rev() {
        let faults_left = async || {
            store::simulator::count_faults(&harness.pool, "dispatch", "f-9")
                .await
                .unwrap()
        };
        harness
            .wait_until("the carrier's call", faults_left, |times| *times <= left)
            .await;
        harness.worker.kill().await;
        harness.worker.restart().await.unwrap();
    }
    let view = harness.wait_for_end("f-9").await;
    assert_eq!(view.status.as_str(), "delivered");
    assert_eq!(view.retries.values().sum::<u32>(), 0, "{:?}", view.retries);
    assert!(
        !harness
            .audit_event_types("f-9")
            .await
            .contains(&"dispatch_failed".to_owned())
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn orders_wait_during_database_outage() {
    let postgres = start_durable_postgres().await;
    let harness = start_on_postgres(&postgres, &[("SHIPPING_DELAY", "2s")]).await;
    let ids: Vec<String> = (0..10).map(|number| format!("away-{number}")).collect();
    join_all(ids.iter().map(|id| start_order(&harness, id))).await;
    harness.wait_for_status("away-3", "preparing").await;
    postgres.process.kill().await;
    // The API still answers for open orders, because it queries their workflows.
    let state = harness
        .get("/orders/away-3/status")
        .await
        .expect_status(200);
    assert_eq!(state["source"], "workflow");
    harness
        .get("/orders")
        .await
        .expect_problem(503, "database_unavailable");
    // Orders that start during the outage wait for the database, and so does a cancel.
    start_order(&harness, "away-late").await;
    start_order(&harness, "away-regretted").await;
    harness
        .post("/orders/away-regretted/cancel", json!({}))
        .await
        .expect_status(200);
    postgres.restart().await.unwrap();
    for id in ids.iter().map(String::as_str).chain(["away-late"]) {
        assert_eq!(
            harness.wait_for_end(id).await.status.as_str(),
            "delivered",
            "{id}"
        );
        assert_eq!(harness.provider_movements(id).await, ["capture"]);
    }
    assert_eq!(
        harness.wait_for_end("away-regretted").await.status.as_str(),
        "cancelled"
    );
    // The cancel comes before the items are reserved, or while their reservation waits for the database.
    let trail = harness.audit_event_types("away-regretted").await;
    let count = |kind: &str| trail.iter().filter(|entry| *entry == kind).count();
    assert_eq!(count("order_cancelled"), 1, "{trail:?}");
    assert_eq!(
        count("inventory_reserved"),
        count("inventory_released"),
        "{trail:?}"
    );
    assert_eq!(trail.last().unwrap(), "compensation_finished", "{trail:?}");
    harness.assert_invariants().await;
}

#[tokio::test]
async fn deadline_passes_while_step_retries() {
    let postgres = start_durable_postgres().await;
    let harness = start_on_postgres(&postgres, &[("ORDER_DEADLINE", "5s")]).await;
    postgres.process.kill().await;
    start_order(&harness, "late").await;
    // The row is written once the database is available. The workflow has failed already.
    let status = async || harness.get("/orders/late/status").await.body;
    let failed =
        |body: &serde_json::Value| body["status"] == "failed" && body["source"] == "workflow";
    harness.wait_until("the deadline", status, failed).await;
    postgres.restart().await.unwrap();
    let view = harness.wait_for_end("late").await;
    assert_eq!(
        (view.status.as_str(), view.failure.unwrap().code.as_str()),
        ("failed", "deadline_passed")
    );
    assert_eq!(harness.provider_movements("late").await, [] as [&str; 0]);
    harness.assert_invariants().await;
}

/// Returns a separate durable server. Without durability, a killed server loses acknowledged
/// writes.
async fn start_durable_postgres() -> Postgres {
    Postgres::start(PostgresOptions {
        durable: true,
        ..PostgresOptions::default()
    })
    .await
    .unwrap()
}

async fn start_on_postgres(postgres: &Postgres, settings: &[(&str, &str)]) -> Harness {
    let url = postgres
        .create_database(TEMPLATE_DATABASE, None)
        .await
        .unwrap();
    store::migrate(&store::connect(&url).await.unwrap())
        .await
        .unwrap();
    Harness::start_on(&url, &shared_servers().await.temporal.address, settings).await
}

#[tokio::test]
async fn orders_complete_while_worker_is_killed_five_times() {
    let harness = Harness::start_with(&[("SHIPPING_DELAY", "1s")]).await;
    let ids: Vec<String> = (0..200).map(|number| format!("chaos-{number}")).collect();
    let kills = async {
        for kill in 1..=5 {
            // More orders have ended before each kill, independent of the machine's speed.
            let ended = async || count_delivered(&harness).await;
            harness
                .wait_until("more ended orders", ended, |count| *count >= kill * 8)
                .await;
            harness.worker.kill().await;
            harness.worker.restart().await.unwrap();
        }
    };
    let starts = join_all(ids.iter().map(|id| start_order(&harness, id)));
    futures::join!(starts, kills);
    for id in &ids {
        assert_eq!(
            harness.wait_for_end(id).await.status.as_str(),
            "delivered",
            "{id}"
        );
        assert_eq!(harness.provider_movements(id).await, ["capture"], "{id}");
    }
    let stock = store::inventory::read_stock(&harness.pool, &domain::Sku::parse("A").unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (stock.available, stock.held, stock.shipped),
        (1_000_000 - 400, 0, 400)
    );
    harness.assert_invariants().await;
}

async fn count_delivered(harness: &Harness) -> i64 {
    let filter = store::orders::ListFilter {
        statuses: vec![domain::OrderStatus::Delivered],
        limit: 200,
        ..store::orders::ListFilter::default()
    };
    i64::try_from(
        store::orders::list(&harness.pool, &filter, &store::orders::Matches::default())
            .await
            .unwrap()
            .len(),
    )
    .unwrap()
}
