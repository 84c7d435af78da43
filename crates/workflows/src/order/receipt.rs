//! Receiving an order and finding out whether it is one.

use serde_json::json;
use temporalio_workflow::WorkflowContext;

use super::{OrderWorkflow, Progress, Stopped, Undo, now, save, wait};
use crate::activity::{OrderSteps, Receive, Received, Validate, Validated};
use contract::{FieldError, order_id_of_workflow};
use domain::{EventType, FailureCode, Step};

/// A workflow id that is not `order-{order_id}` names no order: the run says so and touches nothing.
pub(super) fn named(ctx: &WorkflowContext<OrderWorkflow>) -> bool {
    let named = order_id_of_workflow(ctx.workflow_id()).is_some();
    if !named {
        let now = now(ctx);
        ctx.state_mut(|order| {
            order.fail(
                FailureCode::InvalidOrder,
                "the workflow id must be order-{order_id}".to_owned(),
                now,
            );
            order.record.finish();
            order.unsaved.clear();
        });
    }
    named
}

/// Writes the order's row and its first entry, or finds that the id belongs to an older order.
pub(super) async fn receive(ctx: &WorkflowContext<OrderWorkflow>) -> Received {
    let document = ctx.state(|order| order.document.clone());
    let run_id = ctx.run_id().to_owned();
    let received = save::local(ctx, OrderSteps::receive_order, |write| Receive {
        write,
        run_id,
        document,
    })
    .await;
    if received == Received::Fresh {
        // From here on, and not from the reservation: that one takes hold before its task is in the history, and
        // should the task be lost, the order may be cancelled in its place without having reserved anything it knows of.
        ctx.state_mut(|order| order.undo.push(Undo::ReleaseInventory));
    } else {
        let now = now(ctx);
        let detail =
            "another order has this id; Temporal had forgotten it, the database has not".to_owned();
        ctx.state_mut(|order| {
            order.fail(FailureCode::DuplicateOrder, detail, now);
            order.record.finish();
            // That order's trail is not ours to write.
            order.unsaved.clear();
        });
    }
    received
}

/// Accepts a valid order; a bad one fails with its reasons, nothing reserved and nothing charged. An order that
/// was cancelled already is read all the same, so that its row tells what was cancelled.
pub(super) async fn validate(ctx: &WorkflowContext<OrderWorkflow>) -> Progress {
    let (document, malformed) = ctx.state_mut(|order| {
        if !order.is_stopped() {
            order.record.enter(Step::Validate);
        }
        (order.document.clone(), order.malformed.clone())
    });
    let validated = match malformed {
        Some(detail) => Validated::Invalid {
            errors: vec![FieldError {
                pointer: String::new(),
                detail,
            }],
        },
        None => save::nothing(ctx, OrderSteps::validate_order, Validate { document }).await,
    };
    let now = now(ctx);
    let accepted = ctx.state_mut(|order| match validated {
        Validated::Valid { order: valid } => {
            order.audit(
                EventType::OrderValidated,
                json!({"total": valid.total.decimal(), "currency": valid.currency}),
                now,
            );
            order.record.order = Some(*valid);
            Ok(())
        }
        Validated::Invalid { errors } => {
            let detail = contract::Invalid(errors.clone()).to_string();
            order.audit(EventType::OrderInvalid, json!({"errors": errors}), now);
            order.fail(FailureCode::InvalidOrder, detail, now);
            Err(Stopped)
        }
    });
    accepted.and_then(|()| wait::check(ctx))
}
