//! Reservation of the stock that an order needs.

use serde_json::json;
use temporalio_workflow::WorkflowContext;

use super::{OrderStopped, OrderWorkflow, Progress, current_time, persistence};
use crate::activity::{OrderActivities, ReservationOutcome};
use domain::{AuditEventType, FailureCode, Shortage};

/// The result of a reservation.
pub(super) enum Reserved {
    Done(Progress),
    /// The database has another order with this id.
    Duplicate,
}

/// Reserves all line items, or fails the order and reserves nothing.
pub(super) async fn reserve_inventory(ctx: &WorkflowContext<OrderWorkflow>) -> Reserved {
    let reserved =
        persistence::run_local(ctx, OrderActivities::reserve_inventory, |write| write).await;
    let now = current_time(ctx);
    ctx.state_mut(|order| match reserved {
        ReservationOutcome::Duplicate => Reserved::Duplicate,
        ReservationOutcome::Reserved => {
            order.is_reserved = true;
            order.append_audit_event(AuditEventType::InventoryReserved, json!({}), now);
            Reserved::Done(Ok(()))
        }
        ReservationOutcome::QuoteUsed => {
            let detail = "another order has used the quote".to_owned();
            order.transition_to_failed(FailureCode::QuoteUsed, detail, now);
            Reserved::Done(Err(OrderStopped))
        }
        ReservationOutcome::Unavailable {
            sku,
            available,
            shortages,
        } => {
            order.append_audit_event(
                AuditEventType::InventoryUnavailable,
                json!({"sku": sku, "available": available, "shortages": shortages}),
                now,
            );
            let left = |shortage: &Shortage| {
                let available = shortage.available.unwrap_or_default();
                format!("{} has {available} left", shortage.sku)
            };
            let detail = match shortages.as_slice() {
                [] => format!("{sku} has {available} left"),
                shortages => shortages.iter().map(left).collect::<Vec<_>>().join(", "),
            };
            order.transition_to_failed(FailureCode::OutOfStock, detail, now);
            if let Some(failure) = &mut order.state.failure {
                failure.shortages = shortages;
            }
            Reserved::Done(Err(OrderStopped))
        }
    })
}
