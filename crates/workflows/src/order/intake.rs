//! Receiving an order and finding out whether it is one.

use serde_json::json;
use temporalio_workflow::WorkflowContext;

use super::{
    Compensation, OrderStopped, OrderWorkflow, Progress, current_time, persistence, waiting,
};
use crate::activity::{
    OrderSteps, ReceiveOrderInput, ReceiveOrderOutcome, ValidateOrderInput, ValidationOutcome,
};
use contract::{FieldError, parse_order_workflow_id};
use domain::{AuditEventType, FailureCode, Step};

/// A workflow id that is not `order-{order_id}` names no order: the run says so and touches nothing.
pub(super) fn check_workflow_id(ctx: &WorkflowContext<OrderWorkflow>) -> bool {
    let named = parse_order_workflow_id(ctx.workflow_id()).is_some();
    if !named {
        let now = current_time(ctx);
        ctx.state_mut(|order| {
            order.transition_to_failed(
                FailureCode::InvalidOrder,
                "the workflow id must be order-{order_id}".to_owned(),
                now,
            );
            order.state.finish();
            order.unsaved_events.clear();
        });
    }
    named
}

/// Writes the order's row and its first entry, or finds that the id belongs to an older order.
pub(super) async fn receive_order(ctx: &WorkflowContext<OrderWorkflow>) -> ReceiveOrderOutcome {
    let document = ctx.state(|order| order.document.clone());
    let run_id = ctx.run_id().to_owned();
    let received =
        persistence::run_local(ctx, OrderSteps::receive_order, |write| ReceiveOrderInput {
            write,
            run_id,
            document,
        })
        .await;
    if received == ReceiveOrderOutcome::Fresh {
        // From here on, and not from the reservation: that one takes hold before its task is in the history, and
        // should the task be lost, the order may be cancelled in its place without having reserved anything it knows of.
        ctx.state_mut(|order| order.compensations.push(Compensation::ReleaseInventory));
    } else {
        let now = current_time(ctx);
        let detail =
            "another order has this id; Temporal had forgotten it, the database has not".to_owned();
        ctx.state_mut(|order| {
            order.transition_to_failed(FailureCode::DuplicateOrder, detail, now);
            order.state.finish();
            // That order's trail is not ours to write.
            order.unsaved_events.clear();
        });
    }
    received
}

/// Accepts a valid order; a bad one fails with its reasons, nothing reserved and nothing charged. An order that
/// was cancelled already is read all the same, so that its row tells what was cancelled.
pub(super) async fn validate_order(ctx: &WorkflowContext<OrderWorkflow>) -> Progress {
    let (document, malformed) = ctx.state_mut(|order| {
        if !order.is_stopped() {
            order.state.enter_step(Step::Validate);
        }
        (order.document.clone(), order.malformed.clone())
    });
    let validated = match malformed {
        Some(detail) => ValidationOutcome::Invalid {
            errors: vec![FieldError {
                pointer: String::new(),
                detail,
            }],
        },
        None => {
            persistence::run_readonly(
                ctx,
                OrderSteps::validate_order,
                ValidateOrderInput { document },
            )
            .await
        }
    };
    let now = current_time(ctx);
    let accepted = ctx.state_mut(|order| match validated {
        ValidationOutcome::Valid { order: valid } => {
            order.append_audit_event(
                AuditEventType::OrderValidated,
                json!({"total": valid.total.decimal(), "currency": valid.currency}),
                now,
            );
            order.state.order = Some(*valid);
            Ok(())
        }
        ValidationOutcome::Invalid { errors } => {
            let detail = contract::InvalidFields(errors.clone()).to_string();
            order.append_audit_event(AuditEventType::OrderInvalid, json!({"errors": errors}), now);
            order.transition_to_failed(FailureCode::InvalidOrder, detail, now);
            Err(OrderStopped)
        }
    });
    accepted.and_then(|()| waiting::ensure_not_stopped(ctx))
}
