//! What dies, hangs, or answers twice: orders end right all the same.

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

async fn start(world: &Harness, id: &str) {
    let mut order = order_with_payment(&format!("pmt-{id}"));
    order["items"] = json!([{"sku": "A", "quantity": 2, "price": 3}, {"sku": "B", "quantity": 1, "price": "0.5"}]);
    world
        .post(&format!("/orders/{id}/start"), order)
        .await
        .expect_status(202);
}

#[tokio::test]
async fn carrier_failing_twice_ships_at_third_try() {
    let world = Harness::start().await;
    add_fault(&world.pool, "dispatch", "f-1", Fault::Fail, 2)
        .await
        .unwrap();
    start(&world, "f-1").await;
    assert_eq!(world.wait_for_end("f-1").await.status.as_str(), "delivered");
    world.assert_invariants().await;
}

#[tokio::test]
async fn carrier_failing_permanently_causes_three_attempts_and_refund() {
    let world = Harness::start().await;
    add_fault(&world.pool, "dispatch", "f-2", Fault::Fail, 100)
        .await
        .unwrap();
    start(&world, "f-2").await;
    let view = world.wait_for_end("f-2").await;
    assert_eq!(
        (view.status.as_str(), view.failure.unwrap().code.as_str()),
        ("failed", "dispatch_failed")
    );
    let failed = world
        .audit_event_types("f-2")
        .await
        .into_iter()
        .filter(|kind| kind == "dispatch_failed")
        .count();
    assert_eq!(failed, 3);
    assert_eq!(world.provider_movements("f-2").await, ["capture", "refund"]);
    world.assert_invariants().await;
}

#[tokio::test]
async fn dispatch_with_lost_responses_is_shipped() {
    let world = Harness::start().await;
    add_fault(&world.pool, "dispatch", "f-3", Fault::Lose, 100)
        .await
        .unwrap();
    start(&world, "f-3").await;
    assert_eq!(world.wait_for_end("f-3").await.status.as_str(), "delivered");
    world.assert_invariants().await;
}

#[tokio::test]
async fn parcel_is_recalled_before_dispatch_to_new_address() {
    let world = Harness::start_with(&[("SHIPPING_DELAY", "1s")]).await;
    // Three failures end the first attempt; the second is waiting when the new address comes.
    add_fault(&world.pool, "dispatch", "f-10", Fault::Fail, 3)
        .await
        .unwrap();
    start(&world, "f-10").await;
    let trail = async || world.audit_event_types("f-10").await;
    world
        .wait_until("a failed attempt", trail, |trail| {
            trail.contains(&"dispatch_failed".to_owned())
        })
        .await;
    let moved = world
        .post(
            "/orders/f-10/signals/update-address",
            json!({"street": "2 Side St"}),
        )
        .await
        .expect_status(200);
    assert_eq!(moved["shipping_address"]["street"], "2 Side St");
    let view = world.wait_for_end("f-10").await;
    assert_eq!(view.status.as_str(), "delivered");
    // The first parcel's number is burnt: whatever was lost on the way, the carrier never takes it now.
    assert_eq!(
        view.shipment_info.unwrap().tracking_number,
        "FEDEX-f-10-PKG-002"
    );
    world.assert_invariants().await;
}

#[tokio::test]
async fn address_change_at_last_attempt_adds_no_attempt() {
    let world = Harness::start().await;
    add_fault(&world.pool, "dispatch", "f-13", Fault::Fail, 100)
        .await
        .unwrap();
    start(&world, "f-13").await;
    let attempts = async || {
        world
            .audit_event_types("f-13")
            .await
            .iter()
            .filter(|kind| *kind == "shipment_started")
            .count()
    };
    world
        .wait_until("the third attempt", attempts, |count| *count == 3)
        .await;
    // Taken or too late: either way the third attempt is the last.
    let reply = world
        .post(
            "/orders/f-13/signals/update-address",
            json!({"street": "2 Side St"}),
        )
        .await;
    assert!(
        [200, 409].contains(&reply.status.as_u16()),
        "{:?}",
        reply.body
    );
    let view = world.wait_for_end("f-13").await;
    assert_eq!(
        (view.status.as_str(), view.failure.unwrap().code.as_str()),
        ("failed", "dispatch_failed")
    );
    assert!(attempts().await <= 4);
    world.assert_invariants().await;
}

#[tokio::test]
async fn reused_id_after_retention_keeps_old_order() {
    let world = Harness::start().await;
    start(&world, "f-11").await;
    let before = world.wait_for_end("f-11").await;
    let client = world.connect_to_temporal().await;
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
    world
        .wait_until("Temporal forgets", forgotten, |forgotten| *forgotten)
        .await;
    // The second start runs, finds the row, and touches nothing.
    let mut other = order_with_payment("pmt-other");
    other["items"][0]["quantity"] = json!(7);
    world
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
    world
        .wait_until("the second run's end", ended, |status| {
            status == "Completed"
        })
        .await;
    assert_eq!(
        store::orders::read_order(&world.pool, &before.order_id)
            .await
            .unwrap()
            .unwrap(),
        before
    );
    let state = world.get("/orders/f-11").await.expect_status(200);
    assert_eq!(
        (&state["status"], &state["total_amount"]),
        (&json!("delivered"), &json!(6.5))
    );
    assert_eq!(world.provider_movements("f-11").await, ["capture"]);
    world.assert_invariants().await;
}

#[tokio::test]
async fn stopping_worker_finishes_running_activity() {
    let world = Harness::start().await;
    add_fault(&world.pool, "charge", "f-12", Fault::Hang, 1)
        .await
        .unwrap();
    start(&world, "f-12").await;
    let hanging = async || {
        store::simulator::count_faults(&world.pool, "charge", "f-12")
            .await
            .unwrap()
    };
    world
        .wait_until("the provider's call", hanging, |times| *times == 0)
        .await;
    // The charge is under way; it ends with no answer after 3 s, and the worker reports that before it goes.
    world.worker.stop().await;
    let events = async || world.fetch_history_event_types("f-12").await;
    world
        .wait_until("the reported charge", events, |kinds| {
            kinds.contains(&"EVENT_TYPE_ACTIVITY_TASK_COMPLETED".to_owned())
        })
        .await;
    world.worker.restart().await.unwrap();
    assert_eq!(
        world.wait_for_end("f-12").await.status.as_str(),
        "delivered"
    );
    assert_eq!(world.provider_movements("f-12").await, ["capture"]);
    world.assert_invariants().await;
}

#[tokio::test]
async fn lost_or_late_charge_response_charges_once() {
    let world = Harness::start().await;
    add_fault(&world.pool, "charge", "f-4", Fault::Lose, 2)
        .await
        .unwrap();
    add_fault(&world.pool, "charge", "f-5", Fault::Hang, 1)
        .await
        .unwrap();
    futures::join!(start(&world, "f-4"), start(&world, "f-5"));
    for id in ["f-4", "f-5"] {
        assert_eq!(world.wait_for_end(id).await.status.as_str(), "delivered");
        assert_eq!(world.provider_movements(id).await, ["capture"]);
    }
    world.assert_invariants().await;
}

#[tokio::test]
async fn unavailable_provider_fails_order_and_voids_charge() {
    let world = Harness::start_with(&[("PAYMENT_RETRY_FOR", "2s")]).await;
    add_fault(&world.pool, "charge", "f-6", Fault::Fail, 100)
        .await
        .unwrap();
    add_fault(&world.pool, "charge", "f-7", Fault::Lose, 100)
        .await
        .unwrap();
    add_fault(&world.pool, "refund", "f-7", Fault::Fail, 1)
        .await
        .unwrap();
    futures::join!(start(&world, "f-6"), start(&world, "f-7"));
    for id in ["f-6", "f-7"] {
        let view = world.wait_for_end(id).await;
        assert_eq!(
            (view.status.as_str(), view.failure.unwrap().code.as_str()),
            ("failed", "payment_unavailable")
        );
    }
    assert_eq!(world.provider_movements("f-6").await, ["void"]);
    assert_eq!(world.provider_movements("f-7").await, ["capture", "refund"]);
    world.assert_invariants().await;
}

#[tokio::test]
async fn cancel_during_provider_outage_charges_nothing() {
    let world = Harness::start().await;
    add_fault(&world.pool, "charge", "f-8", Fault::Fail, 100)
        .await
        .unwrap();
    start(&world, "f-8").await;
    let trail = async || world.audit_event_types("f-8").await;
    world
        .wait_until("a failed charge", trail, |trail| {
            trail.contains(&"payment_unavailable".to_owned())
        })
        .await;
    assert_eq!(
        world
            .post("/orders/f-8/cancel", json!({}))
            .await
            .expect_status(200)["status"],
        "cancelled"
    );
    assert_eq!(world.wait_for_end("f-8").await.status.as_str(), "cancelled");
    assert_eq!(world.provider_movements("f-8").await, ["void"]);
    world.assert_invariants().await;
}

#[tokio::test]
async fn killed_worker_uses_no_dispatch_attempt() {
    let world = Harness::start().await;
    // Four deaths with the call to the carrier under way: more than the three tries that an order has.
    add_fault(&world.pool, "dispatch", "f-9", Fault::Hang, 4)
        .await
        .unwrap();
    start(&world, "f-9").await;
    for left in (0..4).rev() {
        let hanging = async || {
            store::simulator::count_faults(&world.pool, "dispatch", "f-9")
                .await
                .unwrap()
        };
        world
            .wait_until("the carrier's call", hanging, |times| *times <= left)
            .await;
        world.worker.kill().await;
        world.worker.restart().await.unwrap();
    }
    let view = world.wait_for_end("f-9").await;
    assert_eq!(view.status.as_str(), "delivered");
    assert_eq!(view.retries.values().sum::<u32>(), 0, "{:?}", view.retries);
    assert!(
        !world
            .audit_event_types("f-9")
            .await
            .contains(&"dispatch_failed".to_owned())
    );
    world.assert_invariants().await;
}

#[tokio::test]
async fn orders_wait_during_database_outage() {
    let postgres = database().await;
    let world = on(&postgres, &[("SHIPPING_DELAY", "2s")]).await;
    let ids: Vec<String> = (0..10).map(|number| format!("away-{number}")).collect();
    join_all(ids.iter().map(|id| start(&world, id))).await;
    world.wait_for_status("away-3", "preparing").await;
    postgres.process.kill().await;
    // The API answers for open orders all the same: their workflows do.
    let state = world.get("/orders/away-3/status").await.expect_status(200);
    assert_eq!(state["source"], "workflow");
    world
        .get("/orders")
        .await
        .expect_problem(503, "database_unavailable");
    // Orders that begin while it is away wait for it, and a change of mind waits with them.
    start(&world, "away-late").await;
    start(&world, "away-regretted").await;
    world
        .post("/orders/away-regretted/cancel", json!({}))
        .await
        .expect_status(200);
    postgres.restart().await.unwrap();
    for id in ids.iter().map(String::as_str).chain(["away-late"]) {
        assert_eq!(
            world.wait_for_end(id).await.status.as_str(),
            "delivered",
            "{id}"
        );
        assert_eq!(world.provider_movements(id).await, ["capture"]);
    }
    assert_eq!(
        world.wait_for_end("away-regretted").await.status.as_str(),
        "cancelled"
    );
    let trail = world.audit_event_types("away-regretted").await;
    assert_eq!(
        trail,
        [
            "order_received",
            "order_cancelled",
            "order_validated",
            "compensation_finished"
        ]
    );
    world.assert_invariants().await;
}

#[tokio::test]
async fn deadline_passes_while_step_retries() {
    let postgres = database().await;
    let world = on(&postgres, &[("ORDER_DEADLINE", "5s")]).await;
    postgres.process.kill().await;
    start(&world, "late").await;
    // Its row is written when there is a database again; the order knows now.
    let status = async || world.get("/orders/late/status").await.body;
    let failed =
        |body: &serde_json::Value| body["status"] == "failed" && body["source"] == "workflow";
    world.wait_until("the deadline", status, failed).await;
    postgres.restart().await.unwrap();
    let view = world.wait_for_end("late").await;
    assert_eq!(
        (view.status.as_str(), view.failure.unwrap().code.as_str()),
        ("failed", "deadline_passed")
    );
    assert_eq!(world.provider_movements("late").await, [] as [&str; 0]);
    world.assert_invariants().await;
}

/// A server of the test's own, durable: without that, one that is killed loses what it had acknowledged.
async fn database() -> Postgres {
    Postgres::start(PostgresOptions {
        durable: true,
        ..PostgresOptions::default()
    })
    .await
    .unwrap()
}

async fn on(postgres: &Postgres, settings: &[(&str, &str)]) -> Harness {
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
    let world = Harness::start_with(&[("SHIPPING_DELAY", "1s")]).await;
    let ids: Vec<String> = (0..200).map(|number| format!("chaos-{number}")).collect();
    let kills = async {
        for kill in 1..=5 {
            // Each time some more have come through, whatever the machine's speed.
            let ended = async || ended(&world).await;
            world
                .wait_until("more ended orders", ended, |count| *count >= kill * 8)
                .await;
            world.worker.kill().await;
            world.worker.restart().await.unwrap();
        }
    };
    let starts = join_all(ids.iter().map(|id| start(&world, id)));
    futures::join!(starts, kills);
    for id in &ids {
        assert_eq!(
            world.wait_for_end(id).await.status.as_str(),
            "delivered",
            "{id}"
        );
        assert_eq!(world.provider_movements(id).await, ["capture"], "{id}");
    }
    let stock = store::inventory::read_stock(&world.pool, &domain::Sku::parse("A").unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (stock.available, stock.held, stock.shipped),
        (1_000_000 - 400, 0, 400)
    );
    world.assert_invariants().await;
}

async fn ended(world: &Harness) -> i64 {
    let filter = store::orders::ListFilter {
        status: Some(domain::OrderStatus::Delivered),
        limit: 200,
        ..store::orders::ListFilter::default()
    };
    i64::try_from(
        store::orders::list(&world.pool, &filter)
            .await
            .unwrap()
            .len(),
    )
    .unwrap()
}
