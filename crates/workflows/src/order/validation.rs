//! Validation of the order document.

use std::borrow::Cow;

use serde_json::json;
use temporalio_workflow::WorkflowContext;

use super::{OrderStopped, OrderWorkflow, Progress, current_time, persistence, waiting};
use crate::activity::{OrderActivities, ValidateOrderInput, ValidationOutcome};
use contract::{FieldError, InvalidFields};
use domain::{AuditEventType, FailureCode, OrderState, Step};

/// Returns the order's state with its document, also before the order is validated.
pub(super) fn with_document(order: &OrderWorkflow) -> Cow<'_, OrderState> {
    if order.state.order.is_some() || order.malformed.is_some() || order.is_stopped() {
        return Cow::Borrowed(&order.state);
    }
    let document = order.document.to_string();
    let parsed = if is_earlier(order.receipt) {
        contract::parse_earlier_order(&document)
    } else {
        contract::parse_order(&document)
    };
    match parsed {
        Ok(valid) => {
            let mut state = order.state.clone();
            state.order = Some(valid);
            Cow::Owned(state)
        }
        Err(_) => Cow::Borrowed(&order.state),
    }
}

/// Returns whether a function of an earlier release has accepted the document, so that its rules apply.
fn is_earlier(receipt: u32) -> bool {
    (2..6).contains(&receipt)
}

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
                    is_earlier: is_earlier(receipt),
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
