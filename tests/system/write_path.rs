//! Orders whose database is restored, whose workflow is reset, or whose database fails for long.

use futures::future::join_all;
use serde_json::{Value, json};
use temporalio_client::{WorkflowDescribeOptions, tonic::IntoRequest};
use temporalio_common::protos::temporal::api::{
    common::v1::WorkflowExecution,
    enums::v1::{EventType, PendingActivityState},
    workflowservice::v1::ResetWorkflowExecutionRequest,
};

use crate::{api::order_with_payment, faults::start_order, harness::Harness};
use workflows::OrderWorkflow;

/// The tables of orders, each after the tables that it references.
const TABLES: [&str; 13] = [
    "orders",
    "events",
    "payments",
    "payment_movements",
    "refunds",
    "refund_parts",
    "returns",
    "inventory",
    "stock_movements",
    "reservations",
    "shipments",
    "notifications",
    "webhook_deliveries",
];

pub(crate) async fn execute(harness: &Harness, statement: &str) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned()))
        .execute(&harness.pool)
        .await
        .unwrap();
}

/// Copies the tables of orders. The records of the payment provider and the carrier are outside of
/// the database in production, so they are not part of a backup.
async fn back_up(harness: &Harness) {
    let copies = TABLES.map(|table| format!("create table backup.{table} as table {table};"));
    let copies = copies.concat();
    execute(
        harness,
        &format!("begin isolation level repeatable read; create schema backup; {copies} commit;"),
    )
    .await;
}

async fn restore(harness: &Harness) {
    let rows = TABLES
        .map(|table| format!("insert into {table} overriding system value table backup.{table};"));
    let (tables, rows) = (TABLES.join(", "), rows.concat());
    execute(
        harness,
        // The copy contains the movements of the stock.
        &format!(
            "begin; set local orderflow.has_movement = 'on'; truncate {tables}; {rows} commit;"
        ),
    )
    .await;
}

pub(crate) async fn assert_gapless_audit_log(harness: &Harness, id: &str) {
    let events = harness.get(&format!("/orders/{id}/events")).await.body;
    let seqs: Vec<_> = events["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["seq"].as_u64().unwrap())
        .collect();
    let expected: Vec<_> = (1..).take(seqs.len()).collect();
    assert_eq!(seqs, expected, "{id}: {events:#}");
    assert_eq!(events["events"][0]["type"], json!("order_received"), "{id}");
}

#[tokio::test]
async fn orders_complete_after_restore_of_older_database() {
    let harness = Harness::start_with(&[("SHIPPING_DELAY", "4s"), ("DEFAULT_STOCK", "1000")]).await;
    let older: Vec<_> = (0..6).map(|number| format!("restored-{number}")).collect();
    let newer: Vec<_> = (0..6).map(|number| format!("lost-{number}")).collect();
    join_all(older.iter().map(|id| start_order(&harness, id))).await;
    harness.wait_for_step(&older[0], "prepare").await;
    back_up(&harness).await;
    join_all(newer.iter().map(|id| start_order(&harness, id))).await;
    for id in older.iter().chain(&newer) {
        harness.wait_for_step(id, "prepare").await;
    }
    restore(&harness).await;
    for id in older.iter().chain(&newer) {
        assert_eq!(
            harness.wait_for_end(id).await.status.as_str(),
            "delivered",
            "{id}"
        );
        assert_gapless_audit_log(&harness, id).await;
        assert_eq!(harness.provider_movements(id).await, ["capture"], "{id}");
    }
    harness.assert_invariants().await;
}

/// The rows of the order alone are deleted, while it waits for its parcel to be handed over.
#[tokio::test]
async fn cancelled_order_is_refunded_after_loss_of_its_rows() {
    let harness = Harness::start_with(&[("SHIPPING_DELAY", "60s")]).await;
    start_order(&harness, "erased").await;
    harness.wait_for_step("erased", "prepare").await;
    execute(
        &harness,
        "begin; delete from payment_movements; delete from payments; delete from notifications;
         update inventory set available = available + held, held = 0; delete from reservations;
         delete from shipments; delete from events; delete from orders; commit",
    )
    .await;
    harness
        .post("/orders/erased/cancel", json!({}))
        .await
        .expect_status(200);
    assert_eq!(
        harness.wait_for_end("erased").await.status.as_str(),
        "cancelled"
    );
    assert_gapless_audit_log(&harness, "erased").await;
    assert_eq!(
        harness.provider_movements("erased").await,
        ["capture", "refund"]
    );
    harness.assert_invariants().await;
}

/// Returns the numbers of the completed workflow tasks in the order's history.
pub(crate) async fn completed_tasks(harness: &Harness, id: &str) -> Vec<i64> {
    let handle = harness
        .connect_to_temporal()
        .await
        .get_workflow_handle::<OrderWorkflow>(format!("order-{id}"));
    let events = handle
        .fetch_history(temporalio_client::WorkflowFetchHistoryOptions::default())
        .into_events()
        .await
        .unwrap();
    events
        .iter()
        .filter(|event| event.event_type() == EventType::WorkflowTaskCompleted)
        .map(|event| event.event_id)
        .collect()
}

pub(crate) async fn reset(harness: &Harness, id: &str, event_id: i64) {
    let request = ResetWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: Some(WorkflowExecution {
            workflow_id: format!("order-{id}"),
            run_id: String::new(),
        }),
        reason: "test".to_owned(),
        workflow_task_finish_event_id: event_id,
        request_id: format!("{id}-{event_id}"),
        ..ResetWorkflowExecutionRequest::default()
    };
    harness
        .connect_to_temporal()
        .await
        .connection()
        .workflow_service()
        .reset_workflow_execution(request.into_request())
        .await
        .unwrap();
}

/// Each order is reset to another of its workflow tasks, while its parcel waits for the hand-over.
/// Half of the orders are then cancelled.
#[tokio::test]
async fn order_completes_after_reset_to_any_task() {
    let harness = Harness::start_with(&[("SHIPPING_DELAY", "5s"), ("REVIEW_THRESHOLD", "1")]).await;
    let prepare = async |id: String| {
        start_order(&harness, &id).await;
        harness.wait_for_step(&id, "manual_review").await;
        harness
            .post(&format!("/orders/{id}/signals/approve"), json!({}))
            .await
            .expect_status(200);
        harness.wait_for_step(&id, "prepare").await;
        let shipping = async || harness.audit_event_types(&id).await;
        harness
            .wait_until("the shipping attempt", shipping, |kinds| {
                kinds.iter().any(|kind| kind == "shipment_started")
            })
            .await;
    };
    prepare("reset-count".to_owned()).await;
    let count = completed_tasks(&harness, "reset-count").await.len();
    assert!(count >= 3, "{count} tasks");
    let ids: Vec<(usize, String)> = (0..count * 2)
        .map(|number| (number / 2, format!("reset-{number}")))
        .collect();
    join_all(ids.iter().map(|(_, id)| prepare(id.clone()))).await;
    let endings = ids.iter().enumerate().map(async |(number, (task, id))| {
        let tasks = completed_tasks(&harness, id).await;
        reset(&harness, id, tasks[(*task).min(tasks.len() - 1)]).await;
        let cancelled = number % 2 == 0;
        if cancelled {
            // The review may have begun again, and the order may have shipped meanwhile.
            harness
                .post(&format!("/orders/{id}/cancel"), json!({}))
                .await;
        } else {
            // After an early reset, the order waits for its review again.
            let at = async || harness.get(&format!("/orders/{id}/status")).await.body;
            let settled = |body: &Value| body["step"] != "receive" && body["step"] != "validate";
            harness
                .wait_until("a step after the reset", at, settled)
                .await;
            harness
                .post(&format!("/orders/{id}/signals/approve"), json!({}))
                .await;
        }
        (id, cancelled)
    });
    for (id, cancelled) in join_all(endings).await {
        let status = harness.wait_for_end(id).await.status;
        let movements = harness.provider_movements(id).await;
        match status.as_str() {
            "delivered" => assert_eq!(movements, ["capture"], "{id}"),
            "cancelled" if cancelled => {
                assert!(
                    movements == ["capture", "refund"] || movements.is_empty(),
                    "{id}: {movements:?}"
                );
            }
            other => panic!("{id} is {other}"),
        }
        assert_gapless_audit_log(&harness, id).await;
    }
    harness.wait_for_end("reset-count").await;
    harness.assert_invariants().await;
}

/// Retries of a local activity add events to the history. After a few, a regular activity goes on,
/// whose retries add none.
#[tokio::test]
async fn unavailable_database_adds_no_history() {
    let harness = Harness::start_with(&[("SHIPPING_DELAY", "1s"), ("REVIEW_THRESHOLD", "1")]).await;
    start_order(&harness, "outage").await;
    harness.wait_for_step("outage", "manual_review").await;
    execute(&harness, "alter table orders rename to orders_away").await;
    harness
        .post("/orders/outage/signals/approve", json!({}))
        .await
        .expect_status(200);
    let client = harness.connect_to_temporal().await;
    let handle = client.get_workflow_handle::<OrderWorkflow>("order-outage");
    let attempts_and_events = async || {
        let described = handle
            .describe(WorkflowDescribeOptions::default())
            .await
            .unwrap();
        let pending = described.raw_description.pending_activities.first();
        (
            pending.map_or(0, |activity| {
                assert_ne!(activity.state(), PendingActivityState::CancelRequested);
                activity.attempt
            }),
            described.history_length(),
        )
    };
    let (first, before) = harness
        .wait_until(
            "the regular activity",
            attempts_and_events,
            |(attempt, _)| *attempt >= 2,
        )
        .await;
    let (_, after) = harness
        .wait_until("two more attempts", attempts_and_events, |(attempt, _)| {
            *attempt >= first + 2
        })
        .await;
    assert_eq!(after, before);
    execute(&harness, "alter table orders_away rename to orders").await;
    assert_eq!(
        harness.wait_for_end("outage").await.status.as_str(),
        "delivered"
    );
    harness.assert_invariants().await;
}

/// ENG-15: the id of a shipping attempt belongs to another workflow.
#[tokio::test]
async fn foreign_workflow_id_does_not_block_order() {
    use temporalio_client::WorkflowStartOptions;
    let harness = Harness::start().await;
    let client = harness.connect_to_temporal().await;
    let queue = format!("nobody-{}", harness.orders_task_queue);
    let input = workflows::OrderInput::default();
    client
        .start_workflow(
            OrderWorkflow::run,
            workflows::Message::Valid(input),
            WorkflowStartOptions::new(queue, "shipping-foreign-1").build(),
        )
        .await
        .unwrap();
    start_order(&harness, "foreign").await;
    assert_eq!(
        harness.wait_for_end("foreign").await.status.as_str(),
        "delivered"
    );
    harness.assert_invariants().await;
}

/// ENG-21: a lock on one SKU, held for long, stops no order of another SKU.
#[tokio::test]
async fn locked_sku_does_not_stop_other_orders() {
    let harness = Harness::start().await;
    let order_of = |sku: &str, id: &str| {
        let mut order = order_with_payment(&format!("pmt-{id}"));
        order["items"] = json!([{"sku": sku, "quantity": 1, "price": 3}]);
        order
    };
    let start = async |sku: &str, id: &str| {
        harness
            .post(&format!("/orders/{id}/start"), order_of(sku, id))
            .await
            .expect_status(202);
    };
    start("HOT", "hot-first").await;
    harness.wait_for_end("hot-first").await;
    let mut lock = harness.pool.acquire().await.unwrap();
    sqlx::raw_sql("begin; select from inventory where sku = 'HOT' for update")
        .execute(&mut *lock)
        .await
        .unwrap();
    let blocked: Vec<_> = (0..60).map(|number| format!("hot-{number}")).collect();
    join_all(blocked.iter().map(|id| start("HOT", id))).await;
    let free: Vec<_> = (0..5).map(|number| format!("cold-{number}")).collect();
    join_all(free.iter().map(|id| start("COLD", id))).await;
    for id in &free {
        assert_eq!(harness.wait_for_end(id).await.status.as_str(), "delivered");
    }
    sqlx::raw_sql("rollback").execute(&mut *lock).await.unwrap();
    for id in &blocked {
        assert_eq!(harness.wait_for_end(id).await.status.as_str(), "delivered");
    }
    harness.assert_invariants().await;
}
