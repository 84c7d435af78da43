//! Holds. A paid order waits for a decision before dispatch, because money is missing, or its
//! payment is disputed or under suspicion. And an operator can hold an order before its payment and
//! before its dispatch.

use std::time::Duration;

use serde_json::json;
use temporalio_workflow::WorkflowContext;
use waiting::WaitOutcome;

use super::{
    OrderWorkflow, Progress, continuation::WaitingPlace, current_time, persistence, recall::Recall,
    transitions::Reasons, waiting,
};
use domain::{AuditEventType, Step, WaitReason, WaitingFor};

type Context = WorkflowContext<OrderWorkflow>;

/// The longest hold. It is far beyond every dispute.
const MAX_HOLD: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Waits while the order has a reason to be held. A reviewer's approval, a rejection or an event
/// that removes the reason ends the wait. So does a request that cancels the payment: the result is
/// then `true`, and the order needs another payment.
pub(super) async fn await_release(ctx: &Context) -> Progress<bool> {
    if ctx.state(OrderWorkflow::find_hold).is_none() {
        // The hold can have ended between the request and this step.
        return take_cancel(ctx);
    }
    waiting::ensure_not_stopped(ctx)?;
    if !ctx.state_mut(|order| order.takes_up(WaitingPlace::Hold)) {
        begin_hold(ctx);
    }
    let now = current_time(ctx);
    let left = ctx.state(|order| (order.hold_until? - now).to_std().ok());
    let is_released =
        |order: &OrderWorkflow| order.find_hold().is_none() || order.payments.is_cancel_requested;
    let waited = waiting::wait_at(
        ctx,
        WaitingPlace::Hold,
        is_released,
        left.unwrap_or_default(),
    )
    .await?;
    if take_cancel(ctx)? {
        return Ok(true);
    }
    let now = current_time(ctx);
    ctx.state_mut(|order| {
        order.state.waiting_for = None;
        if waited == WaitOutcome::TimedOut {
            let reason = Some("the payment was held for a year".to_owned());
            order.transition_to_cancelled(Reasons::internal(reason), "payment_hold", now);
        } else {
            order.append_audit_event(AuditEventType::PaymentReleased, json!({}), now);
        }
    });
    waiting::ensure_not_stopped(ctx)?;
    Ok(false)
}

/// Waits while an operator holds the order. Returns whether it waited.
pub(super) async fn await_operator(ctx: &Context, place: WaitingPlace) -> Progress<bool> {
    ctx.state_mut(|order| order.takes_up(place));
    let Some(since) = ctx.state(|order| Some(order.state.hold.as_ref()?.since)) else {
        return Ok(false);
    };
    ctx.state_mut(|order| {
        order.state.waiting_for = Some(WaitingFor::without_end(WaitReason::Hold));
    });
    let held = (current_time(ctx) - since).to_std().unwrap_or_default();
    let is_released = |order: &OrderWorkflow| order.state.hold.is_none();
    let waited = waiting::wait_at(ctx, place, is_released, MAX_HOLD.saturating_sub(held)).await?;
    let now = current_time(ctx);
    ctx.state_mut(|order| {
        order.state.waiting_for = None;
        if waited == WaitOutcome::TimedOut {
            let reason = Some("the order was held for a year".to_owned());
            order.transition_to_cancelled(Reasons::internal(reason), "hold", now);
        }
    });
    waiting::ensure_not_stopped(ctx)?;
    Ok(true)
}

/// Cancels the payment if a request asked for it during the hold. Returns whether it did.
fn take_cancel(ctx: &Context) -> Progress<bool> {
    if !ctx.state_mut(|order| std::mem::take(&mut order.payments.is_cancel_requested)) {
        return Ok(false);
    }
    let now = current_time(ctx);
    ctx.state_mut(|order| {
        order.state.waiting_for = None;
        order.apply_payment_cancel(now)
    })?;
    Ok(true)
}

fn begin_hold(ctx: &Context) {
    let now = current_time(ctx);
    ctx.state_mut(|order| {
        order.state.enter_step(Step::ManualReview);
        order.hold_until = Some(now + MAX_HOLD);
        order.state.waiting_for = Some(WaitingFor::without_end(WaitReason::PaymentHold));
        let payload = order.hold_payload();
        order.append_audit_event(AuditEventType::PaymentHeld, payload, now);
    });
    persistence::publish_search_attributes(ctx);
}

impl OrderWorkflow {
    fn hold_payload(&self) -> serde_json::Value {
        let hold = self.find_hold();
        let missing = self
            .state
            .order
            .as_ref()
            .zip(hold.as_ref())
            .map(|(order, hold)| domain::Decimal::new(hold.shortage, order.currency.exponent()));
        json!({"missing": missing, "concerns": hold.map(|hold| hold.concerns)})
    }

    /// Stops a shipment that is in progress, so that the order waits in [`await_release`]. Without
    /// a shipment, the order checks for a hold before the next one.
    pub(super) fn request_hold(&mut self) {
        if let Some(shipping) = &mut self.shipping {
            let recall = shipping.recall.get_or_insert_with(Recall::default);
            recall.hold = true;
        }
    }
}
