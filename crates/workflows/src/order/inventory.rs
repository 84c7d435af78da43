//! Reservation of the stock that an order needs, and its release.

use serde_json::json;
use temporalio_workflow::WorkflowContext;

use super::{
    OrderStopped, OrderWorkflow, Progress, current_time, items, payments::PaymentPhase, persistence,
};
use crate::activity::{OrderActivities, ReservationOutcome, ReserveInventoryInput};
use domain::{AuditEventType, FailureCode, Shortage};

type Context = WorkflowContext<OrderWorkflow>;

/// The result of a reservation.
pub(super) enum Reserved {
    Done(Progress),
    /// The database has another order with this id.
    Duplicate,
}

/// Reserves all line items of an unpaid order, or fails the order and reserves nothing.
pub(super) async fn reserve_inventory(ctx: &Context) -> Reserved {
    let limits = ctx.state(|order| order.policy.hold_limits);
    reserve(ctx, limits.map(|limits| limits.per_customer)).await
}

async fn reserve(ctx: &Context, customer_limit: Option<u32>) -> Reserved {
    let input = |write| ReserveInventoryInput {
        write,
        customer_limit,
    };
    let reserved = persistence::run_local(ctx, OrderActivities::reserve_inventory, input).await;
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
        ReservationOutcome::CustomerLimit { held } => {
            let limit = customer_limit.unwrap_or_default();
            let detail = format!(
                "other unpaid orders of the customer hold {held} units, and all of them may hold {limit}"
            );
            order.transition_to_failed(FailureCode::ReservationLimit, detail, now);
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

/// Releases the stock of a stopped order.
pub(super) async fn release(ctx: &Context) {
    let step = OrderActivities::release_inventory;
    let released = persistence::run_durable(ctx, step, |write| write).await;
    let now = current_time(ctx);
    ctx.state_mut(|order| {
        order.is_reserved = false;
        if released {
            order.append_audit_event(AuditEventType::InventoryReleased, json!({}), now);
        }
    });
}

/// Releases the stock of an order that has waited for its payment too long. A late attempt of this
/// change has no effect on a later reservation, unlike one of [`release`]. The compensation stays,
/// because the order can reserve again.
pub(super) async fn release_unpaid(ctx: &Context) {
    items::await_change(ctx).await;
    // Meanwhile, no request may change the quantities.
    ctx.state_mut(|order| order.is_changing_items = true);
    items::change_reservation(ctx, Vec::new()).await;
    let now = current_time(ctx);
    ctx.state_mut(|order| {
        order.is_changing_items = false;
        order.is_reserved = false;
        if let Some(waiting) = &mut order.state.waiting_for {
            waiting.stock_released = true;
        }
        let payload = json!({"reason": "reservation_timeout"});
        order.append_audit_event(AuditEventType::InventoryReleased, payload, now);
    });
}

/// Reserves the stock of a paid order again, if it was released while the order was unpaid.
pub(super) async fn reserve_again(ctx: &Context) -> Progress {
    if !ctx.state(OrderWorkflow::has_released_stock) {
        return Ok(());
    }
    match reserve(ctx, None).await {
        Reserved::Done(progress) => progress,
        // The row of the order is its own since it was received.
        Reserved::Duplicate => Err(OrderStopped),
    }
}

impl OrderWorkflow {
    /// Returns whether the order is paid and not shipping yet, because it reserves its stock again.
    pub(super) fn is_reserving_again(&self) -> bool {
        self.has_released_stock() && self.payments.phase == PaymentPhase::Covered
    }

    /// Returns whether the order has released its stock because it was not paid in time.
    pub(super) fn has_released_stock(&self) -> bool {
        self.policy.hold_limits.is_some()
            && !self.is_reserved
            && !self.is_stopped()
            && matches!(
                self.payments.phase,
                PaymentPhase::Awaiting(_) | PaymentPhase::Covered
            )
    }
}
