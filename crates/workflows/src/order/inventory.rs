//! Holding the stock an order needs.

use serde_json::json;
use temporalio_workflow::WorkflowContext;

use super::{OrderWorkflow, Progress, Stopped, now, save, wait};
use crate::activity::{OrderSteps, Reserved};
use domain::{EventType, FailureCode};

/// Holds all of it, or fails the order with a clear refusal and holds nothing.
pub(super) async fn reserve(ctx: &WorkflowContext<OrderWorkflow>) -> Progress {
    wait::check(ctx)?;
    let reserved = save::local(ctx, OrderSteps::reserve_inventory, |write| write).await;
    let now = now(ctx);
    ctx.state_mut(|order| match reserved {
        Reserved::Held => {
            order.audit(EventType::InventoryReserved, json!({}), now);
            Ok(())
        }
        Reserved::Unavailable { sku, available } => {
            order.audit(
                EventType::InventoryUnavailable,
                json!({"sku": sku, "available": available}),
                now,
            );
            order.fail(
                FailureCode::OutOfStock,
                format!("{sku} has {available} left"),
                now,
            );
            Err(Stopped)
        }
    })
}
