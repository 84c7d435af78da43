//! Holding the stock an order needs.

use serde_json::json;
use temporalio_workflow::WorkflowContext;

use super::{OrderStopped, OrderWorkflow, Progress, current_time, persistence, waiting};
use crate::activity::{OrderSteps, ReservationOutcome};
use domain::{AuditEventType, FailureCode};

/// Holds all of it, or fails the order with a clear refusal and holds nothing.
pub(super) async fn reserve_inventory(ctx: &WorkflowContext<OrderWorkflow>) -> Progress {
    waiting::ensure_not_stopped(ctx)?;
    let reserved = persistence::run_local(ctx, OrderSteps::reserve_inventory, |write| write).await;
    let now = current_time(ctx);
    ctx.state_mut(|order| match reserved {
        ReservationOutcome::Held => {
            order.append_audit_event(AuditEventType::InventoryReserved, json!({}), now);
            Ok(())
        }
        ReservationOutcome::Unavailable { sku, available } => {
            order.append_audit_event(
                AuditEventType::InventoryUnavailable,
                json!({"sku": sku, "available": available}),
                now,
            );
            order.transition_to_failed(
                FailureCode::OutOfStock,
                format!("{sku} has {available} left"),
                now,
            );
            Err(OrderStopped)
        }
    })
}
