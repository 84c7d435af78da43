//! The number of state transitions and history events of an order in Temporal.

use temporalio_client::{Client, WorkflowDescribeOptions};

use crate::{api::order_with_payment, harness::Harness};
use workflows::OrderWorkflow;

async fn count_transitions_and_events(client: &Client, workflow_id: String) -> (i64, usize) {
    let described = client
        .get_workflow_handle::<OrderWorkflow>(workflow_id)
        .describe(WorkflowDescribeOptions::default())
        .await
        .unwrap();
    let transitions = described
        .raw_description
        .workflow_execution_info
        .as_ref()
        .unwrap()
        .state_transition_count;
    (transitions, described.history_length())
}

#[tokio::test]
async fn successful_order_needs_at_most_48_events() {
    let harness = Harness::start().await;
    let id = harness
        .post("/orders", order_with_payment("pmt-budget"))
        .await
        .expect_started();
    assert_eq!(harness.wait_for_end(&id).await.status.as_str(), "delivered");
    let client = harness.connect_to_temporal().await;
    let closed = async || count_transitions_and_events(&client, format!("order-{id}")).await;
    let order = harness
        .wait_until("the closed workflow", closed, |(_, events)| *events >= 34)
        .await;
    let shipping = count_transitions_and_events(&client, format!("shipping-{id}-1")).await;
    let (transitions, events) = (order.0 + shipping.0, order.1 + shipping.1);
    println!("a successful order: {transitions} transitions, {events} events");
    // More transitions cost money with each order. Fewer would mean that the test measures the
    // wrong workflow.
    assert!(
        (20..=25).contains(&transitions),
        "{transitions} transitions: {order:?} and {shipping:?}"
    );
    assert!(
        (35..=48).contains(&events),
        "{events} events: {order:?} and {shipping:?}"
    );
}
