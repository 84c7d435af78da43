//! Validation of the order document.

use serde_json::json;
use temporalio_workflow::WorkflowContext;

use super::{OrderStopped, OrderWorkflow, Progress, current_time, persistence, waiting};
use crate::activity::{OrderActivities, ValidateOrderInput, ValidationOutcome};
use contract::{FieldError, InvalidFields};
use domain::{AuditEventType, FailureCode, Step};

/// Accepts a valid order. An invalid order fails with the reasons before any reservation or charge.
/// A cancelled order is validated too, so that its row shows the cancelled content.
pub(super) async fn validate_order(ctx: &WorkflowContext<OrderWorkflow>) -> Progress {
    let (document, malformed, receipt) = ctx.state_mut(|order| {
        if !order.is_stopped() {
            order.state.enter_step(Step::Validate);
        }
        (
            order.document.clone(),
            order.malformed.clone(),
            order.receipt,
        )
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
                ValidateOrderInput {
                    document,
                    is_earlier: (2..6).contains(&receipt),
                },
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
            let detail = InvalidFields(errors.clone()).to_string();
            order.append_audit_event(AuditEventType::OrderInvalid, json!({"errors": errors}), now);
            order.transition_to_failed(FailureCode::InvalidOrder, detail, now);
            Err(OrderStopped)
        }
    });
    accepted.and_then(|()| waiting::ensure_not_stopped(ctx))
}
