//! Receipt of an order: the check of its workflow id and the first write.

use temporalio_workflow::WorkflowContext;

use super::{Compensation, OrderWorkflow, current_time, persistence};
use crate::activity::{OrderActivities, ReceiveOrderInput, ReceiveOrderOutcome};
use contract::parse_order_workflow_id;
use domain::FailureCode;

/// Returns whether the workflow id is `order-{order_id}`. Otherwise the run fails without any
/// write.
pub(super) fn check_workflow_id(ctx: &WorkflowContext<OrderWorkflow>) -> bool {
    let is_valid = parse_order_workflow_id(ctx.workflow_id()).is_some();
    if !is_valid {
        let now = current_time(ctx);
        ctx.state_mut(|order| {
            order.transition_to_failed(
                FailureCode::InvalidOrder,
                "the workflow id must have the form order-{order_id}".to_owned(),
                now,
            );
            order.state.finish();
            order.drop_unsaved_events();
        });
    }
    is_valid
}

/// Writes the order's row and its first audit event, or detects that the id belongs to an older
/// order.
pub(super) async fn receive_order(ctx: &WorkflowContext<OrderWorkflow>) -> ReceiveOrderOutcome {
    let document = ctx.state(|order| order.document.clone());
    let received = persistence::run_local(ctx, OrderActivities::receive_order, |write| {
        ReceiveOrderInput {
            write,
            document: document.clone(),
        }
    })
    .await;
    if received == ReceiveOrderOutcome::Fresh {
        // Added here, before the reservation, because the reservation takes effect before its task
        // is in the history. If that task is lost, a cancel may replace it and must still release
        // the stock.
        ctx.state_mut(|order| order.compensations.push(Compensation::ReleaseInventory));
    } else {
        let now = current_time(ctx);
        let detail =
            "the database has an older order with this id, which is past Temporal's retention"
                .to_owned();
        ctx.state_mut(|order| {
            order.transition_to_failed(FailureCode::DuplicateOrder, detail, now);
            order.state.finish();
            // The audit log belongs to the other order.
            order.drop_unsaved_events();
        });
    }
    received
}
