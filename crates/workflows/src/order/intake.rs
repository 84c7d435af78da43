//! Receipt of an order: the check of its workflow id, its validation and its first write.

use temporalio_workflow::WorkflowContext;

use super::{
    Compensation, OrderWorkflow, Progress, current_time, earlier_runs,
    inventory::{self, Reserved},
    persistence, validation, waiting,
};
use crate::activity::{OrderActivities, ReceiveOrderInput, ReceiveOrderOutcome};
use contract::parse_order_workflow_id;
use domain::FailureCode;

type Context = WorkflowContext<OrderWorkflow>;

/// Returns whether the workflow id is `order-{order_id}`. Otherwise the run fails without any
/// write.
pub(super) fn check_workflow_id(ctx: &Context) -> bool {
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

/// Accepts the order: validates it, writes its row and reserves its stock. Returns `None` if the id
/// belongs to another order.
pub(super) async fn accept_order(ctx: &Context) -> Option<Progress> {
    if ctx.state(|order| order.receipt) < 2 {
        receive_order(ctx).await?;
        earlier_runs::learn_effects(ctx, "receive").await;
        let validated = validation::validate_order(ctx).await;
        return match validated.and_then(|()| waiting::ensure_not_stopped(ctx)) {
            Ok(()) => reserve(ctx).await,
            Err(stopped) => Some(Err(stopped)),
        };
    }
    let accepted = match validation::validate_order(ctx).await {
        Ok(()) => {
            add_release(ctx);
            reserve(ctx).await?
        }
        Err(stopped) => {
            receive_order(ctx).await?;
            Err(stopped)
        }
    };
    earlier_runs::learn_effects(ctx, "receive").await;
    Some(accepted)
}

/// Writes the order's row and its audit events. Returns `None` if the id belongs to another order.
async fn receive_order(ctx: &Context) -> Option<()> {
    let document = ctx.state(|order| order.document.clone());
    let received = persistence::run_local(ctx, OrderActivities::receive_order, |write| {
        ReceiveOrderInput {
            write,
            document: document.clone(),
        }
    })
    .await;
    match received {
        ReceiveOrderOutcome::Fresh => {
            add_release(ctx);
            Some(())
        }
        ReceiveOrderOutcome::Duplicate => {
            end_duplicate(ctx);
            None
        }
    }
}

async fn reserve(ctx: &Context) -> Option<Progress> {
    match inventory::reserve_inventory(ctx).await {
        Reserved::Done(progress) => Some(progress),
        Reserved::Duplicate => {
            end_duplicate(ctx);
            None
        }
    }
}

/// Added before the reservation, because the reservation takes effect before its task is in the
/// history. If that task is lost, a cancel may replace it and must still release the stock.
fn add_release(ctx: &Context) {
    ctx.state_mut(|order| order.compensations.push(Compensation::ReleaseInventory));
}

fn end_duplicate(ctx: &Context) {
    let now = current_time(ctx);
    let detail =
        "an older order has this id; it was purged or is past Temporal's retention".to_owned();
    ctx.state_mut(|order| {
        order.transition_to_failed(FailureCode::DuplicateOrder, detail, now);
        order.state.finish();
        // The audit log belongs to the other order.
        order.drop_unsaved_events();
    });
}
