//! What an order costs Temporal.

use temporalio_client::{Client, WorkflowDescribeOptions};

use crate::{api::order_with_payment, harness::Harness};
use workflows::OrderWorkflow;

async fn cost(client: &Client, workflow_id: String) -> (i64, usize) {
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
async fn a_happy_order_stays_within_25_transitions_and_48_events() {
    let world = Harness::start().await;
    let id = world
        .post("/orders", order_with_payment("pmt-budget"))
        .await
        .expect_started();
    assert_eq!(world.wait_for_end(&id).await.status.as_str(), "delivered");
    let client = world.connect_to_temporal().await;
    let closed = async || cost(&client, format!("order-{id}")).await;
    let order = world
        .wait_until("the closed workflow", closed, |(_, events)| *events >= 34)
        .await;
    let shipping = cost(&client, format!("shipping-{id}-1")).await;
    let (transitions, events) = (order.0 + shipping.0, order.1 + shipping.1);
    println!("a happy order: {transitions} transitions, {events} events");
    // More would be paid for with every order; fewer would mean that this test looks at the wrong thing.
    assert!(
        (20..=25).contains(&transitions),
        "{transitions} transitions: {order:?} and {shipping:?}"
    );
    assert!(
        (35..=48).contains(&events),
        "{events} events: {order:?} and {shipping:?}"
    );
}
