//! Receipt of an order: the check of its workflow id and the first write.

use serde_json::json;
use temporalio_workflow::WorkflowContext;

use super::{
    Compensation, OrderStopped, OrderWorkflow, Progress, current_time, persistence, waiting,
};
use crate::activity::{
    OrderActivities, ReceiveOrderInput, ReceiveOrderOutcome, ValidateOrderInput, ValidationOutcome,
};
use contract::{FieldError, parse_order_workflow_id};
use domain::{AuditEventType, FailureCode, Step};

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
            order.unsaved_events.clear();
        });
    }
    is_valid
}

/// Writes the order's row and its first audit event, or detects that the id belongs to an older
/// order.
pub(super) async fn receive_order(ctx: &WorkflowContext<OrderWorkflow>) -> ReceiveOrderOutcome {
    let document = ctx.state(|order| order.document.clone());
    let run_id = ctx.run_id().to_owned();
    let received = persistence::run_local(ctx, OrderActivities::receive_order, |write| {
        ReceiveOrderInput {
            write,
            run_id,
            document,
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
            order.unsaved_events.clear();
        });
    }
    received
}

/// Accepts a valid order. An invalid order fails with the reasons before any reservation or charge.
/// A cancelled order is validated too, so that its row shows the cancelled content.
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
                OrderActivities::validate_order,
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
