//! The cost of a successful order: state transitions and history events in Temporal, statements and
//! round trips in PostgreSQL.

mod database_proxy;

use database_proxy::{Counts, DatabaseProxy, PING};
use temporalio_client::{Client, WorkflowDescribeOptions};
use url::Url;

use crate::{api::order_with_payment, harness::Harness, shared_servers::shared_servers};
use workflows::OrderWorkflow;

/// The most bytes of both histories of an order, which are stored until the end of their retention.
const MAX_BYTES: i64 = 20_000;

/// Returns the state transitions, the events and the bytes of a workflow's history.
async fn measure_history(client: &Client, workflow_id: String) -> (i64, usize, i64) {
    let described = client
        .get_workflow_handle::<OrderWorkflow>(workflow_id)
        .describe(WorkflowDescribeOptions::default())
        .await
        .unwrap();
    let info = described
        .raw_description
        .workflow_execution_info
        .as_ref()
        .unwrap();
    (
        info.state_transition_count,
        described.history_length(),
        info.history_size_bytes,
    )
}

/// Completes an order and returns its state transitions, history events and bytes of history, with its
/// shipment's.
async fn complete_order(delivery: &str) -> (i64, usize, i64) {
    let harness = Harness::start_with(&[("DELIVERY", delivery)]).await;
    let id = harness
        .post("/orders", order_with_payment("pmt-budget"))
        .await
        .expect_started();
    assert_eq!(harness.wait_for_end(&id).await.status.as_str(), "delivered");
    let types = async || harness.fetch_history_event_types(&id).await;
    let is_closed = |types: &Vec<String>| {
        types.last().map(String::as_str) == Some("EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED")
    };
    let types = harness.wait_until("the close", types, is_closed).await;
    let timers = types.iter().filter(|kind| kind.contains("TIMER_STARTED"));
    assert_eq!(timers.count(), usize::from(delivery != "auto:0s"));
    let client = harness.connect_to_temporal().await;
    let order = measure_history(&client, format!("order-{id}")).await;
    let shipping = measure_history(&client, format!("shipping-{id}-1")).await;
    let counts = (
        order.0 + shipping.0,
        order.1 + shipping.1,
        order.2 + shipping.2,
    );
    println!(
        "an order with DELIVERY={delivery}: {} transitions, {} events, {} bytes: {order:?} and {shipping:?}",
        counts.0, counts.1, counts.2
    );
    counts
}

/// More transitions cost money with each order. Fewer would mean that the test measures the wrong
/// workflow.
#[tokio::test]
async fn successful_order_needs_at_most_22_transitions() {
    let (transitions, events, bytes) = complete_order("auto:1s").await;
    assert!(
        (20..=22).contains(&transitions),
        "{transitions} transitions"
    );
    assert!((35..=43).contains(&events), "{events} events");
    assert!((1..=MAX_BYTES).contains(&bytes), "{bytes} bytes");
}

/// A delivery after no time starts no timer, which would cost three transitions and a second.
#[tokio::test]
async fn immediate_delivery_needs_at_most_19_transitions() {
    let (transitions, events, bytes) = complete_order("auto:0s").await;
    assert!(
        (17..=19).contains(&transitions),
        "{transitions} transitions"
    );
    assert!((32..=37).contains(&events), "{events} events");
    assert!((1..=MAX_BYTES).contains(&bytes), "{bytes} bytes");
}

/// Returns whether the statement writes an order. The others are the simulators' own records, the
/// outbox, the status report, and the read of an ended order's audit log for the metrics.
fn is_write_of_order(statement: &str) -> bool {
    const OTHERS: [&str; 12] = [
        PING,
        "select seq, type",
        "simulator.",
        "update notifications set status = 'skipped'",
        "from notifications where",
        "is_running and coalesce(waiting_until",
        "with cause as",
        "_sqlx_migrations",
        "from webhook_endpoints",
        "from endpoint_deliveries",
        "select 1",
        "SET ",
    ];
    !OTHERS.iter().any(|other| statement.contains(other))
}

#[tokio::test]
async fn successful_order_needs_six_writes() {
    const ORDERS: usize = 10;
    const RUNS: usize = 3;
    let shared = shared_servers().await;
    let mut url = Url::parse(&shared.create_database("budget_statements").await).unwrap();
    let proxy = DatabaseProxy::start(url.port().unwrap()).await;
    let direct = store::connect(url.as_str()).await.unwrap();
    url.set_port(Some(proxy.port)).unwrap();
    url.query_pairs_mut().append_pair("sslmode", "disable");
    let mut harness = Harness::start_on(url.as_str(), &shared.temporal.address, &[]).await;
    // Reads of the test are not counted.
    harness.pool = direct;
    // The first order prepares the statements and inserts the SKU.
    let complete = async |id: String| {
        let started = harness.post("/orders", order_with_payment(&id)).await;
        harness.wait_for_end(&started.expect_started()).await;
    };
    complete("pmt-budget-first".to_owned()).await;
    let statements = |counts: &Counts| -> Counts {
        let counts = counts.iter();
        counts
            .filter(|(statement, _)| is_write_of_order(statement))
            .map(|(statement, count)| (statement.clone(), *count))
            .collect()
    };
    // A busy machine can repeat a step of an order. A run without a repeated step has the exact number.
    let mut runs = Vec::new();
    for run in 0..RUNS {
        let before = statements(&proxy.counts());
        for number in 0..ORDERS {
            complete(format!("pmt-budget-{run}-{number}")).await;
        }
        let per_order: Vec<_> = statements(&proxy.counts())
            .into_iter()
            .map(|(statement, count)| {
                let before = before.get(&statement).copied().unwrap_or(0);
                (count - before, statement)
            })
            .filter(|(count, _)| *count > 0)
            .collect();
        let total: usize = per_order.iter().map(|(count, _)| count).sum();
        runs.push((total, per_order));
        if total == 6 * ORDERS {
            break;
        }
    }
    let fewest = runs.iter().map(|(total, _)| *total).min();
    assert_eq!(fewest, Some(6 * ORDERS), "{runs:#?}");
    harness.assert_invariants().await;
}
