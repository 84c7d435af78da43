//! Recovery of an order whose workflow was lost: terminated, timed out or deleted.
//!
//! A new run starts from the order's row and brings the order to its end. If the carrier has the
//! parcel, the order goes on to its delivery. Otherwise it is cancelled and compensated. The
//! effects of the lost run are in the ledger and at the carrier, as after a reset.

use serde_json::json;
use temporalio_workflow::WorkflowContext;

use super::{
    OrderWorkflow, Review, charge, compensation, current_time, delivery,
    earlier_runs::{self, EarlierRuns},
    payments::PaymentPhase,
    persistence,
    shipment::{self, ShippingPhaseResult},
    transitions::Reasons,
};
use crate::{
    Recovery,
    activity::{CheckOrderRowInput, RecoveryActivities},
};
use domain::{AuditEventType, OrderStatus};

type Context = WorkflowContext<OrderWorkflow>;

/// The reason of the cancellation that the customer reads. The audit event `order_recovered` has the
/// cause.
const CANCELLATION_REASON: &str = "the order could not be completed for a technical reason";

/// Brings the order to its end.
pub(super) async fn end_order(ctx: &Context) {
    if !is_row_unchanged(ctx).await {
        // Another run has recovered the order after this run was requested.
        return ctx.state_mut(|order| {
            order.state.finish();
            order.drop_unsaved_events();
        });
    }
    persistence::write_pending(ctx).await;
    earlier_runs::learn_effects(ctx, "recovery").await;
    if !complete_dispatched_order(ctx).await {
        let now = current_time(ctx);
        ctx.state_mut(|order| {
            let reasons = Reasons::of_order(CANCELLATION_REASON.to_owned(), CANCELLATION_REASON);
            order.transition_to_cancelled(reasons, "recovery", now);
        });
        compensation::compensate_order(ctx).await;
    }
    persistence::write_final(ctx).await;
}

/// Returns whether the row has no write of another run since this run was requested. A lost workflow
/// task of this run may have written.
async fn is_row_unchanged(ctx: &Context) -> bool {
    let check = ctx.state(|order| CheckOrderRowInput {
        order_id: order.state.order_id.clone(),
        last_seq: order.saved_seq,
    });
    persistence::run_readonly(ctx, RecoveryActivities::check_order_row, check).await
}

/// Completes an order whose parcel the carrier has. Returns whether the order is dispatched.
async fn complete_dispatched_order(ctx: &Context) -> bool {
    if !ctx.state(|order| order.is_dispatched() && !order.is_stopped()) {
        return false;
    }
    ctx.state_mut(|order| order.payments.phase = PaymentPhase::Covered);
    if !ctx.state(|order| order.state.status().is_dispatched()) {
        ctx.state_mut(|order| order.state.transition_to(OrderStatus::PaymentConfirmed))
            // The order was preparing already.
            .unwrap_or_default();
        // The carrier returns the same parcel.
        let shipped = shipment::ship_order(ctx).await;
        if !matches!(shipped, Ok(ShippingPhaseResult::Dispatched)) {
            return false;
        }
    }
    charge::capture_payments(ctx).await;
    delivery::await_delivery(ctx).await;
    true
}

impl OrderWorkflow {
    /// Takes the state of the row, instead of the state of a new order.
    pub(super) fn restore(&mut self, recovery: Recovery, now: chrono::DateTime<chrono::Utc>) {
        self.chain_id = recovery.chain_id;
        self.state = recovery.state;
        self.events = recovery.events;
        self.saved_seq = self.state.last_seq();
        self.review = Review::Over;
        self.earlier_runs = EarlierRuns::Unknown;
        self.is_recovery = true;
        self.append_audit_event(
            AuditEventType::OrderRecovered,
            json!({"reason": recovery.reason}),
            now,
        );
    }
}
